"""How much of the change between two signals motion explains: optical flow, and smooth displacements."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.analysis.intervals import Interval, bootstrap
from inrgan.analysis.stages import Stages, some_points
from inrgan.errors import ConfigError, MissingDependency, ShapeError
from inrgan.inr import LayerWeights, Weights
from inrgan.interpolation import linear_path
from inrgan.views import View, scattered

Signals = Callable[[Tensor, Tensor], Tensor]
"""Coordinates (B, N, D) and their spacing (1, 1 or N, D), the band limit, to values (B, N, C), point by point."""

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
    """Mean squared change between two signals and its residuals, per pair.

    Attributes:
        change: Change without any displacement.
        affine: Residual after the best affine map of the coordinates.
        smooth: Residual after the best smooth displacement.
    """

    change: Float[Tensor, "B"]
    affine: Float[Tensor, "B"]
    smooth: Float[Tensor, "B"]


@torch.no_grad()
def explained_by_warp(before: Signals, after: Signals, view: View, *, iterations: int = 8) -> Warped:
    """Residual of the change from ``before`` to ``after`` after the best displacements of the coordinates.

    Minimises the mean of |after(x) − before(x + u(x))|² over the points, where u is in the span of
    ``displacement_basis``: damped Gauss–Newton (Marquardt 1963); first for affine u, on signals that are band-limited
    to four times the spacing, at up to 256 of the points; then on the signals themselves; from there for smooth u.
    Functions are evaluated at x + u: nothing is interpolated, and x + u may leave the domain, by a quarter of its
    sides. A residual is never more than the change.

    Args:
        before: Signals.
        after: As many signals.
        view: View at which they are compared, the same for all.
        iterations: Largest number of iterations of each of the three searches.

    Raises:
        ConfigError: Too few points for as many coefficients.

    Example:
        >>> warped = explained_by_warp(lambda x, _: x.sin(), lambda x, _: (x + 0.1).sin(), Box(1).grid((64,)))
        >>> bool(warped.affine < 1e-6 * warped.change)
        True
    """
    x, basis = view.coords, displacement_basis(view, smooth=True)
    D, K = x.shape[-1], basis.shape[-1]
    if x.shape[1] < 2 * K:
        raise ConfigError(f"{x.shape[1]} points are too few for a displacement of {K} terms; expected {2 * K} or more")
    few = basis[..., : D + 1]
    rough, chosen = some_points(view, points=_COARSE_POINTS)
    rough = replace(rough, spacing=COARSE * rough.spacing)
    goal = after(x, view.spacing).to(x.dtype)
    change = _energy(goal - before(x.expand(len(goal), -1, -1), view.spacing), view)
    coarse = after(rough.coords, rough.spacing).to(x.dtype)
    still = x.new_zeros(len(goal), (D + 1) * D)
    roughly, _ = _descend(before, coarse, rough, few[:, chosen], still, iterations=iterations)
    affine, affine_rest = _descend(before, goal, view, few, roughly, iterations=iterations)
    # A displacement that suits the coarse signals may not suit the fine ones.
    lost = affine_rest > change
    affine, affine_rest = torch.where(lost[:, None], still, affine), torch.where(lost, change, affine_rest)
    start = torch.cat([affine, x.new_zeros(len(goal), (K - D - 1) * D)], dim=1)
    _, smooth_rest = _descend(before, goal, view, basis, start, iterations=iterations)
    return Warped(change, affine_rest, torch.minimum(smooth_rest, affine_rest))


def _descend(
    before: Signals, goal: Tensor, view: View, basis: Tensor, start: Float[Tensor, "B P"], *, iterations: int
) -> tuple[Float[Tensor, "B P"], Float[Tensor, "B"]]:
    """Coefficients of the best displacement, and its residual."""
    x, size = view.coords, float(view.extent.amax())
    found, damping = start, x.new_full(start.shape[:1], 1e-3)
    rest, J = _residual_and_slopes(before, goal, view, basis, found)
    energy = _energy(rest, view)
    # One weight a point, for every channel of its residual.
    share = 1.0 if view.weights is None else view.weights.repeat_interleave(rest.shape[2], dim=1)[..., None]
    eye = torch.eye(start.shape[1], dtype=torch.float64, device=x.device)
    settled = energy <= 0
    for i in range(iterations):
        weighted = (J * share).double()
        H = torch.einsum("bnp,bnq->bpq", weighted, J.double())
        g = torch.einsum("bnp,bn->bp", weighted, rest.flatten(1).double())
        scale = H.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-12)
        step = torch.linalg.solve(H + (damping * scale)[:, None, None] * eye, g).to(x.dtype)
        # A step far beyond the domain means that there is no slope to follow.
        tried = (found + step).clamp(-size, size)
        if i + 1 < iterations:
            next_rest, next_J = _residual_and_slopes(before, goal, view, basis, tried)
        else:
            next_rest, next_J = goal - before(_displaced(view, basis, tried), view.spacing).to(x.dtype), J
        next_energy = _energy(next_rest, view)
        better = next_energy < energy
        # A step that changes next to nothing, for the better or the worse, is the last that a signal needs.
        settled |= (next_energy > _STALE * energy) & (_STALE * next_energy < energy)
        found = torch.where(better[:, None], tried, found)
        energy = torch.where(better, next_energy, energy)
        if bool(settled.all()):
            break
        rest = torch.where(better[:, None, None], next_rest, rest)
        J = torch.where(better[:, None, None], next_J, J)
        damping = torch.where(better, damping / 5, damping * 10).clamp(1e-6, 1e9)
    return found, energy


def _energy(x: Float[Tensor, "B N C"], view: View) -> Float[Tensor, "B"]:
    """Mean square by measure."""
    squares = x.square().mean(dim=2)
    return (squares if view.weights is None else squares * view.weights).mean(dim=1)


def _displaced(view: View, basis: Tensor, coefficients: Float[Tensor, "B P"]) -> Float[Tensor, "B N D"]:
    """Displaced coordinates.

    No point goes further than a quarter beyond the domain: lattices have to reach as far as any point.
    """
    x = view.coords
    low, high = x.amin(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)
    beyond = (high - low) / 4
    moved = x + basis @ coefficients.unflatten(1, (basis.shape[-1], view.dim))
    return torch.minimum(torch.maximum(moved, low - beyond), high + beyond)


def _residual_and_slopes(
    before: Signals, goal: Tensor, view: View, basis: Tensor, coefficients: Float[Tensor, "B P"]
) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B NC P"]]:
    """Residual, and derivative of displaced values with respect to the coefficients."""
    moved = _displaced(view, basis, coefficients)
    # Differences, not derivatives: a function knows them, but they can cost thirty times its values. One-sided, as the
    # slopes only decide where to look next, and the values at the points are needed anyway.
    offsets = _OFFSET * view.spacing.amax(dim=1)[0].clamp(min=1e-3 * float(view.extent.amax()))
    places = [moved, *(moved + e for e in torch.diag(offsets))]
    spacing = view.spacing if view.spacing.shape[1] == 1 else view.spacing.repeat(1, len(places), 1)
    values = before(torch.cat(places, dim=1), spacing).to(moved.dtype).unflatten(1, (len(places), -1))
    slope_BNCD = ((values[:, 1:] - values[:, :1]) / offsets[:, None, None]).movedim(1, -1)
    J = (slope_BNCD[:, :, :, None, :] * basis[:, :, None, :, None]).flatten(3)
    return goal - values[:, 0], J.flatten(1, 2)


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
    line, fade = _line(stages, weights, every), _fade(stages, weights, every)
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


def _signals(stages: Stages, weights: Weights) -> Signals:
    return lambda x, spacing: stages.signal(weights, scattered(x, spacing=spacing)).flatten(2).transpose(1, 2)


def _line(stages: Stages, weights: Weights, every: int) -> tuple[Signals, Signals]:
    """Signals before and after steps of the generator."""
    first, last = slice(0, -1, every), slice(1, None, every)
    return _signals(stages, _rows(weights, first)), _signals(stages, _rows(weights, last))


def _fade(stages: Stages, weights: Weights, every: int) -> tuple[Signals, Signals]:
    """Signals before and after steps of the cross-fade of the ends."""
    first, last = (_signals(stages, _rows(weights, row)) for row in (slice(0, 1), slice(-1, None)))
    t = torch.linspace(0, 1, len(weights[0].weight), device=weights[0].weight.device).reshape(-1, 1, 1)

    def at(share: Tensor) -> Signals:
        def seen(x: Tensor, spacing: Tensor) -> Tensor:
            # The points of all steps in one list: each end is one function, whose lattices are evaluated once.
            each = spacing if spacing.shape[1] == 1 else spacing.repeat(1, len(x), 1)
            before, after = (end(x.flatten(0, 1)[None], each).unflatten(1, x.shape[:2])[0] for end in (first, last))
            return before * (1 - share) + after * share

        return seen

    return at(t[:-1:every]), at(t[1::every])


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
