"""Contract test of a modality, for any adapter."""

import contextlib
import dataclasses
import json
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inrgan._parsing import from_plain
from inrgan.augmentation import symmetric_views
from inrgan.capabilities import HasLongItems, HasSymmetries, HasTransforms
from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.generator import Generator
from inrgan.losses import gradient_penalty
from inrgan.modality import Modality
from inrgan.samplers import ScatteredPoints
from inrgan.sizes import CriticSizes
from inrgan.views import View, scattered


def check_modality(m: Modality, *, data: str | Path | None = None) -> None:
    """Check everything that inrgan relies on. Takes seconds; use a small ``resolution``.

    Args:
        m: Adapter.
        data: Data to check it on; the built-in set when None.

    Raises:
        AssertionError: A member breaks the contract; the message names it and the problem.

    Example:
        >>> check_modality(ImageModality(resolution=32))
    """
    _check_arguments(m)
    _check_domain(m)
    _check_encoding(m)
    _check_critic(m, values := _check_data(m, data))
    _check_points(m, data)
    _check_field(m)
    _check_files(m, values)


def _require(true: bool, message: str) -> None:
    if not true:  # not the statement assert, which python -O drops
        raise AssertionError(message)


def _close(a: Tensor, b: Tensor, tolerance: float, message: str) -> None:
    difference = float((a - b).detach().abs().max())
    _require(difference <= tolerance, f"{message}: they differ by {difference:.2g}")  # NaN is not close


def _view(m: Modality, resolution: int) -> View:
    return m.domain.grid(m.domain.shape(resolution))


def _check_arguments(m: Modality) -> None:
    frozen = dataclasses.is_dataclass(m) and type(m).__dataclass_params__.frozen  # type: ignore[attr-defined]
    _require(frozen, "the modality must be a frozen dataclass")
    _require(bool(getattr(m, "name", "")), "name must be a string that is not empty")
    try:
        data = json.loads(json.dumps(m.arguments(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"arguments() must be plain JSON values: {error}") from None
    again = from_plain(type(m), data, what="arguments()")
    _require(again == m, f"arguments() must rebuild an equal adapter; got {again} from {m}")


def _check_domain(m: Modality) -> None:
    view, fine, D = _view(m, m.resolution), _view(m, 4 * m.resolution).coords[0], m.domain.coord_dim
    right = view.shape == m.domain.shape(m.resolution) and len(view.shape) == m.domain.grid_dim
    _require(right, f"domain.grid has shape {view.shape}")
    slack = m.domain.spacing(m.resolution)  # the fine grid's outermost centers are inside the border
    for name, where in (("grid", view.coords[0]), ("sample", m.domain.sample(256, generator=torch.Generator()))):
        _require(where.ndim == 2 and where.shape[1] == D, f"domain.{name} gives shape {tuple(where.shape)}")
        inside = (where >= fine.amin(0) - slack) & (where <= fine.amax(0) + slack)  # false for NaN
        _require(bool(inside.all()), f"domain.{name} leaves the domain")
    weights = torch.ones(1) if view.weights is None else view.weights
    _require(bool((weights > 0).all()) and abs(float(weights.mean()) - 1) < 1e-3, "weights: not positive with mean 1")


def _check_encoding(m: Modality) -> None:
    encoding, points = m.encoding(m.domain.spacing(m.resolution)), _view(m, m.resolution).coords
    features = encoding(scattered(points))
    _require(features.shape[1:] == (points.shape[1], encoding.size), "encoding.size is not the number of features")
    moment = float(features.square().mean())
    _require(0.25 < moment < 4, f"the encoding's second moment is {moment:.3g}; expected about 1")
    _close(encoding(scattered(points[:, 3:5])), features[:, 3:5], 1e-5, "the encoding of a point depends on the others")
    coarse = encoding(scattered(points, spacing=8 * m.domain.longest_period))
    _close(coarse, coarse.mean(dim=1, keepdim=True), 1e-3, "the encoding is not band-limited by the spacing")


def _check_data(m: Modality, data: str | Path | None) -> Tensor:
    a, b = (m.source(data, seed=0) for _ in range(2))
    _require(len(a) > 0 and len(a) == len(b), f"source({data}) has {len(a)} and {len(b)} items")
    items = [a[i] for i in range(min(4, len(a)))]
    for i, item in enumerate(items):
        # Items read in parts are compared by their values at the view.
        same = [x if isinstance(x, Tensor) else m.observe([x], _view(m, m.resolution)) for x in (item, a[i], b[i])]
        _require(
            all(torch.equal(same[0].nan_to_num(2.0), x.nan_to_num(2.0)) for x in same[1:]),  # NaN: not known there
            f"source({data})[{i}] is not the same twice",
        )
        spacing, limit = m.item_spacing(item), 1.001 * m.domain.spacing(m.resolution)
        _require(0 < spacing <= limit, f"item_spacing is {spacing}; expected above 0 and up to {limit} to train")
    means, values = [], torch.empty(0)
    for n in (max(1, m.resolution // 2), m.resolution):
        view = _view(m, n)
        values, expected = m.observe(items, view), (len(items), m.signal_channels, *view.shape)
        _require(values.shape == expected, f"observe gave {tuple(values.shape)}; expected {expected}")
        _require(bool((values.abs() <= 1).all()), "observe left [-1, 1]")
        _close(m.observe(items[:1], view), values[:1], 1e-5, "observe: an item depends on its batch")
        means.append((values.flatten(2) * (1 if view.weights is None else view.weights[:, None])).mean(dim=2))
    _close(means[0], means[1], 0.1, "observe: the mean of a signal changes with the resolution")
    _check_transforms(m, items, values)
    _check_patches(m, items)
    return values


def _check_transforms(m: Modality, items: list[Any], values: Tensor) -> None:
    view, excerpts = _view(m, m.resolution), items
    if isinstance(m, HasLongItems):
        excerpts = [m.excerpt(item, i / len(items)) for i, item in enumerate(items)]
    moved = _symmetric(m, view, batch=len(items))
    _require(moved.shape == view.shape and moved.batch in (1, len(items)), "symmetries changed the view's shape")
    changed = m.observe(excerpts, moved)
    _require(changed.shape == values.shape and bool(torch.isfinite(changed).all()), "symmetries broke the signals")
    for transform in m.transforms() if isinstance(m, HasTransforms) else ():
        drawn = transform.draw(len(items), generator=torch.Generator().manual_seed(0))
        none = torch.zeros_like(drawn)
        _close(
            transform.change(m.observe(items, transform.look(view, none)), view, none), values, 1e-4,
            f"transforms: {transform.name} without parameters is no change",
        )  # fmt: skip
        changed = transform.change(m.observe(items, transform.look(view, drawn)), view, drawn)
        _require(
            changed.shape == values.shape and bool(torch.isfinite(changed).all()), f"{transform.name} broke signals"
        )


def _symmetric(m: Modality, view: View, *, batch: int) -> View:
    symmetries = m.symmetries() if isinstance(m, HasSymmetries) else ()
    return symmetric_views(symmetries, [view], batch=batch, generator=torch.Generator().manual_seed(0))[0]


def _check_patches(m: Modality, items: list[Any]) -> None:
    if type(m.domain).patches is AbstractDomain.patches:
        return  # no dense patches on such a domain
    spacing = torch.full((len(items),), 1.001 * m.domain.spacing(m.resolution))
    side = max(1, m.resolution // 2)
    view = m.domain.patches(side, spacing, generator=torch.Generator().manual_seed(0))
    patches = m.observe(items, view)
    expected = (len(items), m.signal_channels, *view.shape)
    _require(patches.shape == expected, f"observe gave {tuple(patches.shape)} for patches; expected {expected}")


def _check_critic(m: Modality, values: Tensor) -> None:
    for n in (m.resolution, m.resolution // 2):
        critic = m.critic(CriticSizes(width=8, max_width=16))
        _require(getattr(critic, "smallest", 0) > 0, "critic.smallest must be the fewest samples along a side")
        view = _view(m, max(critic.smallest, n))
        seen = torch.nn.functional.interpolate(values, size=view.shape)
        scores = critic(seen, view)
        _require(scores.shape == seen.shape[:1], f"critic: scores of shape {tuple(scores.shape)} for {view.shape}")
        _close(critic(seen[:1], view), scores[:1], 1e-4, "critic: a score depends on the batch")
        gradient_penalty(lambda x, c=critic, v=view: c(x, v), seen, view).backward()
        slopes = torch.cat([p.grad.flatten() for p in critic.parameters() if p.grad is not None])
        _require(bool(torch.isfinite(slopes).all() and slopes.any()), "critic: the gradient penalty has no gradient")


def _check_points(m: Modality, data: str | Path | None) -> None:
    sizes, rng = CriticSizes(width=4, max_width=8), torch.Generator().manual_seed(0)
    try:
        critic = m.points_critic(sizes, count=32)
    except ConfigError:  # this kind of signal has no critic of scattered points
        return
    source = m.source(data, seed=0)
    items = [source[i % len(source)] for i in range(2)]
    view = ScatteredPoints(32, resolution=m.resolution).draw(m.domain, batch=2, generator=rng)
    seen = m.observe(items, _symmetric(m, view, batch=2))
    expected = (2, m.signal_channels, 32)
    _require(seen.shape == expected, f"observe gave {tuple(seen.shape)} for scattered points; expected {expected}")
    alone = m.observe(items[1:], view.row(1))
    _close(m.observe(items, view)[1:], alone, 1e-5, "observe: points of an item depend on its batch")
    scores = critic(seen, view)
    _require(scores.shape == (2,), f"points_critic: scores of shape {tuple(scores.shape)} for 2 items")
    _close(critic(seen[:1], view.row(0)), scores[:1], 1e-4, "points_critic: a score depends on the batch")


def _check_field(m: Modality) -> None:
    G, view = Generator(m, preset="tiny"), _view(m, max(4, m.resolution // 2))
    field = G.sample([0, 1])
    with torch.no_grad():
        whole, points = field(view), field(view.coords, spacing=view.spacing)
    _close(view.unflatten(points), whole, 1e-5, "field: scattered points differ from the grid")
    for window in _halves(view.shape):
        tile = (slice(None), slice(None), *window)
        with torch.no_grad():
            _close(field(view.window(window)), whole[tile], 1e-5, "field: a part differs from the whole")
    _close(G.sample([1])(view), whole[1:], 1e-5, "field: a seed depends on the batch")
    coords = m.domain.sample(5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(field(coords).sum(), coords, create_graph=True)
    (bend,) = torch.autograd.grad(slope.square().sum(), coords)
    _require(bool(torch.isfinite(bend).all() and bend.any()), "field: not twice differentiable in the coordinates")


def _halves(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Two unequal parts along every axis, all combinations."""
    return list(product(*((slice(0, 2 * n // 5), slice(2 * n // 5, n)) for n in shape)))


def _check_files(m: Modality, values: Tensor) -> None:
    _require(m.preview_suffix.startswith("."), f"preview_suffix is {m.preview_suffix!r}; expected a leading dot")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"signals{m.preview_suffix}"
        m.write(values, path)
        _require(path.is_file() and path.stat().st_size > 0, f"write made no file {path.name}")
        for suffix in (m.preview_suffix, ".npy", ".gif", ".mp4", ".wav", ".glb"):
            path = Path(folder) / f"interpolation{suffix}"
            with contextlib.suppress(ConfigError):
                m.write_interpolation(values, path, rate=4.0)
                break
        _require(path.is_file() and path.stat().st_size > 0, f"write_interpolation made no file {path.name}")
