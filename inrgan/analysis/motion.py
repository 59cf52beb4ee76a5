"""How much of the change along an interpolation is motion, as opposed to cross-fading."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.analysis.intervals import Interval, bootstrap
from inrgan.analysis.stages import Stages
from inrgan.analysis.warp import Signals, explained_by_warp
from inrgan.errors import MissingDependency, ShapeError
from inrgan.inr import LayerWeights, Weights
from inrgan.interpolation import linear_path
from inrgan.views import View, scattered

_FLOW_STEPS = 4
"""Steps of a path between which optical flow is measured."""
_LEVELS, _ITERATIONS, _POLY = 3, 5, (5, 1.1)


@final
@dataclass(frozen=True)
class Explained:
    """Change that a method explains by motion, along paths of a generator and along cross-fades of their ends.

    Attributes:
        energies: One row per path: summed squared change and residual, of the generator, then of the cross-fade.
    """

    energies: np.ndarray

    def share(self) -> Interval:
        """Fraction of the generator's change that is explained."""
        return bootstrap(self.energies, statistic=lambda rows, axis: _share(rows.sum(axis=axis), 0))

    def share_of_fades(self) -> Interval:
        """Fraction of the change of cross-fades that is explained, although they hold no motion."""
        return bootstrap(self.energies, statistic=lambda rows, axis: _share(rows.sum(axis=axis), 2))

    def score(self) -> Interval:
        """(share − share of fades) / (1 − share of fades): 1 for motion alone, 0 for a cross-fade."""

        def score(rows: np.ndarray, axis: int) -> Any:
            total = rows.sum(axis=axis)
            fade = _share(total, 2)
            return (_share(total, 0) - fade) / np.maximum(1 - fade, 1e-6)

        return bootstrap(self.energies, statistic=score)

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
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
    """Change, step by step along a line between two mapped latents, and its residual after motion.

    Motion is a smooth displacement or an affine map of the coordinates, on any domain; and optical flow where
    ``frames`` is a grid of two axes. The same is measured along the cross-fade of the line's two ends.

    Args:
        stages: Stages of the generator.
        view: View at which signals are compared by displacement.
        w: Ends of the line.
        steps: Steps of the line.
        frames: Grid at which they are compared by optical flow; None for no flow.
        iterations: Largest number of iterations of each search for a displacement.

    Returns:
        Summed change and residual of the generator, then of the cross-fade, by method.

    Example:
        >>> measure_motion(stages, view, w=torch.randn(2, 128), steps=4)["affine"].shape
        torch.Size([4])
    """
    with torch.no_grad():
        weights = stages.weights(linear_path(w, steps=steps + 1))
    line, fade = _line(stages, weights, view), _fade(stages, weights, view)
    warped = [explained_by_warp(*pair, view, iterations=iterations) for pair in (line, fade)]
    rests = {"smooth displacement": [x.smooth for x in warped], "affine map": [x.affine for x in warped]}
    out = {}
    for name, left in rests.items():
        parts = [x.sum() for pair in zip((x.change for x in warped), left, strict=True) for x in pair]
        out[name] = torch.stack(parts).double().cpu()
    if frames is not None:
        # Flow works on 8 bits, which hide a motion of a tenth of a sample.
        far = slice(0, None, max(1, steps // _FLOW_STEPS))
        with torch.no_grad():
            seen = stages.signal(_rows(weights, far), frames)
        t = torch.linspace(0, 1, steps + 1, device=seen.device)[far].reshape(-1, 1, 1, 1)
        faded = seen[:1] * (1 - t) + seen[-1:] * t
        parts = [x.sum() for path in (seen, faded) for x in explained_by_flow(path[:-1], path[1:])]
        out["optical flow"] = torch.stack(parts).double()
    return out


def _share(total: np.ndarray, first: int) -> Any:
    return 1 - total[..., first + 1] / np.maximum(total[..., first], 1e-300)


def _rows(weights: Weights, rows: slice) -> Weights:
    return [LayerWeights(x.weight[rows], x.bias[rows]) for x in weights]


def _signals(stages: Stages, weights: Weights, view: View) -> Signals:
    def seen(x: Tensor, level: float) -> Tensor:
        spacing = view.spacing * level
        if spacing.shape[1] > 1:  # one for each point, of which several displaced copies may be evaluated
            spacing = spacing.repeat(1, x.shape[1] // spacing.shape[1], 1)
        return stages.signal(weights, scattered(x, spacing=spacing)).flatten(2).transpose(1, 2)

    return seen


def _line(stages: Stages, weights: Weights, view: View) -> tuple[Signals, Signals]:
    """Signals before and after every step of the generator."""
    return _signals(stages, _rows(weights, slice(0, -1)), view), _signals(stages, _rows(weights, slice(1, None)), view)


def _fade(stages: Stages, weights: Weights, view: View) -> tuple[Signals, Signals]:
    """Signals before and after every step of the cross-fade of the ends."""
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


def explained_by_flow(
    before: Float[Tensor, "..."], after: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Mean squared change from ``before`` to ``after``, and its residual after dense optical flow.

    Farnebäck's optical flow (2003; OpenCV, three levels, a window of an eighth of the shorter side) from ``after`` back
    to ``before`` on the mean of the channels, stretched to 8 bits by the extremes of both batches; ``before`` is
    sampled where the flow says, by cubic interpolation. Images hold no values between their samples, so that a perfect
    motion leaves a residual, too.

    Args:
        before: Images (B, C, H, W).
        after: As many images.

    Returns:
        Change and residual of every image.

    Raises:
        ShapeError: The images do not fit each other.
        MissingDependency: OpenCV is not installed.

    Example:
        >>> x = torch.rand(2, 3, 32, 32)
        >>> explained_by_flow(x, x.roll(1, dims=3))[0].shape
        torch.Size([2])
    """
    if before.shape != after.shape or before.ndim != 4:
        raise ShapeError(f"images of {tuple(before.shape)} and {tuple(after.shape)}; expected twice (B, C, H, W)")
    try:
        import cv2
    except ImportError:
        raise MissingDependency("opencv-python-headless", extra="studies", why="optical flow") from None
    a, b = before.detach().cpu().float().numpy(), after.detach().cpu().float().numpy()
    grey = np.stack([a.mean(axis=1), b.mean(axis=1)])
    low, high = float(grey.min()), float(grey.max())
    bytes_ = np.round((grey - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    rows, columns = a.shape[2:]
    window = max(5, min(rows, columns) // 8)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    change, rest, unknown = [], [], np.zeros((rows, columns, 2), np.float32)
    for i in range(len(a)):
        flow = cv2.calcOpticalFlowFarneback(
            bytes_[1, i], bytes_[0, i], unknown.copy(), 0.5, _LEVELS, window, _ITERATIONS, *_POLY, 0
        )  # fmt: skip
        moved = [
            cv2.remap(channel, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            for channel in a[i]
        ]
        change.append(float(np.square(b[i] - a[i]).mean()))
        rest.append(min(change[-1], float(np.square(b[i] - np.stack(moved)).mean())))
    return torch.tensor(change), torch.tensor(rest)
