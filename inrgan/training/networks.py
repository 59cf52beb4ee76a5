"""Networks of a training, their optimizers, and checks of the loss terms against them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan._random import step_generator
from inrgan.capabilities import HasPartialObservations, HasRegionsOfInterest, HasSymmetries
from inrgan.config import TrainConfig
from inrgan.errors import ConfigError, DeviceError, NonFiniteError
from inrgan.generator import Generator
from inrgan.hypernetwork import MappingNetwork
from inrgan.inrs import weights_term
from inrgan.losses import AbstractTerm
from inrgan.sizes import CriticSizes
from inrgan.training.distribution import Ranks
from inrgan.training.initial_weights import load_initial
from inrgan.training.optimization import Optimizer, frozen_copy
from inrgan.views import View


class TrainableGenerator(Protocol):
    """Module from latents to functions that can be evaluated at a view.

    ``inrgan.Generator`` is one; ``benchmarks/controls`` has others that train under the same loop.
    """

    mapping: MappingNetwork
    z_dim: int

    def __call__(self, z: Float[Tensor, "B Z"], labels: Int[Tensor, "B"] | None = None) -> Callable[[View], Tensor]:
        """Latents to functions from a view to (B, C, *S)."""
        ...

    def field(self, w: Float[Tensor, "B W"]) -> Callable[[View], Tensor]:
        """Mapped latents to functions from a view to (B, C, *S)."""
        ...

    def prepare(self, view: View) -> None:
        """Compute constants that depend on a view alone, on the host; the view stores them."""
        ...

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the weights and the configuration that rebuilds the network."""
        ...


@final
class Networks:
    """Generator, critics and averaged generator, equal in all processes, with their optimizers.

    Initial weights are drawn from torch's global generator, seeded here; nothing else in a training draws from it.

    Args:
        config: Training configuration.
        labels: Names of the classes; none for an unconditional generator.
        ranks: Processes that train together.
        device: Device of the networks.
        extra_terms: Terms with their own critic, by the name of the critic.
        generator: Module to train instead of ``inrgan.Generator``.
        init_from: Generator whose weights training starts from: folder, run or Hub id.
        init_partial: Whether to take over what fits, instead of requiring that everything does.

    Raises:
        InrganError: The sizes do not fit together, or a checkpoint cannot be read or does not fit.
    """

    def __init__(
        self, config: TrainConfig, *, labels: Sequence[str], ranks: Ranks, device: torch.device,
        extra_terms: Mapping[str, AbstractTerm], generator: nn.Module | None = None,
        init_from: str | Path | None = None, init_partial: bool = False,
    ):  # fmt: skip
        self.config, self.device = config, device
        self.started_from = ""
        """What was taken over from another generator, in words; empty for random weights."""
        generator_sizes, critic_sizes = config.sizes(classes=len(labels))
        torch.manual_seed(config.seed)
        G = generator if generator is not None else Generator(config.modality, labels=labels, sizes=generator_sizes)
        self.G: Any = G.to(device).train()
        self.D = _critics(config, critic_sizes, extra_terms=extra_terms).to(device).train()
        if init_from is not None:
            self.started_from = load_initial(self.G, init_from, config=config, labels=labels, partial=init_partial)
        for network in (self.G, self.D):
            ranks.align(network)
        self.ema: Any = frozen_copy(self.G)
        generator_rate = config.generator_rate
        for term in extra_terms.values():
            generator_rate *= term.generator_rate_factor(generator_sizes)
        self.generator_optimizer, self.critic_optimizer = (
            Optimizer(network, rate=rate, betas=config.betas, ranks=ranks, max_update=config.max_update)
            for network, rate in ((self.G, generator_rate), (self.D, config.critic_rate))
        )
        if config.compile:
            self.G.inr.compile_layers()

    @property
    def smallest(self) -> int:
        """Smallest side, in samples, that the critic of full signals accepts; 1 without such a critic."""
        return int(self.D["whole"].smallest) if "whole" in self.D else 1  # type: ignore[arg-type]

    def state_parts(self) -> dict[str, Any]:
        """Objects with an entry in a training state, by name."""
        return {
            "G": self.G, "D": self.D, "ema": self.ema,
            "optimizer_G": self.generator_optimizer.adam, "optimizer_D": self.critic_optimizer.adam,
        }  # fmt: skip

    def trained(self) -> dict[str, tuple[nn.Module, Optimizer]]:
        """Trained networks and their optimizers, by name."""
        return {"G": (self.G, self.generator_optimizer), "D": (self.D, self.critic_optimizer)}

    def prepare(self, term: AbstractTerm, views: Sequence[View], fake_views: Sequence[View]) -> None:
        """Compute, on the host, the constants that the networks need of a term's views; the views store them."""
        if term.sees_signals:
            for view in fake_views:
                self.G.prepare(view)
        if views:
            self.D[term.critic].prepare(*views)  # type: ignore[operator]

    @property
    def optimizers(self) -> tuple[Optimizer, Optimizer]:
        """Optimizers of the generator and of the critics."""
        return self.generator_optimizer, self.critic_optimizer

    def scale_rates(self, factor: float) -> None:
        """Set the learning rates to a fraction of the initial ones."""
        for optimizer in self.optimizers:
            optimizer.scale_rate(factor)

    def check_finite(self, *, advice: str) -> None:
        """Check that all weights are finite, before they are written.

        Raises:
            NonFiniteError: A weight is not; the message names the first one.
        """
        for name, network in {"generator": self.G, "critic": self.D, "averaged generator": self.ema}.items():
            for key, value in network.state_dict().items():
                if not torch.isfinite(value).all():
                    raise NonFiniteError(f"the {name}'s {key} became NaN or infinite {advice}")

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Context in which networks run, by the precision of the training."""
        if self.config.precision == "bf16":
            # A cache of rounded weights would outlive a captured step.
            return torch.autocast(self.device.type, dtype=torch.bfloat16, cache_enabled=False)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def rounding(self) -> Iterator[None]:
        """Context with the precision of fp32 products on a GPU that the configuration asks for."""
        matmul, cudnn = torch.backends.cuda.matmul, cast(Any, torch.backends.cudnn)
        before = matmul.allow_tf32, cudnn.allow_tf32
        matmul.allow_tf32 = cudnn.allow_tf32 = self.config.tf32
        try:
            yield
        finally:
            matmul.allow_tf32, cudnn.allow_tf32 = before

    def eager(self) -> contextlib.AbstractContextManager[Any]:
        """Context in which compiled networks run uncompiled, and are not compiled again for it."""
        return torch.compiler.set_stance("force_eager") if self.config.compile else contextlib.nullcontext()


def _critics(config: TrainConfig, sizes: CriticSizes, *, extra_terms: Mapping[str, AbstractTerm]) -> nn.ModuleDict:
    """Critics of full signals, patches and scattered points, as the losses require, and those of extra terms.

    Raises:
        ConfigError: The modality lacks a required critic.
    """
    modality, options = config.modality, config.view_options
    made: dict[str, nn.Module] = {}
    if set(config.losses) - {"points", "dense-patch", *extra_terms}:
        made["whole"] = modality.at(options.whole_resolution(config.losses, modality.resolution)).critic(sizes)
    if "dense-patch" in config.losses:
        made["patch"] = modality.patch_critic(
            sizes, patch=options.patch_side(modality.resolution), context=config.views.context,
            whole=options.context_resolution(config.losses, modality.resolution),
        )  # fmt: skip
    if "points" in config.losses:
        made["points"] = modality.points_critic(sizes, count=options.points)
    for name, term in extra_terms.items():
        made[name] = term.make_critic(sizes)
    return nn.ModuleDict(made)


def extra_terms(config: TrainConfig) -> dict[str, AbstractTerm]:
    """Terms with their own critic and reals, by name."""
    return {"weights": weights_term(config)} if "weights" in config.losses else {}


def check_term(term: AbstractTerm, config: TrainConfig, *, smallest: int, partial: bool = False) -> None:
    """Check that the critic and the modality support a term's views, before anything is written.

    Args:
        term: Term of the loss.
        config: Training configuration.
        smallest: Smallest side, in samples, that the critic of full signals accepts.
        partial: Whether items are known in part.

    Raises:
        ConfigError: They do not; the message says what to change.
    """
    modality = config.modality
    if partial and not isinstance(modality, HasPartialObservations):
        raise ConfigError(f"the items are known in part, and {modality.name} cannot train on such data; fill them in")
    if partial and (term.critic != "points" or config.augment != "none"):
        raise ConfigError(
            f"losses are {', '.join(config.losses)} and augment is {config.augment}, and items of {modality.name} are "
            "known in part; add --losses points, and no augmentation"
        )
    if partial and isinstance(modality, HasSymmetries) and modality.symmetries():
        raise ConfigError(
            f"items of {modality.name} are known in part, which random symmetries would move; turn mirrors and "
            "rotations off, such as --rotate none"
        )
    if term.near > 0 and not isinstance(modality, HasRegionsOfInterest):
        what, flag = ("points", "points") if term.critic == "points" else ("patches", "patch")
        raise ConfigError(
            f"{what} should be at regions of interest, and {modality.name} has none; leave out --{flag}-near"
        )
    resolution = config.views.resolution_at(0.0, modality.resolution)
    rng = step_generator(config.seed, purpose=f"v:{term.name}", step=0)
    view = term.views(modality.domain, batch=config.batch, generator=rng, resolution=resolution)[0]
    if term.critic != "points" and min(view.shape) < smallest:
        raise ConfigError(
            f"the views of {term.name} have {'x'.join(map(str, view.shape))} samples and the critic needs "
            f"{smallest} along a side; raise the resolution, lower --foveation or raise --grow-from"
        )


def pick_device(name: str, *, local: int | None = None) -> torch.device:
    """Device of a name; ``auto`` is a GPU where there is one.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        local: Number of the process on its machine, whose GPU has the same number; None for a single process.

    Raises:
        DeviceError: A GPU is requested and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device cuda was requested, but torch finds no GPU here; use --device cpu or auto")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError(
                "device mps was requested, but torch finds no GPU of a Mac here; use --device cpu or auto"
            )
        return torch.device("mps")
    if name not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"unknown device {name!r}; expected auto, cpu, cuda or mps")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if local is None:
        return torch.device("cuda", torch.cuda.current_device())
    if local >= torch.cuda.device_count():
        raise DeviceError(
            f"process {local} of this machine has no GPU, with {torch.cuda.device_count()} in all; give torchrun a "
            "smaller --nproc-per-node, or inrgan --device cpu"
        )
    return torch.device("cuda", local)
