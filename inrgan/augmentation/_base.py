"""What a transform is, and how several are applied by chance."""

import abc
from collections.abc import Sequence
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.views import View


class AbstractTransform(abc.ABC):
    """A change of signals that critics see on reals and fakes alike.

    Where it moves a signal, it says from where to look instead (``look``): a field is asked there, reals are observed
    there, and neither is resampled twice. Where it changes values, it does so in ``change``, by operations that can be
    differentiated twice. Parameters of zero leave a signal as it is.
    """

    name: str
    """In statistics and messages."""

    @abc.abstractmethod
    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B P"]:
        """Parameters for each sample; zeros for none."""

    def look(self, view: View, drawn: Float[Tensor, "B P"]) -> View:
        """From where to look at the signal, so that what is seen is the transformed signal from ``view``."""
        del drawn
        return view

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B P"]) -> Tensor:
        """The transformed values of what was seen from ``view``."""
        del view, drawn
        return values


@final
class Augmentation:
    """Several transforms, each applied to each sample by the same chance.

    As long as the chance is well below 1, the generator does not learn to make transformed signals. (Karras et al.
    2020, "Training generative adversarial networks with limited data", sec. 2.2; there on pixels.)

    Args:
        transforms: in the order in which they act on a signal.

    Example:
        >>> augmentation = Augmentation([Flip(Box(2), axis=0)])
        >>> drawn = augmentation.draw(4, chance=0.5, generator=torch.Generator())
        >>> augmentation.look(Box(2).grid((8, 8)), drawn).coords.shape
        torch.Size([4, 64, 2])
    """

    def __init__(self, transforms: Sequence[AbstractTransform]):
        self.transforms = tuple(transforms)

    def draw(self, batch: int, *, chance: float, generator: torch.Generator) -> tuple[Float[Tensor, "B _"], ...]:
        """Parameters of every transform for each sample, on the CPU."""
        drawn = []
        for transform in self.transforms:
            taken = torch.rand(batch, 1, generator=generator) < chance
            drawn.append(transform.draw(batch, generator=generator) * taken)
        return tuple(drawn)

    def look(self, view: View, drawn: Sequence[Float[Tensor, "B _"]]) -> View:
        """From where to look instead; ``view`` itself where nothing is moved."""
        # What the last transform shows at x, it takes from where the ones before put it.
        for transform, parameters in zip(reversed(self.transforms), reversed(drawn), strict=True):
            if bool(parameters.any()):
                view = transform.look(view, parameters.to(view.center.device))
        return view

    def change(
        self, values: Float[Tensor, "B C *S"], view: View, drawn: Sequence[Float[Tensor, "B _"]]
    ) -> Float[Tensor, "B C *S"]:
        """The values that critics see, of what was seen for ``view``."""
        for transform, parameters in zip(self.transforms, drawn, strict=True):
            if bool(parameters.any()):
                values = transform.change(values, view, parameters.to(values.device))
        return values
