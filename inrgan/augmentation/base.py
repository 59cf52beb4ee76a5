"""Transforms of signals: base classes, transforms of values, random application and its probability."""

import abc
from collections.abc import Sequence
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.views import View


class AbstractTransform(abc.ABC):
    """Transform of signals: of reals and fakes alike, or of reals alone where it is a symmetry of the data.

    A transform that moves a signal moves the view instead (``look``): fields are evaluated there, reals are observed
    there, and neither is resampled twice. A transform of values changes them in ``change``, by operations that can be
    differentiated twice. Parameters of zero leave a signal unchanged.
    """

    name: str
    """Name in statistics and messages."""

    @abc.abstractmethod
    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B P"]:
        """Random parameters for each sample."""

    def look(self, view: View, drawn: Float[Tensor, "B P"]) -> View:
        """View at which the original signal equals the transformed signal at ``view``."""
        del drawn
        return view

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B P"]) -> Tensor:
        """Transformed values of a signal at ``view``."""
        del view, drawn
        return values


@final
class Augmentation:
    """Transforms of reals and fakes, each applied to each sample with the same probability.

    As long as the probability is well below 1, the generator does not learn to produce transformed signals. (Karras et
    al. 2020, "Training generative adversarial networks with limited data", sec. 2.2; there on pixels.)

    Args:
        transforms: Transforms, in the order in which they act on a signal.

    Example:
        >>> augmentation = Augmentation([Flip(Box(2), axis=0)])
        >>> drawn = augmentation.draw(4, probability=0.5, generator=torch.Generator())
        >>> augmentation.look(Box(2).grid((8, 8)), drawn).coords.shape
        torch.Size([4, 64, 2])
    """

    def __init__(self, transforms: Sequence[AbstractTransform]):
        self.transforms = tuple(transforms)

    def draw(self, batch: int, *, probability: float, generator: torch.Generator) -> tuple[Float[Tensor, "B _"], ...]:
        """Random parameters of every transform for each sample, on the CPU; zeros where it is not applied."""
        drawn = []
        for transform in self.transforms:
            taken = torch.rand(batch, 1, generator=generator) < probability
            drawn.append(transform.draw(batch, generator=generator) * taken)
        return tuple(drawn)

    def look(self, view: View, drawn: Sequence[Float[Tensor, "B _"]]) -> View:
        """View at which the original signals equal the transformed ones; ``view`` itself where nothing is moved."""
        # The last transform acts last on the signal, so that the view is moved by it first.
        for transform, parameters in zip(reversed(self.transforms), reversed(drawn), strict=True):
            if bool(parameters.any()):
                view = transform.look(view, parameters.to(view.center.device))
        return view

    def change(
        self, values: Float[Tensor, "B C *S"], view: View, drawn: Sequence[Float[Tensor, "B _"]]
    ) -> Float[Tensor, "B C *S"]:
        """Values that critics get, of signals at ``view``."""
        for transform, parameters in zip(self.transforms, drawn, strict=True):
            if bool(parameters.any()):
                values = transform.change(values, view, parameters.to(values.device))
        return values


def symmetric_views(
    symmetries: Sequence[AbstractTransform], views: Sequence[View], *, batch: int, generator: torch.Generator
) -> tuple[View, ...]:
    """Views of items under random symmetries, which are the same for all views of an item.

    Args:
        symmetries: Transforms that move signals, in the order in which they act; each draws its own parameters.
        views: Views of one batch, such as a patch and its full-domain view.
        batch: Number of items.
        generator: Generator of the random draws.

    Example:
        >>> views = symmetric_views([Flip(Box(2), axis=0)], [Box(2).grid((8, 8))], batch=4, generator=torch.Generator())
        >>> views[0].coords.shape
        torch.Size([4, 64, 2])
    """
    drawn = [s.draw(batch, generator=generator) for s in symmetries]
    moved = []
    for view in views:
        for symmetry, parameters in zip(reversed(symmetries), reversed(drawn), strict=True):
            view = symmetry.look(view, parameters)
        moved.append(view)
    return tuple(moved)


_EVERY = 4
"""Number of steps between adjustments."""

_MOST = 0.85
"""Largest probability; above it, the generator learns the transforms."""


@final
class AugmentStrength:
    """Probability with which each transform is applied to each sample.

    With ``adaptive`` it rises while the mean real/fake sign of the critic is above ``target`` and falls while it is
    below: p ± n / (1000 kimg) for n items. (Karras et al. 2020, "Training generative adversarial networks with limited
    data", sec. 3.1 and its rₜ. A relativistic critic's scores have no meaning alone, so that signs of differences are
    used.)

    Signs stay on the device until the step of an adjustment; the host then reads them all at once, between two steps.

    Args:
        kind: ``none``, ``fixed`` at ``probability``, or ``adaptive`` from ``probability`` on.
        probability: Probability from 0 to 1.
        target: Target of the mean sign, from 0 to 1.
        kimg: Thousands of items in which the probability can go from 0 to 1.

    Example:
        >>> strength = AugmentStrength("adaptive", probability=0.0, target=0.6, kimg=0.1)
        >>> for _ in range(4):
        ...     strength.update(torch.tensor(1.0), items=10)
        >>> strength.probability
        0.4
    """

    def __init__(
        self, kind: Literal["none", "fixed", "adaptive"], *, probability: float, target: float, kimg: float
    ):  # fmt: skip
        self.kind, self.target, self.kimg = kind, target, kimg
        self.probability = 0.0 if kind == "none" else probability
        self._signs: list[Tensor] = []

    def update(self, real_fake_sign: Float[Tensor, ""], *, items: int) -> None:
        """Record the mean sign of a step of the critic, NaN where the step was skipped, and its number of reals."""
        if self.kind != "adaptive":
            return
        self._signs.append(real_fake_sign)
        if len(self._signs) < _EVERY:
            return
        signs = torch.stack(self._signs).cpu()
        signs, self._signs = signs[~signs.isnan()], []
        if len(signs) > 0:
            direction = 1 if float(signs.mean()) > self.target else -1
            changed = self.probability + direction * len(signs) * items / (1000 * self.kimg)
            self.probability = min(_MOST, max(0.0, changed))

    def state_dict(self) -> dict[str, Any]:
        """State of an exact resume."""
        return {"probability": self.probability, "signs": [float(s) for s in self._signs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; earlier versions call the probability ``chance``."""
        self.probability = float(state["probability"] if "probability" in state else state["chance"])
        self._signs = [torch.tensor(float(s)) for s in state["signs"]]


def _broadcast(drawn: Float[Tensor, "B"], values: Tensor) -> Tensor:
    return drawn.to(values).reshape(-1, *[1] * (values.ndim - 1))


@final
class Affine(AbstractTransform):
    """Multiplies values by a factor and adds an offset: contrast and brightness of images, gain of audio.

    Args:
        octaves: Standard deviation of log₂ of the factor.
        offset: Standard deviation of the offset.

    Example:
        >>> Affine().change(torch.zeros(4, 3, 8, 8), Box(2).grid((8, 8)), torch.ones(4, 2)).mean().item()
        1.0
    """

    name = "affine"

    def __init__(self, *, octaves: float = 0.5, offset: float = 0.2):
        self.octaves, self.offset = octaves, offset

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 2"]:
        return torch.randn(batch, 2, generator=generator) * torch.tensor([self.octaves, self.offset])

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 2"]) -> Tensor:
        del view
        return values * torch.exp2(_broadcast(drawn[:, 0], values)) + _broadcast(drawn[:, 1], values)


@final
class Polarity(AbstractTransform):
    """Flips the sign of values, with probability 1/2.

    Example:
        >>> Polarity().draw(4, generator=torch.Generator()).shape
        torch.Size([4, 1])
    """

    name = "polarity"

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        return (torch.rand(batch, 1, generator=generator) < 0.5).float()

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 1"]) -> Tensor:
        del view
        return values * (1 - 2 * _broadcast(drawn[:, 0], values))


@final
class Tint(AbstractTransform):
    """Rotates the hue of the first three channels about the gray axis, and scales their saturation.

    The rotation is about (1, 1, 1)/√3, by Rodrigues' formula; the component at right angles to that axis is scaled.

    Args:
        octaves: Standard deviation of log₂ of the saturation.
        hue: Largest angle, in radians.

    Example:
        >>> Tint().draw(4, generator=torch.Generator()).shape
        torch.Size([4, 2])
    """

    name = "tint"

    def __init__(self, *, octaves: float = 1.0, hue: float = torch.pi):
        self.octaves, self.hue = octaves, hue

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 2"]:
        saturation = self.octaves * torch.randn(batch, 1, generator=generator)
        return torch.cat([saturation, self.hue * (2 * torch.rand(batch, 1, generator=generator) - 1)], dim=1)

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 2"]) -> Tensor:
        del view
        color, rest = values[:, :3], values[:, 3:]
        gray = color.mean(dim=1, keepdim=True)
        away = color - gray
        # Cross product of the axis and a vector perpendicular to it.
        across = (away.roll(1, dims=1) - away.roll(-1, dims=1)) / 3**0.5
        angle = _broadcast(drawn[:, 1], values)
        turned = torch.cos(angle) * away + torch.sin(angle) * across
        return torch.cat([gray + torch.exp2(_broadcast(drawn[:, 0], values)) * turned, rest], dim=1)
