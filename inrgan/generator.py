"""The generator: mapping network, hypernetwork and backbone."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.capabilities import MovesAlongAxis
from inrgan.checkpoint import load_generator, resolve, save_generator
from inrgan.data import class_index
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.hypernetwork import (
    AbstractHypernetwork,
    FactorizedHypernetwork,
    FullHypernetwork,
    MappingNetwork,
    StyleHypernetwork,
)
from inrgan.inr import AbstractINR, HarmonicBankINR, MultiScaleINR, PolynomialINR
from inrgan.modality import Modality
from inrgan.sizes import Backbone, GeneratorSizes, Hypernetwork, override
from inrgan.views import View


class Generator(nn.Module):
    """Latents to fields.

    Args:
        modality: Adapter, which decides the domain, the channels and the encoding.
        preset: ``tiny``, ``base`` or ``large``; every size can be given as a keyword instead.
        sizes: All sizes at once, instead of a preset.
        labels: Names of the classes of a conditional generator.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        mapping_depth: Layers of the mapping network.
        mapping_rate: Learning rate of the mapping network relative to the rest.
        hypernetwork: ``factorized``, ``style`` or ``full``.
        rank: Rank of the factorized modulation.
        modulation: Form of the factorized modulation.
        demodulated: Whether rows of modulated weights are normalized to unit length.
        backbone: ``multiscale``, ``pointwise``, ``polynomial`` or ``harmonic-bank``; the modality's default where None.
        lattices: Cells along the shortest side of each lattice (multiscale and harmonic bank).
        widths: Layer widths per stage.
        depths: Layers per stage.

    Raises:
        ConfigError: The sizes do not fit together, or the hypernetwork is too large for its backbone.

    Example:
        >>> G = Generator(ImageModality(resolution=64), preset="tiny")
        >>> G.sample([0, 1]).render((48, 64)).shape
        torch.Size([2, 3, 48, 64])
    """

    def __init__(
        self,
        modality: Modality,
        *,
        preset: str = "base",
        sizes: GeneratorSizes | None = None,
        labels: Sequence[str] = (),
        z_dim: int | None = None,
        w_dim: int | None = None,
        mapping_depth: int | None = None,
        mapping_rate: float | None = None,
        hypernetwork: Hypernetwork | None = None,
        rank: int | None = None,
        modulation: Literal["linear", "plain", "tanh", "sigmoid"] | None = None,
        demodulated: bool | None = None,
        backbone: Backbone | None = None,
        lattices: Sequence[int] | None = None,
        widths: Sequence[int] | None = None,
        depths: Sequence[int] | None = None,
    ):
        super().__init__()
        if sizes is None:
            sizes = modality.generator_sizes(preset, backbone=backbone)
        self.sizes = override(
            sizes,
            {
                "z_dim": z_dim, "w_dim": w_dim, "mapping_depth": mapping_depth, "mapping_rate": mapping_rate,
                "hypernetwork": hypernetwork, "rank": rank, "modulation": modulation, "demodulated": demodulated,
                "lattices": lattices, "widths": widths, "depths": depths, "backbone": backbone, "classes": len(labels),
            },
        )  # fmt: skip
        self.modality, self.labels = modality, tuple(labels)
        self.mapping = MappingNetwork(
            z_dim=self.sizes.z_dim,
            w_dim=self.sizes.w_dim,
            depth=self.sizes.mapping_depth,
            classes=self.sizes.classes,
            rate=self.sizes.mapping_rate,
            parts=[(name, *self.sizes.part_dims) for name in modality.latent_parts],
        )
        self.inr = _backbone(self.sizes, modality)
        self.hypernetwork = _hypernetwork(self.sizes, self.inr, modality)

    @property
    def z_dim(self) -> int:
        """Z, width of the latent."""
        return self.sizes.z_dim

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.mapping.w_mean.device

    def forward(self, z: Float[Tensor, "B Z"], labels: Int[Tensor, "B"] | None = None) -> Field:
        """Latents to fields, for training: ``G(z)`` is ``G.field(G.mapping(z))``."""
        return self.field(self.mapping(z, labels))

    def field(self, w: Float[Tensor, "B W"]) -> Field:
        """Mapped latents to fields."""
        return Field(self.inr, self.hypernetwork(w), domain=self.modality.domain)

    def prepare(self, view: View) -> None:
        """Make what fields need of a view on the host, and let the view keep it; see ``View.derive``."""
        self.inr.prepare(view)

    def latents(
        self, seeds: Sequence[int], *, parts: Mapping[str, Sequence[int]] | None = None
    ) -> Float[Tensor, "B Z"]:
        """The latent of every seed, drawn on the CPU so that a seed means the same on every device.

        Args:
            seeds: Integers from 0.
            parts: Seeds of parts of the latent, by name; as many as ``seeds``, or one for all. A part equals that part
                of the seed's full latent.

        Raises:
            ConfigError: No seed, a negative one, an unknown part, or a number of seeds that does not fit.
        """
        z = self._drawn(seeds)
        names, width = self.modality.latent_parts, self.sizes.part_dims[0]
        for name, part_seeds in (parts or {}).items():
            if name not in names:
                known = ", ".join(names) or "none"
                raise ConfigError(f"{self.modality.name} has no part of the latent called {name!r}; it has {known}")
            if len(part_seeds) not in (1, len(seeds)):
                raise ConfigError(
                    f"{len(part_seeds)} seeds of {name} for {len(seeds)} samples; expected as many, or one"
                )
            start = z.shape[1] - width * (len(names) - names.index(name))
            z[:, start : start + width] = self._drawn(part_seeds)[:, start : start + width]
        return z.to(self.mapping.w_mean)  # its device and its precision

    def _drawn(self, seeds: Sequence[int]) -> Float[Tensor, "B Z"]:
        if len(seeds) == 0 or min(seeds) < 0:
            raise ConfigError(f"got the seeds {list(seeds)}; expected one or more numbers from 0 up")
        return torch.stack([torch.randn(self.sizes.z_dim, generator=torch.Generator().manual_seed(s)) for s in seeds])

    @torch.no_grad()
    def sample_w(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | str | None = None,
        parts: Mapping[str, Sequence[int]] | None = None,
    ) -> Float[Tensor, "B W"]:  # fmt: skip
        """Mapped latents of seeds; each seed also chooses a label unless one is given.

        Raises:
            ConfigError: A bad seed, truncation or label.
        """
        if not math.isfinite(truncation):
            raise ConfigError(f"truncation is {truncation}; expected a finite number, usually 0 to 1")
        z = self.latents(seeds, parts=parts)
        labels = None
        if self.labels:
            index = None if label is None else self.label_index(label)
            labels = torch.tensor([s % len(self.labels) if index is None else index for s in seeds], device=z.device)
        elif label is not None:
            raise ConfigError(f"label {label!r} was given to a generator without labels; train with labels first")
        return self.mapping.truncate(self.mapping(z, labels), truncation)

    @torch.no_grad()
    def sample(
        self, seeds: Sequence[int], *, truncation: float = 1.0, label: int | str | None = None,
        parts: Mapping[str, Sequence[int]] | None = None,
    ) -> Field:  # fmt: skip
        """One field per seed. A seed gives the same field in any batch and on any device.

        Args:
            seeds: Integers from 0.
            truncation: 1 for the model as it is; smaller values trade variety for quality.
            label: Name or number of the class of a conditional generator; None cycles through the classes by seed.
            parts: Seeds of parts of the latent, by name; see ``latents``.

        Example:
            >>> len(G.sample([0, 1, 2], truncation=0.7))
            3
        """
        return self.field(self.sample_w(seeds, truncation=truncation, label=label, parts=parts))

    def label_index(self, label: int | str) -> int:
        """The position of a class that is given by name or number, see ``inrgan.data.class_index``.

        Raises:
            ConfigError: There is no such class.
        """
        return class_index(self.labels, label)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``, from which ``from_pretrained`` rebuilds this generator."""
        save_generator(self, Path(folder))

    @staticmethod
    def from_pretrained(
        name: str | Path, *, modality: Modality | None = None, device: torch.device | str = "cpu"
    ) -> "Generator":
        """Load a generator from a ``save_pretrained`` folder, a run directory or a Hub id.

        Nothing in a checkpoint is executed: weights are safetensors, the rest is JSON.

        Args:
            name: Folder, run directory (its newest snapshot is loaded) or Hub id.
            modality: Adapter; needed where it is not one that ``inrgan info`` lists.
            device: Device of the generator.

        Raises:
            CheckpointError: The checkpoint is missing, corrupt, truncated or foreign.
        """
        config, tensors = load_generator(resolve(name))
        if modality is None:
            modality = config.modality()
        G = Generator(modality, labels=config.labels, sizes=config.sizes)
        config.load_into(G, tensors)
        return G.eval().to(device)


def _backbone(sizes: GeneratorSizes, modality: Modality) -> AbstractINR:
    spacing = modality.domain.spacing(modality.resolution)
    paths = modality.paths(spacing) if isinstance(modality, MovesAlongAxis) else None
    if paths is not None and sizes.backbone not in ("multiscale", "pointwise"):
        raise ConfigError(
            f"signals of {modality.name} move along an axis, which the backbone {sizes.backbone} does not know; use "
            "multiscale or pointwise"
        )
    if sizes.backbone == "polynomial":
        if len(sizes.widths) != 1 or len(sizes.depths) != 1:
            raise ConfigError(f"a polynomial takes one width and one depth; got {sizes.widths} and {sizes.depths}")
        return PolynomialINR(
            encoding=modality.encoding,
            spacing=spacing,
            channels=modality.signal_channels,
            width=sizes.widths[0],
            depth=sizes.depths[0],
        )
    if sizes.backbone not in ("multiscale", "pointwise", "harmonic-bank"):
        raise ConfigError(
            f"unknown backbone {sizes.backbone!r}; expected multiscale, pointwise, harmonic-bank or polynomial"
        )
    if sizes.backbone == "pointwise" and sizes.lattices:
        raise ConfigError(f"a pointwise backbone has no lattices; got {sizes.lattices}")
    if sizes.backbone == "harmonic-bank":
        return HarmonicBankINR(
            modality.domain, encoding=modality.encoding, spacing=spacing, channels=modality.signal_channels,
            lattices=sizes.lattices, widths=sizes.widths, depths=sizes.depths,
        )  # fmt: skip
    return MultiScaleINR(
        modality.domain,
        encoding=modality.encoding,
        spacing=spacing,
        channels=modality.signal_channels,
        lattices=sizes.lattices,
        widths=sizes.widths,
        depths=sizes.depths,
        paths=paths,
    )


def _hypernetwork(sizes: GeneratorSizes, inr: AbstractINR, modality: Modality) -> AbstractHypernetwork:
    parts = dict.fromkeys(modality.latent_parts, sizes.part_dims[1])
    if sizes.hypernetwork == "factorized":
        return FactorizedHypernetwork(
            inr.layers, w_dim=sizes.w_dim, rank=sizes.rank, parts=parts, modulation=sizes.modulation,
            demodulated=sizes.demodulated,
        )  # fmt: skip
    if sizes.hypernetwork == "style":
        return StyleHypernetwork(inr.layers, w_dim=sizes.w_dim, parts=parts)
    if sizes.hypernetwork == "full":
        return FullHypernetwork(inr.layers, w_dim=sizes.w_dim, parts=parts)
    raise ConfigError(f"unknown hypernetwork {sizes.hypernetwork!r}; expected factorized, style or full")
