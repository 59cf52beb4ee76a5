"""Fourier features that travel along one axis, each sample's own way."""

import math

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.encodings._base import AbstractEncoding
from inrgan.encodings._fourier import Carried, FourierEncoding, plane_waves
from inrgan.encodings._paths import Path
from inrgan.errors import ConfigError
from inrgan.resampling import fade
from inrgan.views import View


class TravellingEncoding(AbstractEncoding):
    """Plane waves over all axes but one, carried along by where paths have got to on that one.

    sin and cos of 2π f·(x + d(t)): waves are dealt out to groups, and every group has a displacement d of its own, a
    path of the sample. The first group stands still. A wave's frequency along t is f·d′(t), and it fades as far as the
    spacing along t, or that of training where it is the coarser, does not carry it: what moves too fast is blurred,
    and rates beyond the training's show the same. Phases that are paths instead of sums of fixed periods never make a
    motion come back by itself. (Yu et al. 2022, "DIGAN", add a function of time to what the first layer is given;
    a displacement keeps what moves as it is.)

    Args:
        dim: D, all axes.
        axis: along which the waves travel.
        longest_period: of the slowest octave over the others.
        spacing: distance between samples over the others at the finest resolution that will be trained.
        axis_spacing: the same along the axis.
        groups: how many, the still one among them.
        octaves: as for ``FourierEncoding``.
        oblique: as for ``FourierEncoding``.
        seed: of the frequencies.

    Raises:
        ConfigError: as for ``FourierEncoding``; or fewer than 2 axes or 1 group.

    Example:
        >>> enc = TravellingEncoding(3, axis=2, longest_period=4, spacing=0.1, axis_spacing=0.1, groups=3, oblique=8)
        >>> enc(Box(3).grid((2, 5, 7))).shape, enc.paths
        (torch.Size([1, 70, 36]), 4)
    """

    frequencies: Float[Tensor, "K D"]
    amplitude: Float[Tensor, "K"]
    group: Int[Tensor, "K"]

    def __init__(
        self,
        dim: int,
        *,
        axis: int,
        longest_period: float,
        spacing: float,
        axis_spacing: float,
        groups: int = 4,
        octaves: int = 3,
        oblique: int = 64,
        seed: int = 0,
    ):
        super().__init__()
        if dim < 2 or not 0 <= axis < dim or groups < 1:
            raise ConfigError(f"waves in {groups} groups along axis {axis} of {dim}; expected 1 or more and 2 axes")
        flat = FourierEncoding(
            dim - 1, longest_period=longest_period, spacing=spacing, octaves=octaves, oblique=oblique, seed=seed
        )
        table = flat.frequencies
        self.register_buffer(
            "frequencies", torch.cat([table[:, :axis], table.new_zeros(len(table), 1), table[:, axis:]], dim=1)
        )
        self.register_buffer("amplitude", math.sqrt(2) * flat.amplitude)
        self.register_buffer("group", torch.arange(len(table)) % groups)
        self.axis, self.axis_spacing, self.size = axis, axis_spacing, flat.size
        self.paths = (groups - 1) * (dim - 1)
        self._groups = groups

    def forward(self, view: View, path: Path | None = None) -> Float[Tensor, "#B N F"]:
        """Encode every point of a view; with a path, whose first ``paths`` values displace the groups."""
        carried = None if path is None or self.paths == 0 else self._carried(view, path)
        return plane_waves(view, self.frequencies, amplitude=self.amplitude, carried=carried)

    def _carried(self, view: View, path: Path) -> Carried:
        others = [f for d, f in enumerate(self.frequencies.unbind(dim=1)) if d != self.axis]
        f_KE = torch.stack(others, dim=1).to(path.values.dtype)
        turns, speed = (self._along(f_KE, x[..., : self.paths]) for x in (path.values, path.slopes))
        passes = fade(speed * path.spacing.clamp(min=self.axis_spacing)[..., None])
        return Carried(self.axis, turns.to(view.spacing.dtype), passes.to(view.spacing.dtype))

    def _along(self, f_KE: Tensor, x_BMP: Tensor) -> Tensor:
        """f·d of every wave, where its group is."""
        moved = x_BMP.unflatten(-1, (self._groups - 1, f_KE.shape[1]))
        moved = torch.cat([torch.zeros_like(moved[..., :1, :]), moved], dim=-2)
        return (moved[..., self.group, :] * f_KE).sum(dim=-1)
