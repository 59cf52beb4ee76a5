"""One training step: update the critics, update the generator, average its weights.

A step is a pure function on the device: it reads no number back to the host and copies none to the device. Whether its
gradients were finite, how far updates were clipped and all statistics are tensors of its result, which the host reads
later. What changes from step to step, such as the weights of the terms, is in tensors that the host fills beforehand.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

# One operation for all tensors instead of one per tensor.
from torch import _foreach_add as _add  # pyright: ignore[reportPrivateImportUsage]

from inrgan.capabilities import HasFieldLoss
from inrgan.config import TrainConfig
from inrgan.discriminators import AbstractCritic, scaled_once
from inrgan.field import Field
from inrgan.losses import PathLengthRegularizer, adversarial_loss, scores_and_penalties
from inrgan.tensors import TensorTree
from inrgan.training.networks import Networks
from inrgan.training.optimization import Gradients, Optimizer, ema_weight, update_ema
from inrgan.training.term_batch import MicroBatch, TermBatch
from inrgan.views import View

Values = tuple[Float[Tensor, "B _ ..."], ...]
"""Input of a critic for one batch of signals: one tensor for each view of a term."""
Stats = dict[str, Float[Tensor, ""]]
"""Statistics of a micro-batch by name."""


@dataclass(frozen=True)
class StepResult(TensorTree):
    """Outcome of a step, on the device."""

    finite: Bool[Tensor, ""]
    """False where a loss or a gradient was NaN or infinite, so that its network was left unchanged."""
    real_fake_sign: Float[Tensor, ""]
    """Mean sign of real against fake scores: 0 where the critic guesses, 1 where it is always right; NaN where the
    critic was left unchanged."""
    names: tuple[str, ...]
    """Names of the statistics."""
    values: Float[Tensor, "K"]
    """This process's part of every statistic."""

    tensor_fields = ("finite", "real_fake_sign", "values")

    @property
    def stats(self) -> Stats:
        """This process's part of every statistic, by name."""
        return dict(zip(self.names, self.values.unbind(), strict=True))


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
        self.penalized: Callable[..., tuple[Tensor, Tensor]] = partial(_penalized, functional=False)
        if config.compile:
            self.scorers = {name: torch.compile(critic) for name, critic in networks.D.items()}
            self.penalized = torch.compile(partial(_penalized, functional=True))
        self._term_weights: dict[str, Float[Tensor, ""]] = {}
        self._ema_weight = torch.zeros((), device=networks.device)

    def __call__(self, batch: Sequence[MicroBatch], *, step: int) -> StepResult:
        """Train on the micro-batches of one step.

        Args:
            batch: This process's micro-batches.
            step: Number of the step; it decides whether the step is regularized.
        """
        self.fill(batch, step=step)
        return self.compute(batch, **self.options(step))

    def options(self, step: int) -> dict[str, bool]:
        """Options of ``compute`` at a step."""
        penalize = step % self.config.penalty_every == 0 and self.config.gamma > 0
        return {"penalize": penalize, "path": self.path.due(step)}

    def fill(self, batch: Sequence[MicroBatch], *, step: int) -> None:
        """Set the numbers that change from step to step: the weights of the terms and of the moving average."""
        config = self.config
        self._ema_weight.fill_(
            ema_weight(images=(step + 1) * config.batch, batch=config.batch, half_life=round(config.ema_kimg * 1000))
        )
        for part in batch[0]:
            if part.term.name not in self._term_weights:
                self._term_weights[part.term.name] = torch.zeros((), device=self.networks.device)
            self._term_weights[part.term.name].fill_(part.term.strength(step * config.batch / 1000))

    def compute(self, batch: Sequence[MicroBatch], *, penalize: bool, path: bool) -> StepResult:
        """The computation of a step, all of it on the device.

        Args:
            batch: This process's micro-batches.
            penalize: Whether the critics' gradients are penalized.
            path: Whether the generator's path lengths are regularized.
        """
        with self.networks.rounding():
            return self._compute(batch, penalize=penalize, path=path)

    def _compute(self, batch: Sequence[MicroBatch], *, penalize: bool, path: bool) -> StepResult:
        """``compute`` in the precision at hand.

        Fakes of a single micro-batch serve both updates: the generator does not change in between. Fakes of several
        micro-batches are generated twice, so that only one micro-batch is in memory at a time.
        """
        networks = self.networks
        stats: list[Stats] = [{} for _ in batch]
        once = len(batch) == 1

        networks.D.requires_grad_(True)
        losses, fakes, gradients = [], [], None
        for micro, found in zip(batch, stats, strict=True):
            with torch.set_grad_enabled(once):
                fakes = [self.generate(part) for part in micro]
            with self._scaled_critics():
                loss = self.critic_loss(micro, fakes, found, penalize=penalize) * micro[0].share
                gradients = _gradients(loss, networks.critic_optimizer, onto=gradients, last=micro is batch[-1])
            losses.append(loss.detach())
        assert gradients is not None
        full = [f"real_fake_sign/{part.term.name}" for part in batch[0] if part.term.full_domain]
        signs = _totals([[found[name] for name in full] for found in stats], batch)
        critic_finite, signs, critic_stats = networks.critic_optimizer.step(gradients, loss=_sum(losses), reduce=signs)

        networks.D.requires_grad_(False)
        losses, w_means, lengths, gradients = [], [], [], None
        for micro, found in zip(batch, stats, strict=True):
            if not once:
                fakes = [self.generate(part) for part in micro]
            with self._scaled_critics():
                loss = self.generator_loss(micro, fakes, found)
            if path:
                path_loss, length = self.path_loss(micro, found)
                loss, lengths = loss + path_loss, [*lengths, micro[0].share * length]
            loss = loss * micro[0].share
            gradients = _gradients(loss, networks.generator_optimizer, onto=gradients, last=micro is batch[-1])
            losses.append(loss.detach())
            w_means.append(micro[0].share * torch.stack([w.detach().float().mean(dim=0) for _, w, _ in fakes]))
        assert gradients is not None
        means = _sum(w_means)
        length = _sum(lengths) if lengths else means.new_zeros(())
        generator_finite, means, generator_stats = networks.generator_optimizer.step(
            gradients, loss=_sum(losses), reduce=torch.cat([means.flatten(), length[None]])
        )
        for mean in means[:-1].unflatten(0, (len(batch[0]), -1)):
            networks.G.mapping.track(mean[None], valid=generator_finite)
        if path:
            self.path.update(means[-1], valid=generator_finite)
        update_ema(networks.ema, networks.G, weight=self._ema_weight)

        names, values = tuple(stats[0]), _totals([list(found.values()) for found in stats], batch)
        more = {f"{name}/critic": value for name, value in critic_stats.items()}
        more |= {f"{name}/generator": value for name, value in generator_stats.items()}
        return StepResult(
            finite=critic_finite & generator_finite,
            real_fake_sign=torch.where(critic_finite, signs.mean(), torch.nan),
            names=(*names, *more),
            values=torch.cat([values, torch.stack(list(more.values()))]),
        )

    def generate(self, part: TermBatch) -> tuple[Values, Float[Tensor, "B W"], Any]:
        """Fakes as input of one term's critic, the mapped latents, and the fields themselves."""
        with self.networks.autocast():
            w = self.networks.G.mapping(part.z, part.labels)
            field = self.networks.G.field(w)
            values = [part.term.observe(field, w, view) for view in part.fake_views]
        return tuple(part.transformed(x, v) for x, v in zip(values, part.views, strict=True)), w, field

    def critic_loss(
        self, micro: MicroBatch, fakes: Sequence[tuple[Values, Tensor, Any]], stats: Stats, *, penalize: bool
    ) -> Float[Tensor, ""]:
        """Loss of the critics over all terms: adversarial, with R1 at reals and R2 at fakes in penalized steps."""
        losses = []
        for part, (fake_values, _, _) in zip(micro, fakes, strict=True):
            name = part.term.name
            real, fake, r1, r2 = self.critic_scores(part, [x.detach() for x in fake_values], penalize=penalize)
            loss = self.adversarial.critic(real, fake)
            found = {
                "loss/critic": loss, "score/real": real.mean(), "score/fake": fake.mean(),
                "real_fake_sign": self.adversarial.real_fake_sign(real, fake),
            }  # fmt: skip
            penalties = {"penalty/r1": r1, "penalty/r2": r2}
            found |= {key: value for key, value in penalties.items() if value is not None}
            stats |= {f"{key}/{name}": value for key, value in found.items()}
            if r1 is not None:
                strength = self.config.gamma / 2 * self.config.penalty_every
                loss = loss + strength * (r1 if r2 is None else r1 + r2)
            losses.append(loss * self._term_weights[name])
        return _sum(losses)

    def critic_scores(
        self, part: TermBatch, fakes: Sequence[Tensor], *, penalize: bool
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"], Float[Tensor, ""] | None, Float[Tensor, ""] | None]:
        """Scores of a term's reals and fakes, and the penalties R1 and R2 where there are any.

        One evaluation of the critic serves reals and fakes, and scores and penalties; with penalties it is in fp32.
        Critics of patches derive constants from the views of each sample, and score reals and fakes separately.
        """
        both = (part.reals, tuple(fakes))
        penalized = (penalize, penalize and self.adversarial.penalizes_fakes)
        alike = isinstance(self.networks.D[part.term.critic], AbstractCritic)
        if penalized[0] != penalized[1] or not (alike or all(view.batch == 1 for view in part.views)):
            (real, r1), (fake, r2) = (
                self._scores(part, x, part.views, part.labels, penalize=p) for x, p in zip(both, penalized, strict=True)
            )
            return real, fake, r1 if r1 is None else r1.mean(), r2 if r2 is None else r2.mean()
        joined = [torch.cat([real.to(fake.dtype), fake]) for real, fake in zip(*both, strict=True)]
        labels = None if part.labels is None else torch.cat([part.labels, part.labels])
        views = tuple(view.repeated(2) for view in part.views)
        scores, penalties = self._scores(part, joined, views, labels, penalize=penalize)
        real, fake = scores.chunk(2)
        if penalties is None:
            return real, fake, None, None
        r1, r2 = penalties.unflatten(0, (2, -1)).mean(dim=1).unbind()
        return real, fake, r1, r2

    def _scores(
        self, part: TermBatch, values: Sequence[Tensor], views: Sequence[View], labels: Int[Tensor, "B"] | None, *,
        penalize: bool,
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"] | None]:  # fmt: skip
        if not penalize:
            return self.score(part, values, views, labels), None
        critic = self.networks.D[part.term.critic]
        return self.penalized(critic, [x.float() for x in values], views, labels)

    def generator_loss(
        self, micro: MicroBatch, fakes: Sequence[tuple[Values, Tensor, Any]], stats: Stats
    ) -> Float[Tensor, ""]:
        """Loss of the generator over all terms: adversarial, and the modality's loss of fields."""
        losses = []
        for part, (fake_values, _, _) in zip(micro, fakes, strict=True):
            fake = self.score(part, fake_values, part.views, part.labels)
            with torch.no_grad():
                real = self.score(part, part.reals, part.views, part.labels)
            loss = self.adversarial.generator(real, fake)
            stats[f"loss/generator/{part.term.name}"] = loss
            losses.append(loss * self._term_weights[part.term.name])
        field, points = fakes[0][2], micro[0].field_view
        if points is not None and isinstance(field, Field):
            assert isinstance(self.config.modality, HasFieldLoss)
            stats["loss/field"] = self.config.modality.field_loss(field, points)
            losses.append(stats["loss/field"])
        return _sum(losses)

    def path_loss(self, micro: MicroBatch, stats: Stats) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
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
        stats |= {"penalty/path": penalty, "path/length": mean}
        return penalty, mean

    def score(
        self, part: TermBatch, values: Sequence[Tensor], views: Sequence[View], labels: Int[Tensor, "B"] | None
    ) -> Float[Tensor, "B"]:
        """Scores of signals by a term's critic, in fp32."""
        with self.networks.autocast():
            return score(self.scorers[part.term.critic], values, views, labels).float()

    def _scaled_critics(self) -> contextlib.AbstractContextManager[None]:
        """Block in which the critics' weights are scaled once; compiled critics scale them at no cost."""
        return contextlib.nullcontext() if self.config.compile else scaled_once(self.networks.D)


def score(
    critic: Callable[..., Float[Tensor, "B"]], values: Sequence[Tensor], views: Sequence[View],
    labels: Int[Tensor, "B"] | None,
) -> Float[Tensor, "B"]:  # fmt: skip
    """Scores of signals by a critic, whose arguments are each tensor followed by its view."""
    return critic(*chain.from_iterable(zip(values, views, strict=True)), labels=labels)


def _penalized(
    critic: nn.Module, values: Sequence[Tensor], views: Sequence[View], labels: Tensor | None, *, functional: bool
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Scores and penalties of a critic at some values: all of its compiled part, as one function."""
    return scores_and_penalties(lambda *x: score(critic, x, views, labels), values, views, functional=functional)


def _gradients(loss: Float[Tensor, ""], optimizer: Optimizer, *, onto: Gradients | None, last: bool) -> Gradients:
    """Gradients of a micro-batch's share of the loss, added to those of the micro-batches before.

    During the last one, complete gradients are sent to the other processes.
    """
    with optimizer.sums.during(onto) if last else contextlib.nullcontext():
        found = torch.autograd.grad(loss, optimizer.parameters, allow_unused=True)
    if onto is None:
        return found
    both = {i: (a, b) for i, (a, b) in enumerate(zip(onto, found, strict=True)) if a is not None and b is not None}
    out = [b if a is None else a for a, b in zip(onto, found, strict=True)]
    totals = _add([a for a, _ in both.values()], [b for _, b in both.values()])
    for i, total in zip(both, totals, strict=True):
        out[i] = total
    return out


@torch.no_grad()
def _totals(parts: Sequence[Sequence[Tensor]], batch: Sequence[MicroBatch]) -> Float[Tensor, "K"]:
    """Means over a batch of several numbers, from those of each micro-batch."""
    shares = [micro[0].share for micro in batch]
    return _sum([torch.stack([v.float() for v in one]) * share for one, share in zip(parts, shares, strict=True)])


def _sum(parts: Sequence[Tensor]) -> Tensor:
    """Sum over micro-batches in their order, which is the order in which processes would be added."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
