"""Plane waves that move along one axis, and the paths that displace them."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.encodings.base import AbstractEncoding
from inrgan.encodings.fourier import Carried, FourierEncoding, plane_waves
from inrgan.encodings.lattice_noise import NoiseEncoding
from inrgan.errors import ConfigError
from inrgan.resampling import fade
from inrgan.views import View, product_view, scattered

_CONSTANTS = 8
_OCTAVES = 0.75
"""Largest difference between a sample's frequency and the shared one, in octaves."""


@dataclass(frozen=True)
class Path:
    """Values of a sample's paths along the axis of a view.

    Attributes:
        values: Values at the positions along the axis of a product view, or at every point.
        slopes: Derivatives along the axis.
        spacing: Spacing of the view along the axis.
    """

    values: Float[Tensor, "B M P"]
    slopes: Float[Tensor, "B M P"]
    spacing: Float[Tensor, "#B #M"]


@final
class AxisPaths(nn.Module):
    """Smooth per-sample functions of one coordinate: a drift, and slow waves with per-sample frequencies.

    p(t) = G·(v u + Σₖ Aₖ (a sin 2πfₖt + b cos 2πfₖt)) + c. u is t measured from the middle of the domain. The latent
    decides the drift v, the phases and amplitudes of the waves (a, b) and the frequencies fₖ, which deviate up to 3/4
    of an octave from octaves whose longest period is eight domains. Aₖ falls as 1/f, the spectrum of a position whose
    velocity has no preferred frequency. The drift has no period and the waves have no common one, so no motion repeats
    by construction. (Acyclic motion by predicted waves: Skorokhodov et al. 2022, "StyleGAN-V", with periods from 16 to
    1024 frames.) Waves that the spacing along the axis cannot represent are faded; a view finer than the training's
    fades as the training's does.

    Args:
        axis: Coordinate of the paths.
        start: Start of the domain along the axis.
        length: Length of the domain along the axis.
        spacing: Distance between samples along the axis at the finest resolution that will be trained.
        count: Number of paths, P.
        octaves: Number of octaves of the waves.
        gains: Whether the paths also scale a backbone's layer outputs, in addition to shifting them.
        part: Part of the latent that decides the paths, in addition to the main part.

    Raises:
        ConfigError: A number is not positive.

    Example:
        >>> paths = AxisPaths(2, start=0.0, length=2.0, spacing=0.125, count=6)
        >>> paths.inputs, paths.count
        (11, 6)
    """

    base: Float[Tensor, "K"]

    def __init__(
        self, axis: int, *, start: float, length: float, spacing: float, count: int = 16, octaves: int = 5,
        gains: bool = True, part: str = "",
    ):  # fmt: skip
        super().__init__()
        if axis < 0 or not (0 < length < math.inf and spacing > 0) or count < 1 or octaves < 1:
            raise ConfigError(
                f"{count} paths of {octaves} octaves along axis {axis}, {length} long, samples {spacing} apart; "
                "expected positive numbers"
            )
        self.axis, self.middle, self.length, self.spacing = axis, start + length / 2, length, spacing
        self.count, self.gains, self.part = count, gains, part
        self.register_buffer("base", 2.0 ** torch.arange(octaves) / (8 * length))
        self.gain = nn.Parameter(torch.full((count,), math.log(0.5)))

    @property
    def inputs(self) -> int:
        """Size of the basis that a path is a mixture of."""
        return 1 + 2 * len(self.base)

    @property
    def constants(self) -> int:
        """Number of inputs of the layer that sets the frequencies, all of them 1."""
        return _CONSTANTS

    def forward(
        self,
        view: View,
        rates: tuple[Float[Tensor, "B K _"], Float[Tensor, "B K"]],
        mixture: tuple[Float[Tensor, "B P I"], Float[Tensor, "B P"]],
    ) -> Path:
        """Paths of every sample along the axis of a view.

        Args:
            view: View at which the paths are evaluated.
            rates: Weight and bias of the layer that sets the frequencies.
            mixture: Weight and bias of the layer that mixes the basis.
        """
        if view.axes is not None:
            t_BM, spacing = view.axes[self.axis], view.axis_spacing[self.axis]
        else:
            t_BM, spacing = view.coords[..., self.axis], view.spacing[..., self.axis]
        octave = _OCTAVES * torch.tanh(rates[0].sum(dim=-1) + rates[1])
        f_B1K = (self.base.to(octave) * 2**octave)[:, None].to(t_BM.dtype)
        since = (t_BM - self.middle)[:, :, None]
        turns = since * f_B1K
        phase = 2 * math.pi * (turns - turns.detach().round())
        amplitude = fade(f_B1K * spacing.clamp(min=self.spacing)[..., None])
        amplitude = amplitude * math.sqrt(2) / (2 * f_B1K * self.length).clamp(min=1)
        s, c, w = torch.sin(phase) * amplitude, torch.cos(phase) * amplitude, 2 * math.pi * f_B1K
        unit = math.sqrt(12) / self.length
        drift = (since * unit).expand(s.shape[0], -1, -1)
        weight_BIP = (mixture[0] * self.gain.exp().to(mixture[0])[:, None]).transpose(1, 2)
        basis = torch.cat([drift, s, c], dim=-1).to(weight_BIP.dtype)
        basis_slopes = torch.cat([torch.full_like(drift, unit), c * w, -s * w], dim=-1).to(weight_BIP.dtype)
        return Path(torch.baddbmm(mixture[1][:, None], basis, weight_BIP), basis_slopes @ weight_BIP, spacing)


class TravellingEncoding(AbstractEncoding):
    """Plane waves over all axes but one, displaced along that one by paths.

    sin and cos of 2π f·(x + d(t)): the waves are divided into groups, and every group has a displacement d, a path of
    the sample. The first group is static. A wave's frequency along t is f·d′(t). Waves that the spacing along t cannot
    represent are faded, so that fast motion is blurred; views finer along t than the training's fade as the training's
    do. Since phases are paths instead of sums of fixed periods, motion never repeats by itself. (Yu et al. 2022,
    "DIGAN", add a function of time to the input of the first layer; a displacement preserves what moves.)

    Args:
        dim: Number of all axes, D.
        axis: Axis along which the waves travel.
        longest_period: Period of the slowest octave over the other axes.
        spacing: Distance between samples along the other axes at the finest resolution that will be trained.
        axis_spacing: The same distance along the axis.
        groups: Number of groups, including the static one.
        octaves: Largest number of octaves, as for ``FourierEncoding``.
        oblique: Number of random frequencies, as for ``FourierEncoding``.
        channels: Number of features of each octave of static noise over the other axes (``NoiseEncoding``); 0 for none.
        seed: Seed of the frequencies.

    Raises:
        ConfigError: As for ``FourierEncoding``; or there are fewer than 2 axes or 1 group.

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
        channels: int = 0,
        seed: int = 0,
    ):
        super().__init__()
        if dim < 2 or not 0 <= axis < dim or groups < 1:
            raise ConfigError(
                f"waves in {groups} groups along axis {axis} of {dim}; expected 1 or more, and 2 or more axes"
            )
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
        self.noise = None
        if channels:
            self.noise = NoiseEncoding(
                dim - 1, longest_period=longest_period, spacing=spacing, octaves=0, channels=channels, seed=seed
            )
            self.size += self.noise.size
        self.paths = (groups - 1) * (dim - 1)
        self._groups = groups

    def forward(self, view: View, path: Path | None = None) -> Float[Tensor, "#B N F"]:
        """Encode every point of a view. The first ``paths`` values of a given path displace the groups."""
        carried = None if path is None or self.paths == 0 else self._carried(view, path)
        waves = plane_waves(view, self.frequencies, amplitude=self.amplitude, carried=carried)
        if self.noise is None:
            return waves
        still = view.derive(self, "noise", lambda: self._still(view))
        return torch.cat([waves, still.expand(waves.shape[0], -1, -1)], dim=-1)

    def prepare(self, view: View) -> None:
        if self.noise is not None:
            self.noise.prepare(self._flat(view))

    def _flat(self, view: View) -> View:
        """The view without the axis of motion."""

        def make() -> View:
            keep = [d for d in range(view.dim) if d != self.axis]
            if view.axes is None:
                return scattered(view.coords[..., keep], spacing=view.spacing[..., keep])
            spacing = [view.axis_spacing[d] for d in keep]
            if view.spacing.shape[1] == 1:
                return product_view([view.axes[d] for d in keep], spacing=torch.cat(spacing, dim=-1))
            return product_view([view.axes[d] for d in keep], spacing=spacing)

        return view.derive(self, "flat", make)

    def _still(self, view: View) -> Float[Tensor, "#B N F"]:
        """Noise at every point of the view, the same at all positions along the axis of motion."""
        assert self.noise is not None
        values = self.noise(self._flat(view))
        if view.axes is None:
            return values
        rank = len(view.shape)
        sides = [view.shape[a] if a != rank - 1 - self.axis else 1 for a in range(rank)]
        return values.unflatten(1, sides).expand(-1, *view.shape, -1).flatten(1, rank)

    def _carried(self, view: View, path: Path) -> Carried:
        others = [f for d, f in enumerate(self.frequencies.unbind(dim=1)) if d != self.axis]
        f_KE = torch.stack(others, dim=1).to(path.values.dtype)
        turns, speed = (self._along(f_KE, x[..., : self.paths]) for x in (path.values, path.slopes))
        passes = fade(speed * path.spacing.clamp(min=self.axis_spacing)[..., None])
        return Carried(self.axis, turns.to(view.spacing.dtype), passes.to(view.spacing.dtype))

    def _along(self, f_KE: Tensor, x_BMP: Tensor) -> Tensor:
        """f·d of every wave, by its group."""
        moved = x_BMP.unflatten(-1, (self._groups - 1, f_KE.shape[1]))
        moved = torch.cat([torch.zeros_like(moved[..., :1, :]), moved], dim=-2)
        return (moved[..., self.group, :] * f_KE).sum(dim=-1)
