"""A smooth sky and a textured figure in a small part of it, in closed form."""

import math
from collections.abc import Sequence

import torch

from inrgan import Box, View
from inrgan.encodings import fade


class SkyAndPerson:
    """A function of the coordinate, band-limited like a field: waves beyond the band of a view fade out.

    The figure is an ellipse of 8% of the area with three oblique waves of 9 to 17 cycles per unit; its outline is a
    logistic step about a hundredth wide. The sky is of low order.
    """

    domain = Box(2)
    waves = ((9.0, 0.3, 0.3), (13.0, 1.4, 0.25), (17.0, 2.4, 0.2))  # cycles per unit, direction, amplitude

    def __call__(self, view: View) -> torch.Tensor:
        x, y = view.coords[0].double().unbind(-1)
        width = view.spacing[0].double().amax(dim=-1).expand(x.shape)
        sky = torch.stack([0.35 * y - 0.2 + 0.1 * x, 0.25 * y + 0.05, 0.5 - 0.2 * y + 0.1 * torch.cos(1.5 * x)])
        ripple = torch.zeros_like(x)
        for f, turn, amplitude in self.waves:
            phase = 2 * math.pi * f * (x * math.cos(turn) + y * math.sin(turn))
            ripple = ripple + amplitude * fade(f * width) * torch.sin(phase)
        person = torch.stack([0.2 + 0.7 * ripple, -0.1 + 0.6 * ripple, -0.3 + 0.5 * ripple])
        radius = (((x - 0.35) / 0.22) ** 2 + ((y - 0.35) / 0.45) ** 2).sqrt()
        # The step is at least as wide as the spacing of the view.
        inside = torch.sigmoid((1 - radius) * 0.3 / (width / 4).clamp(min=0.005))
        return view.unflatten((sky * (1 - inside) + person * inside).T[None].float())

    def render(self, shape: Sequence[int]) -> torch.Tensor:
        return self(self.domain.grid(shape))
