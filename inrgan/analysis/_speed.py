"""How fast each space changes along a path, and where that jumps."""

from dataclasses import dataclass
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.analysis._stages import Stages
from inrgan.inr import flat
from inrgan.views import View

HIGHEST = 1e6
"""Of jump scores: where the median is nothing, there is no other bound."""
_CHUNK = 16


def jump_score(speeds: Float[Tensor, "*P T"]) -> Float[Tensor, "*P"]:
    """Largest over median speed of each path: 1 at an even pace; 1 where nothing moves; at most 10⁶.

    A discontinuity is passed in one step however short the steps are: its score grows with their number, that of a
    smooth path does not.

    Example:
        >>> jump_score(torch.tensor([1.0, 1.0, 5.0])).item()
        5.0
    """
    largest, median = speeds.amax(dim=-1), speeds.median(dim=-1).values
    score = largest / torch.maximum(median, largest / HIGHEST)
    return torch.where(largest > 0, score, torch.ones_like(score))


@final
@dataclass(frozen=True, kw_only=True)
class SpeedProfile:
    """Speeds along one path: change per unit of the path's parameter, which goes from 0 to 1.

    Attributes:
        speeds: by row the spaces: z (where the path has one), w and θ by Euclidean distance, the signal by the root
            mean square over points and channels.
        chords: straight distance between the path's ends in each space.
    """

    speeds: Float[Tensor, "K T"]
    chords: Float[Tensor, "K"]

    @property
    def lengths(self) -> Float[Tensor, "K"]:
        """Of the path in each space."""
        return self.speeds.mean(dim=1)

    @property
    def gains(self) -> Float[Tensor, "J T"]:
        """How much faster each space moves than the one before it; NaN where that one stands still."""
        before, after = self.speeds[:-1], self.speeds[1:]
        still = before <= before.amax(dim=1, keepdim=True) / HIGHEST
        return torch.where(still, torch.nan, after / before)

    @property
    def stage_jumps(self) -> Float[Tensor, "J"]:
        """Jump score of each stage's gain: what the stage itself adds, however the space before it moves."""
        return torch.stack([jump_score(g[g.isfinite()]) if g.isfinite().any() else g.new_ones(()) for g in self.gains])

    @property
    def excess(self) -> Float[Tensor, "J"]:
        """Gain of each stage over its median, at the step at which the signal moves fastest: who is to blame there."""
        step = int(self.speeds[-1].argmax())
        ratio = self.gains[:, step] / self.gains.nanmedian(dim=1).values.clamp(min=1e-30)
        return ratio.nan_to_num(nan=1.0, posinf=HIGHEST).clamp(max=HIGHEST)


@torch.no_grad()
def measure_speed(
    stages: Stages, view: View, *, z: Float[Tensor, "N Z"] | None = None, w: Float[Tensor, "N W"] | None = None
) -> SpeedProfile:
    """Speeds along one path, given by its points at equal distances of the parameter.

    Args:
        stages: the generator.
        view: where signals are compared.
        z: the path's points, where it is one of latents.
        w: else its points as mapped latents.

    Example:
        >>> measure_speed(stages, view, z=torch.randn(9, 64)).speeds.shape
        torch.Size([4, 8])
    """
    assert (z is None) != (w is None), "a path is one of latents or of mapped latents"
    mapped = stages.mapping(z) if z is not None else w
    assert mapped is not None
    ends: list[list[Tensor]] = [[], []]
    steps: list[list[Tensor]] = [[], []]
    last: list[Tensor] = []
    for part in mapped.split(_CHUNK):  # all weights of a path would be many
        weights = stages.weights(part)
        seen = [flat(weights).double(), stages.signal(weights, view).flatten(1).double()]
        for k, x in enumerate(seen):
            if not last:
                ends[k].append(x[0])
            joined = torch.cat([last[k], x]) if last else x
            steps[k].append(_size((joined[1:] - joined[:-1]), mean=k == 1))
        last = [x[-1:] for x in seen]
    changes = [torch.cat(s) for s in steps]
    chords = [_size(last[k] - ends[k][0], mean=k == 1)[0] for k in range(2)]
    for x in (mapped, *(() if z is None else (z,))):  # the spaces before, from the last to the first
        wide = x.double()
        changes.insert(0, _size(wide[1:] - wide[:-1], mean=False))
        chords.insert(0, _size(wide[-1:] - wide[:1], mean=False)[0])
    speeds = torch.stack([c.cpu() for c in changes])
    return SpeedProfile(speeds=speeds * speeds.shape[1], chords=torch.stack([c.cpu() for c in chords]))


def _size(x: Float[Tensor, "N F"], *, mean: bool) -> Float[Tensor, "N"]:
    return x.square().mean(dim=1).sqrt() if mean else x.norm(dim=1)
