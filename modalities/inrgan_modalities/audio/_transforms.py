"""Transforms of audio: symmetries and augmentation."""

from dataclasses import replace
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.augmentation import AbstractTransform
from inrgan.errors import ConfigError
from inrgan.views import View


@final
class Delay(AbstractTransform):
    """Random shift in time, not rounded to samples; silence fills the gap.

    Args:
        seconds: Length of the window.
        most: Largest delay, as a fraction of the window.

    Example:
        >>> Delay(2.0).draw(4, generator=torch.Generator()).shape
        torch.Size([4, 1])
    """

    name = "delay"

    def __init__(self, seconds: float, *, most: float = 0.125):
        self.seconds, self.most = seconds, most

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        return (2 * torch.rand(batch, 1, generator=generator) - 1) * self.most * self.seconds

    def look(self, view: View, drawn: Float[Tensor, "B 1"]) -> View:
        assert view.axes is not None
        return replace(view, axes=(view.axes[0] - drawn.to(view.axes[0]),))

    def change(self, values: Float[Tensor, "B C K"], view: View, drawn: Float[Tensor, "B 1"]) -> Tensor:
        assert view.axes is not None
        time = view.axes[0] - drawn.to(view.axes[0])
        return values * ((time >= 0) & (time <= self.seconds)).to(values.dtype)[:, None]


@final
class Jitter(AbstractTransform):
    """Random shift by up to half a sample, since recordings do not start exactly at a sample.

    Args:
        rate: Samples per second.

    Example:
        >>> Jitter(16000.0).draw(4, generator=torch.Generator()).shape
        torch.Size([4, 1])
    """

    name = "jitter"

    def __init__(self, rate: float):
        self.rate = rate

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        return (torch.rand(batch, 1, generator=generator, dtype=torch.float64) - 0.5) / self.rate

    def look(self, view: View, drawn: Float[Tensor, "B 1"]) -> View:
        assert view.axes is not None
        # In double precision: in long windows, single precision has no steps below a sample.
        return replace(view, axes=(view.axes[0].double() + drawn.to(view.axes[0].device),))


@final
class Equalizer(AbstractTransform):
    """Random equalizer: a gain in dB that is linear in log frequency between its knots.

    It acts on the Fourier transform of the view, which is therefore treated as periodic, for reals and fakes alike.
    The knots are frequencies in Hz, so that a crop and the decimated clip get the same filter.

    Args:
        knots: Frequencies in Hz, rising.
        decibels: Standard deviation of the gain at each knot.

    Raises:
        ConfigError: There are fewer than two knots, or they are not rising.

    Example:
        >>> Equalizer((100, 1000)).change(torch.zeros(4, 1, 64), Box(1).grid((64,)), torch.ones(4, 2)).shape
        torch.Size([4, 1, 64])
    """

    name = "equalizer"

    def __init__(self, knots: tuple[float, ...], *, decibels: float = 6.0):
        if len(knots) < 2 or not all(0 < a < b for a, b in pairwise(knots)):
            raise ConfigError(f"the knots of an equalizer are {knots}; expected two or more rising frequencies in Hz")
        self.knots, self.decibels = knots, decibels

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B P"]:
        return self.decibels * torch.randn(batch, len(self.knots), generator=generator)

    def change(self, values: Float[Tensor, "B C K"], view: View, drawn: Float[Tensor, "B P"]) -> Tensor:
        count = values.shape[-1]
        turns = torch.fft.rfftfreq(count, device=values.device, dtype=torch.float32)
        hertz = turns / view.spacing[:, 0].to(turns)  # (#B, F)
        knots = torch.tensor(self.knots, device=values.device).log()
        place = hertz.clamp(self.knots[0], self.knots[-1]).log()
        right = torch.searchsorted(knots, place.contiguous()).clamp(1, len(self.knots) - 1)
        share = (place - knots[right - 1]) / (knots[right] - knots[right - 1])
        right, share = right.expand(len(drawn), -1), share.expand(len(drawn), -1)
        decibels = torch.lerp(drawn.gather(1, right - 1), drawn.gather(1, right), share)
        gain = torch.pow(10.0, decibels / 20)[:, None]
        return torch.fft.irfft(torch.fft.rfft(values) * gain.to(values.dtype), n=count)
