"""How much of the change between two signals motion explains: optical flow, and smooth displacements."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.analysis.intervals import Interval, bootstrap
from inrgan.analysis.stages import Stages, some_points
from inrgan.errors import ConfigError, MissingDependency, ShapeError
from inrgan.inr import LayerWeights, Weights
from inrgan.interpolation import linear_path
from inrgan.views import View, scattered

Signal = Callable[[View], Tensor]
"""A view of N points to values (N, C), point by point."""

ORDERS = {1: 8, 2: 4, 3: 2}
"""Highest sum of half periods across the domain in a smooth displacement, by the number of coordinates."""
COARSE = 4.0
"""Initial band limit of the signals, over the spacing."""
_COARSE_POINTS = 256
"""Number of points that suffice for the first search, which only gives the next one its start."""
_OFFSET = 1 / 8
"""Offset of the differences that estimate slopes, over the spacing."""
_STALE = 0.999
"""Factor on a signal's residual that is closer to 1 than this for the last iteration that it needs."""


def displacement_basis(view: View, *, smooth: bool) -> Float[Tensor, "#B N K"]:
    """Basis functions of a displacement, per coordinate: 1 and the coordinates, which make it affine; and, for a smooth
    one, products of slow cosines over the box of all points.

    Example:
        >>> displacement_basis(Box(2).grid((4, 4)), smooth=False).shape
        torch.Size([1, 16, 3])
    """
    x = view.coords
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    unit = (x - low) / (high - low).clamp(min=1e-12)
    columns = [torch.ones_like(unit[..., :1]), 2 * unit - 1]
    if smooth:
        order = ORDERS.get(x.shape[-1], 2)
        for powers in itertools.product(range(order + 1), repeat=x.shape[-1]):
            if 0 < sum(powers) <= order:
                waves = torch.cos(math.pi * unit * unit.new_tensor(powers))
                columns.append(waves.prod(dim=-1, keepdim=True))
    return torch.cat(columns, dim=-1)


@final
@dataclass(frozen=True)
class Warped:
    """Mean squared change between two signals, and its residuals.

    Attributes:
        change: Change without any displacement.
        affine: Residual after the best affine map of the coordinates.
        smooth: Residual after the best smooth displacement.
    """

    change: float
    affine: float
    smooth: float


@torch.no_grad()
def explained_by_warp(
    before: Signal, after: Signal, view: View, *, moving: Sequence[int] | None = None, iterations: int = 8
) -> Warped:
    """Residual of the change from ``before`` to ``after`` after the best displacements of the coordinates.

    Minimises the mean of |after(x) − before(x + u(x))|² over the points, where u is in the span of
    ``displacement_basis``: damped Gauss–Newton (Marquardt 1963); first for affine u, on signals that are band-limited
    to four times the spacing, at up to 256 of the points; then on the signals themselves; from there for smooth u.
    Functions are evaluated at x + u: nothing is interpolated, and x + u may leave the domain, by a quarter of its
    sides. A residual is never more than the change.

    Args:
        before: Signal.
        after: Signal.
        view: View at which they are compared.
        moving: Coordinates that are displaced; all where None.
        iterations: Largest number of iterations of each of the three searches.

    Raises:
        ConfigError: Too few points for as many coefficients.

    Example:
        >>> warped = explained_by_warp(
        ...     lambda v: v.coords[0].sin(), lambda v: (v.coords[0] + 0.1).sin(), Box(1).grid((64,))
        ... )
        >>> warped.affine < 1e-6 * warped.change
        True
    """
    basis, few = displacement_basis(view, smooth=True)[0], view.dim + 1
    moving = tuple(range(view.dim)) if moving is None else tuple(moving)
    N, K = basis.shape
    if N < 2 * K:
        raise ConfigError(f"{N} points are too few for a displacement of {K} terms; expected {2 * K} or more")
    rough, chosen = _rough(view)
    coarse = _Search(before, after(rough), rough, basis[chosen, :few], moving)
    roughly = coarse.descend(coarse.still(), iterations=iterations)
    goal = after(view)
    search = _Search(before, goal, view, basis[:, :few], moving)
    still = search.still()
    affine = search.descend(search.fit(roughly.coefficients), iterations=iterations)
    if affine.energy > still.energy:  # a displacement that suits the coarse signals may not suit the fine ones
        affine = still
    more = affine.coefficients.new_zeros((K - few) * len(moving))
    start = replace(affine, coefficients=torch.cat([affine.coefficients, more]))
    smooth = _Search(before, goal, view, basis, moving).descend(start, iterations=iterations)
    return Warped(still.energy, affine.energy, min(smooth.energy, affine.energy))


def _rough(view: View) -> tuple[View, Int[Tensor, "N"]]:
    """Some points of a view at the coarse band limit, and their indices; the view keeps them."""

    def rough() -> View:
        points, _ = some_points(view, points=_COARSE_POINTS)
        return replace(points, spacing=COARSE * points.spacing)

    chosen = view.derive(_rough, "chosen", lambda: some_points(view, points=_COARSE_POINTS)[1])
    return view.derive(_rough, "view", rough), chosen


@final
@dataclass(frozen=True)
class _Fit:
    """A displacement, and how well it fits.

    Attributes:
        coefficients: Coefficients of the basis, those of all moving coordinates for each function of it.
        points: Displaced points.
        values: Values there.
        energy: Mean square of the residual, by measure.
    """

    coefficients: Float[Tensor, "P"]
    points: Float[Tensor, "N D"]
    values: Float[Tensor, "N C"]
    energy: float


@final
class _Search:
    """Search for the displacement in the span of a basis that brings a signal nearest to the values of another.

    Args:
        before: Signal that is displaced.
        goal: Values of the other.
        view: View of both.
        basis: Functions at the points.
        moving: Coordinates that are displaced.
    """

    def __init__(
        self,
        before: Signal,
        goal: Float[Tensor, "N C"],
        view: View,
        basis: Float[Tensor, "N K"],
        moving: Sequence[int],
    ):
        self._x = view.coords[0]
        self._before, self._goal, self._view, self._basis = before, goal.to(self._x), view, basis
        self._moving = list(moving)
        self._size = float(view.extent.amax())

    def still(self) -> _Fit:
        """No displacement."""
        none = self._x.new_zeros(self._basis.shape[1] * len(self._moving))
        return self._judged(none, self._x, self._before(self._view))

    def fit(self, coefficients: Float[Tensor, "P"]) -> _Fit:
        """A displacement, by its coefficients.

        No point goes further than a quarter beyond the domain: lattices have to reach as far as any point.
        """
        x = self._x
        low, high = x.amin(dim=0), x.amax(dim=0)
        beyond = (high - low) / 4
        moved = x.clone()
        moved[:, self._moving] += self._basis @ coefficients.unflatten(0, (-1, len(self._moving)))
        points = torch.minimum(torch.maximum(moved, low - beyond), high + beyond)
        return self._judged(coefficients, points, self._at(points))

    def descend(self, start: _Fit, *, iterations: int) -> _Fit:
        """The best displacement that damped Gauss–Newton finds from a given one."""
        best, damping = start, 1e-3
        if best.energy <= 0 or iterations < 1:
            return best
        # One weight a point, for every channel of its residual.
        weights, channels = self._view.weights, self._goal.shape[1]
        share = 1.0 if weights is None else weights[0].repeat_interleave(channels)[:, None]
        eye = torch.eye(len(start.coefficients), dtype=torch.float64, device=self._x.device)
        J = self._slopes(best)
        for i in range(iterations):
            weighted = (J * share).double()
            H = weighted.T @ J.double()
            g = weighted.T @ (self._goal - best.values).flatten().double()
            scale = float(H.diagonal().mean().clamp(min=1e-12))
            step = torch.linalg.solve(H + damping * scale * eye, g).to(self._x)
            # A step far beyond the domain means that there is no slope to follow.
            tried = self.fit((best.coefficients + step).clamp(-self._size, self._size))
            better = tried.energy < best.energy
            # A step that changes next to nothing, for the better or the worse, is the last.
            settled = tried.energy > _STALE * best.energy and _STALE * tried.energy < best.energy
            best = tried if better else best
            if settled or i + 1 == iterations:
                break
            if better:
                J = self._slopes(best)
            damping = min(max(damping / 5 if better else damping * 10, 1e-6), 1e9)
        return best

    def _judged(self, coefficients: Tensor, points: Tensor, values: Tensor) -> _Fit:
        values = values.to(self._x)
        squares = (self._goal - values).square().mean(dim=1)
        weights = self._view.weights
        return _Fit(coefficients, points, values, float((squares if weights is None else squares * weights[0]).mean()))

    def _at(self, points: Float[Tensor, "M D"]) -> Float[Tensor, "M C"]:
        """Values at all points, displaced once or several times over, with the band limit of each point."""
        spacing = self._view.spacing
        if spacing.shape[1] > 1:
            spacing = spacing.repeat(1, len(points) // spacing.shape[1], 1)
        return self._before(scattered(points, spacing=spacing))

    def _slopes(self, fit: _Fit) -> Float[Tensor, "NC P"]:
        """Derivative of the values with respect to the coefficients."""
        # Differences, not derivatives: a function knows them, but they can cost thirty times its values. One-sided, as
        # the slopes only decide where to look next, and the values at the points are known.
        offsets = _OFFSET * self._view.spacing.amax(dim=1)[0].clamp(min=1e-3 * self._size)
        ahead = self._at(torch.cat([fit.points + e for e in torch.diag(offsets)[self._moving]]))
        differences = ahead.to(self._x).unflatten(0, (len(self._moving), -1)) - fit.values
        slope_NCD = (differences / offsets[self._moving, None, None]).movedim(0, -1)
        return (slope_NCD[:, :, None, :] * self._basis[:, None, :, None]).flatten(2).flatten(0, 1)


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
    moving: Sequence[int] | None = None,
    iterations: int = 8,
) -> dict[str, Float[Tensor, "4"]]:
    """Change in steps along a line between two mapped latents, and its residual after motion.

    Motion is a smooth displacement or an affine map of the coordinates, on any domain; and optical flow where
    ``frames`` is a grid of two axes. The same is measured along the cross-fade of the line's two ends. Where the number
    of steps is even, displacements are measured at every second one: neighboring steps are alike, and more paths tell
    more than more steps.

    Args:
        stages: Stages of the generator.
        view: View at which signals are compared by displacement.
        w: Ends of the line.
        steps: Steps of the line.
        frames: Grid at which they are compared by optical flow; None for no flow.
        moving: Coordinates that are displaced; all where None.
        iterations: Largest number of iterations of each search for a displacement.

    Returns:
        Summed change and residual of the generator, then of the cross-fade, by method.

    Example:
        >>> measure_motion(stages, view, w=torch.randn(2, 128), steps=4)["affine"].shape
        torch.Size([4])
    """
    with torch.no_grad():
        weights = stages.weights(linear_path(w, steps=steps + 1))
    every = 1 if steps % 2 else 2
    parts: dict[str, list[float]] = {"smooth displacement": [], "affine map": []}
    for pairs in (_line(stages, weights, every), _fade(stages, weights, every)):
        warped = [explained_by_warp(*pair, view, moving=moving, iterations=iterations) for pair in pairs]
        change = sum(x.change for x in warped)
        parts["smooth displacement"] += [change, sum(x.smooth for x in warped)]
        parts["affine map"] += [change, sum(x.affine for x in warped)]
    out = {name: torch.tensor(sums, dtype=torch.float64) for name, sums in parts.items()}
    if frames is not None:
        # Flow works on 8 bits, which hide a motion of a tenth of a sample.
        far = slice(0, None, max(1, steps // _FLOW_STEPS))
        with torch.no_grad():
            seen = stages.signal(_rows(weights, far), frames)
        t = torch.linspace(0, 1, steps + 1, device=seen.device)[far].reshape(-1, 1, 1, 1)
        faded = seen[:1] * (1 - t) + seen[-1:] * t
        sums = [x.sum() for path in (seen, faded) for x in explained_by_flow(path[:-1], path[1:])]
        out["optical flow"] = torch.stack(sums).double()
    return out


def _share(total: np.ndarray, first: int) -> Any:
    return 1 - total[..., first + 1] / np.maximum(total[..., first], 1e-300)


def _rows(weights: Weights, rows: slice | list[int]) -> Weights:
    return [LayerWeights(x.weight[rows], x.bias[rows]) for x in weights]


def _line(stages: Stages, weights: Weights, every: int) -> list[tuple[Signal, Signal]]:
    """Signals before and after steps of the generator."""

    def points(values: Callable[[View], Tensor]) -> Signal:
        return lambda view: values(view).flatten(2)[0].T

    return [
        # The signal after a step is evaluated at two views only.
        (points(stages.function(_rows(weights, [i]))), points(partial(stages.signal, _rows(weights, [i + 1]))))
        for i in range(0, len(weights[0].bias) - 1, every)
    ]


def _fade(stages: Stages, weights: Weights, every: int) -> list[tuple[Signal, Signal]]:
    """Signals before and after steps of the cross-fade of the ends."""
    ends = stages.function(_rows(weights, [0, -1]))

    def at(t: Tensor) -> Signal:
        def seen(view: View) -> Tensor:
            first, last = view.derive(ends, "values", lambda: ends(view).flatten(2).mT)
            return first * (1 - t) + last * t

        return seen

    faded = [at(t) for t in torch.linspace(0, 1, len(weights[0].bias), device=weights[0].bias.device)]
    return list(zip(faded[:-1:every], faded[1::every], strict=True))


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
