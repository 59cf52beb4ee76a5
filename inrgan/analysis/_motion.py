"""How much of what happens between two latents is motion, against cross-fading."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.analysis._flow import explained_by_flow
from inrgan.analysis._intervals import Interval, bootstrap
from inrgan.analysis._stages import Stages
from inrgan.analysis._warp import Signals, explained_by_warp
from inrgan.inr import LayerWeights, Weights
from inrgan.interpolation import walk
from inrgan.views import View, scattered

_LONG_STEPS = 4
"""Steps of a walk that optical flow is asked about."""


@final
@dataclass(frozen=True)
class Explained:
    """Change that a method explains by motion, along walks of a generator and along cross-fades of their ends.

    Attributes:
        energies: a row per walk: summed squared change and what is left of it, of the generator, then of the fade.
    """

    energies: np.ndarray

    def share(self) -> Interval:
        """Of the generator's change."""
        return bootstrap(self.energies, statistic=lambda rows, axis: _share(rows.sum(axis=axis), 0))

    def share_of_fades(self) -> Interval:
        """Of the change of cross-fades, which is no motion: what the method explains of anything."""
        return bootstrap(self.energies, statistic=lambda rows, axis: _share(rows.sum(axis=axis), 2))

    def score(self) -> Interval:
        """(share − share of fades) / (1 − share of fades): 1 is motion alone, 0 what a cross-fade would give."""

        def score(rows: np.ndarray, axis: int) -> Any:
            total = rows.sum(axis=axis)
            fade = _share(total, 2)
            return (_share(total, 0) - fade) / np.maximum(1 - fade, 1e-6)

        return bootstrap(self.energies, statistic=score)

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object."""
        named = {"score": self.score(), "share": self.share(), "share_of_fades": self.share_of_fades()}
        return {name: interval.to_plain() for name, interval in named.items()}


def measure_motion(
    stages: Stages,
    view: View,
    *,
    w: Float[Tensor, "2 W"],
    steps: int,
    frames: View | None = None,
    iterations: int = 8,
) -> dict[str, Float[Tensor, "4"]]:
    """Change, step by step along a line between two mapped latents, and what motion leaves of it.

    By a smooth displacement and by an affine map of the coordinates, on any domain; and by optical flow where
    ``frames`` is a grid of two axes. The same is measured along the cross-fade of the walk's two ends.

    Args:
        stages: the generator.
        view: where signals are compared by displacement.
        w: the ends.
        steps: of the walk.
        frames: where they are compared by optical flow; None to leave it out.
        iterations: at most, of each search for a displacement.

    Returns:
        By method: summed change and rest of the generator, then of the fade.

    Example:
        >>> measure_motion(stages, view, w=torch.randn(2, 128), steps=4)["affine"].shape
        torch.Size([4])
    """
    with torch.no_grad():
        weights = stages.weights(walk(w, steps=steps + 1))
    own, fade = _walk(stages, weights, view), _fade(stages, weights, view)
    warped = [explained_by_warp(*pair, view, iterations=iterations) for pair in (own, fade)]
    rests = {"smooth displacement": [x.smooth for x in warped], "affine map": [x.affine for x in warped]}
    out = {}
    for name, left in rests.items():
        parts = [x.sum() for both in zip((x.change for x in warped), left, strict=True) for x in both]
        out[name] = torch.stack(parts).double().cpu()
    if frames is not None:
        # Flow works in 8 bits, and does not see a motion of a tenth of a sample.
        far = slice(0, None, max(1, steps // _LONG_STEPS))
        with torch.no_grad():
            seen = stages.signal(_rows(weights, far), frames)
        t = torch.linspace(0, 1, steps + 1, device=seen.device)[far].reshape(-1, 1, 1, 1)
        faded = seen[:1] * (1 - t) + seen[-1:] * t
        parts = [x.sum() for walked in (seen, faded) for x in explained_by_flow(walked[:-1], walked[1:])]
        out["optical flow"] = torch.stack(parts).double()
    return out


def _share(total: np.ndarray, first: int) -> Any:
    return 1 - total[..., first + 1] / np.maximum(total[..., first], 1e-300)


def _rows(weights: Weights, rows: slice) -> Weights:
    return [LayerWeights(x.weight[rows], x.bias[rows]) for x in weights]


def _signals(stages: Stages, weights: Weights, view: View) -> Signals:
    def seen(x: Tensor, level: float) -> Tensor:
        own = view.spacing * level
        if own.shape[1] > 1:  # each point's own; several places may be asked of each
            own = own.repeat(1, x.shape[1] // own.shape[1], 1)
        return stages.signal(weights, scattered(x, spacing=own)).flatten(2).transpose(1, 2)

    return seen


def _walk(stages: Stages, weights: Weights, view: View) -> tuple[Signals, Signals]:
    """Signals before and after every step."""
    return _signals(stages, _rows(weights, slice(0, -1)), view), _signals(stages, _rows(weights, slice(1, None)), view)


def _fade(stages: Stages, weights: Weights, view: View) -> tuple[Signals, Signals]:
    """The same of the cross-fade of the ends."""
    count = len(weights[0].weight) - 1
    ends = []
    for row in (slice(0, 1), slice(-1, None)):
        one = _rows(weights, row)
        many = [
            LayerWeights(x.weight.expand(count, *x.weight.shape[1:]), x.bias.expand(count, *x.bias.shape[1:]))
            for x in one
        ]
        ends.append(_signals(stages, many, view))
    t = torch.linspace(0, 1, count + 1, device=weights[0].weight.device).reshape(-1, 1, 1)

    def at(share: Tensor) -> Signals:
        return lambda x, level: ends[0](x, level) * (1 - share) + ends[1](x, level) * share

    return at(t[:-1]), at(t[1:])
