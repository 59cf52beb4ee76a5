"""One training step: update the critics, update the generator, average its weights.

A step is a pure function on the device: it reads no number back to the host and copies none to the device. Whether its
gradients were finite, how far updates were clipped and all statistics are tensors of its result, which the host reads
later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from inrgan.capabilities import HasFieldLoss
from inrgan.config import TrainConfig
from inrgan.field import Field
from inrgan.losses import PathLengthRegularizer, adversarial_loss, gradient_penalty
from inrgan.training.batches import MicroBatch, TermBatch
from inrgan.training.networks import Networks
from inrgan.training.optimization import update_ema
from inrgan.views import View

Values = tuple[Float[Tensor, "B _ ..."], ...]
"""Input of a critic for one batch of signals: one tensor for each view of a term."""


@dataclass(frozen=True)
class StepResult:
    """Outcome of a step, on the device."""

    finite: Bool[Tensor, ""]
    """False where a loss or a gradient was NaN or infinite, so that its network was left unchanged."""
    real_fake_sign: Float[Tensor, ""]
    """Mean sign of real against fake scores: 0 where the critic guesses, 1 where it is always right."""
    stats: dict[str, Tensor]
    """This process's part of every statistic."""


@final
class TrainingStep:
    """A step of the critics and one of the generator, on the same fakes.

    Args:
        config: Training configuration.
        networks: Networks and optimizers; changed in place.
        path: Path-length regularization of the generator.
    """

    def __init__(self, config: TrainConfig, networks: Networks, *, path: PathLengthRegularizer):
        self.config, self.networks, self.path = config, networks, path
        self.adversarial = adversarial_loss(config.adversarial)
        self.scorers: dict[str, Callable[..., Tensor]] = dict(networks.D.items())
        self.gradient_penalty: Callable[..., Tensor] = partial(_gradient_penalty, functional=False)
        if config.compile:
            self.scorers = {name: torch.compile(critic) for name, critic in networks.D.items()}
            self.gradient_penalty = torch.compile(partial(_gradient_penalty, functional=True))

    def __call__(self, batch: Sequence[MicroBatch], *, step: int) -> StepResult:
        """Train on the micro-batches of one step.

        Fakes of a single micro-batch serve both updates: the generator does not change in between. Fakes of several
        micro-batches are generated twice, so that only one micro-batch is in memory at a time.

        Args:
            batch: This process's micro-batches.
            step: Number of the step; it decides whether the step is regularized.
        """
        networks, config = self.networks, self.config
        stats: dict[str, Tensor] = {}
        once = len(batch) == 1

        networks.D.requires_grad_(True)
        networks.critic_optimizer.zero_grad()
        losses, fakes = [], []
        for micro in batch:
            with torch.set_grad_enabled(once):
                fakes = [self.generate(part) for part in micro]
            loss = self.critic_loss(micro, fakes, stats, penalize=step % config.penalty_every == 0)
            losses.append(_backward(loss, micro))
        signs = torch.stack([stats[f"real_fake_sign/{part.term.name}"] for part in batch[0] if part.term.full_domain])
        critic_finite, signs, critic_stats = networks.critic_optimizer.step(_sum(losses), reduce=signs)

        networks.D.requires_grad_(False)
        networks.generator_optimizer.zero_grad()
        losses, w_means, lengths = [], [], []
        for micro in batch:
            if not once:
                fakes = [self.generate(part) for part in micro]
            loss = self.generator_loss(micro, fakes, stats)
            if self.path.due(step):
                path_loss, length = self.path_loss(micro, stats)
                loss, lengths = loss + path_loss, [*lengths, micro[0].share * length]
            losses.append(_backward(loss, micro))
            w_means.append(micro[0].share * torch.stack([w.detach().float().mean(dim=0) for _, w, _ in fakes]))
        means = _sum(w_means)
        length = _sum(lengths) if lengths else means.new_zeros(())
        generator_finite, means, generator_stats = networks.generator_optimizer.step(
            _sum(losses), reduce=torch.cat([means.flatten(), length[None]])
        )
        for mean in means[:-1].unflatten(0, (len(batch[0]), -1)):
            networks.G.mapping.track(mean[None], valid=generator_finite)
        if self.path.due(step):
            self.path.update(means[-1], valid=generator_finite)

        update_ema(
            networks.ema, networks.G, images=(step + 1) * config.batch, batch=config.batch,
            half_life=round(config.ema_kimg * 1000),
        )  # fmt: skip
        stats |= {f"{name}/critic": value for name, value in critic_stats.items()}
        stats |= {f"{name}/generator": value for name, value in generator_stats.items()}
        sign = torch.where(critic_finite, signs.mean(), torch.nan)
        return StepResult(finite=critic_finite & generator_finite, real_fake_sign=sign, stats=stats)

    def generate(self, part: TermBatch) -> tuple[Values, Float[Tensor, "B W"], Any]:
        """Fakes as input of one term's critic, the mapped latents, and the fields themselves."""
        with self.networks.autocast():
            w = self.networks.G.mapping(part.z, part.labels)
            field = self.networks.G.field(w)
            values = [part.term.observe(field, w, view) for view in part.fake_views]
        return tuple(part.transformed(x, v) for x, v in zip(values, part.views, strict=True)), w, field

    def critic_loss(
        self, micro: MicroBatch, fakes: Sequence[tuple[Values, Tensor, Any]], stats: dict[str, Tensor], *,
        penalize: bool,
    ) -> Float[Tensor, ""]:  # fmt: skip
        """Loss of the critics over all terms: adversarial, with R1 at reals and R2 at fakes in penalized steps."""
        config, total = self.config, torch.zeros((), device=self.networks.device)
        for part, (fake_values, _, _) in zip(micro, fakes, strict=True):
            fake_values = [x.detach() for x in fake_values]
            real, fake = self.score(part, part.reals), self.score(part, fake_values)
            loss = self.adversarial.critic(real, fake)
            found = {
                "loss/critic": loss, "score/real": real.mean(), "score/fake": fake.mean(),
                "real_fake_sign": self.adversarial.real_fake_sign(real, fake),
            }  # fmt: skip
            if penalize and config.gamma > 0:
                penalty = found["penalty/r1"] = self.penalty(part, part.reals)
                if self.adversarial.penalizes_fakes:
                    found["penalty/r2"] = self.penalty(part, fake_values)
                    penalty = penalty + found["penalty/r2"]
                loss = loss + penalty * (config.gamma / 2 * config.penalty_every)
            _add(stats, {f"{name}/{part.term.name}": value for name, value in found.items()}, share=part.share)
            total = total + part.weight * loss
        return total

    def generator_loss(
        self, micro: MicroBatch, fakes: Sequence[tuple[Values, Tensor, Any]], stats: dict[str, Tensor]
    ) -> Float[Tensor, ""]:
        """Loss of the generator over all terms: adversarial, and the modality's loss of fields."""
        total = torch.zeros((), device=self.networks.device)
        for part, (fake_values, _, _) in zip(micro, fakes, strict=True):
            fake = self.score(part, fake_values)
            with torch.no_grad():
                real = self.score(part, part.reals)
            loss = self.adversarial.generator(real, fake)
            _add(stats, {f"loss/generator/{part.term.name}": loss}, share=part.share)
            total = total + part.weight * loss
        field, points = fakes[0][2], micro[0].field_view
        if points is not None and isinstance(field, Field):
            assert isinstance(self.config.modality, HasFieldLoss)
            loss = self.config.modality.field_loss(field, points)
            _add(stats, {"loss/field": loss}, share=micro[0].share)
            total = total + loss
        return total

    def path_loss(self, micro: MicroBatch, stats: dict[str, Tensor]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Path-length penalty and mean path length of the first term that sees full signals.

        The fields are generated again, in fp32 and by uncompiled code, since compiled code could be differentiated only
        once.
        """
        part = next(part for part in micro if part.path_noise is not None)
        view = part.fake_views[0]
        with self.networks.eager():
            w = self.networks.G.mapping(part.z, part.labels).requires_grad_(True)
            values = self.networks.G.field(w)(view)
        lengths = self.path.lengths(values, w, view, noise=part.path_noise.to(values))  # type: ignore[union-attr]
        penalty, mean = self.path.loss(lengths), lengths.detach().mean()
        _add(stats, {"penalty/path": penalty, "path/length": mean}, share=part.share)
        return penalty, mean

    def score(self, part: TermBatch, values: Sequence[Tensor]) -> Float[Tensor, "B"]:
        """Scores of signals by a term's critic, in fp32."""
        with self.networks.autocast():
            return score(self.scorers[part.term.critic], values, part.views, part.labels).float()

    def penalty(self, part: TermBatch, values: Sequence[Tensor]) -> Float[Tensor, ""]:
        """Zero-centered gradient penalty of a term's critic at some values, in fp32."""
        critic = self.networks.D[part.term.critic]
        return self.gradient_penalty(critic, [x.float() for x in values], part.views, part.labels)


def score(
    critic: Callable[..., Float[Tensor, "B"]], values: Sequence[Tensor], views: Sequence[View],
    labels: Int[Tensor, "B"] | None,
) -> Float[Tensor, "B"]:  # fmt: skip
    """Scores of signals by a critic, whose arguments are each tensor followed by its view."""
    return critic(*chain.from_iterable(zip(values, views, strict=True)), labels=labels)


def _gradient_penalty(
    critic: nn.Module, values: Sequence[Tensor], views: Sequence[View], labels: Tensor | None, *, functional: bool
) -> Float[Tensor, ""]:
    """Penalty of a critic at some values: all of its compiled part, as one function."""
    return gradient_penalty(lambda *x: score(critic, x, views, labels), values, views, functional=functional)


def _backward(loss: Float[Tensor, ""], micro: MicroBatch) -> Float[Tensor, ""]:
    """Add a micro-batch's gradients to those of the others, and return its share of the loss."""
    loss = loss * micro[0].share
    loss.backward()
    return loss.detach()


def _sum(parts: Sequence[Tensor]) -> Tensor:
    """Sum over micro-batches in their order, which is the order in which processes would be added."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _add(stats: dict[str, Tensor], values: dict[str, Tensor], *, share: float) -> None:
    """Add a micro-batch's statistics to those of the others."""
    for name, value in values.items():
        part = share * value.detach().float()
        stats[name] = stats[name] + part if name in stats else part
