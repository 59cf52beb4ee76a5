"""Metrics of shapes."""

from collections.abc import Callable, Mapping
from typing import final

import numpy as np
import torch
from scipy.ndimage import generate_binary_structure, label
from torch import Tensor

from inrgan.errors import ShapeError
from inrgan.metrics import (
    Comparison,
    InceptionFeatures,
    Metric,
    Protocol,
    frechet_distance,
    is_full_rank,
    sliced_wasserstein,
)
from inrgan_modalities.occupancy._points import SetScores, chamfer, earth_mover, set_scores, surface_points
from inrgan_modalities.occupancy._shade import shade
from inrgan_modalities.occupancy._write import grid_mesh

DEFAULT_METRICS = ("mmd", "cov", "1-nna", "one-piece", "shaded-swd", "frechet", "precision", "recall")
_ANGLES, _SIZE, _SHOWN = (35.0, 125.0, 215.0, 305.0), 64, 256
_LARGE = 128
"""Number of pixels along a side of the images for Inception."""
_VIEWS = "azimuth 35, 125, 215, 305, elevation 25"


@final
class PairScores:
    """MMD, COV and 1-NNA of two sets of shapes under one distance of surface points, which is computed once.

    Args:
        distance: Distances between all pairs of two lists of point sets.
        items: Largest number of items of each set, chosen at random by the seed.
        points: Number of points on each surface.

    Example:
        >>> scores = PairScores(chamfer, items=8, points=64)
        >>> values = SyntheticShapes3D(8, size=16)
        >>> scores.of(Comparison(torch.stack(list(values)), torch.stack(list(values))))[0].mmd < 0.05
        True
    """

    def __init__(self, distance: Callable[[list[np.ndarray], list[np.ndarray]], Tensor], *, items: int, points: int):
        self.distance, self.items, self.points = distance, items, points
        self._last: tuple[Comparison, SetScores, Protocol] | None = None

    def of(self, run: Comparison) -> tuple[SetScores, Protocol]:
        """The metrics and their protocol."""
        if self._last is not None and self._last[0] is run:
            return self._last[1:]
        generator = torch.Generator().manual_seed(run.seed)
        sets: list[list[np.ndarray]] = []
        stated: Protocol = {"distance": self.distance.__name__, "points": self.points, "coordinates": "-1 to 1"}
        for name, values in (("real", run.real), ("fake", run.fake)):
            picked = values[torch.randperm(len(values), generator=generator)[: self.items]]
            meshes = [grid_mesh(v) for v in picked]
            sets.append([surface_points(m, self.points, generator=generator) for m in meshes])
            stated |= {f"items_{name}": len(meshes), f"empty_{name}": sum(not len(m.faces) for m in meshes)}
        real, fake = sets
        found = set_scores(self.distance(real, fake), reals=self.distance(real, real), fakes=self.distance(fake, fake))
        self._last = (run, found, stated)
        return found, stated

    def mmd(self, run: Comparison) -> tuple[float, Protocol]:
        """Minimum matching distance."""
        found, stated = self.of(run)
        return found.mmd, {**stated, "unit": "squared" if self.distance is chamfer else "coordinate units"}

    def coverage(self, run: Comparison) -> tuple[float, Protocol]:
        """Coverage: fraction of reals that are the nearest real of some fake."""
        found, stated = self.of(run)
        return found.coverage, stated

    def accuracy(self, run: Comparison) -> tuple[float, Protocol]:
        """Accuracy of a nearest-neighbor classifier of reals and fakes."""
        found, stated = self.of(run)
        return found.accuracy, {**stated, "ideal": 0.5, "standard_error": round(found.error, 4)}


def shape_metrics() -> Mapping[str, Metric]:
    """Metrics of shapes by name.

    Example:
        >>> sorted(shape_metrics())
        ['1-nna', '1-nna-emd', 'cov', 'cov-emd', 'iou', 'mmd', 'mmd-emd', 'one-piece', 'shaded-fid', 'shaded-swd']
    """
    found: dict[str, Metric] = {}
    near, moved = PairScores(chamfer, items=100, points=512), PairScores(earth_mover, items=32, points=128)
    for suffix, scores in (("", near), ("-emd", moved)):
        found[f"mmd{suffix}"] = Metric("lower", scores.mmd)
        found[f"cov{suffix}"] = Metric("higher", scores.coverage)
        found[f"1-nna{suffix}"] = Metric("lower", scores.accuracy)
    return found | {
        "one-piece": Metric("higher", _one_piece),
        "shaded-swd": Metric("lower", _shaded_swd),
        "shaded-fid": Metric("lower", shaded_fid),
        "iou": Metric("higher", _iou),
    }


def pieces(values: Tensor) -> int:
    """Number of connected parts of the inside of one shape (D, H, W), connected over faces of cells.

    Example:
        >>> pieces(torch.tensor([-1.0, 1.0, -1.0]).reshape(1, 1, 3))
        2
    """
    return int(label((values < 0).numpy(), structure=generate_binary_structure(3, 1))[1])  # type: ignore[index]


def volumetric_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of two batches of shapes on one grid, (B,); 1 where both are empty.

    Raises:
        ShapeError: The batches differ in shape.

    Example:
        >>> volumetric_iou(-torch.ones(2, 1, 4, 4, 4), torch.ones(2, 1, 4, 4, 4)).tolist()
        [0.0, 0.0]
    """
    if a.shape != b.shape:
        raise ShapeError(f"arrays of shapes {tuple(a.shape)} and {tuple(b.shape)}; expected the same")
    x, y = (a < 0).flatten(1), (b < 0).flatten(1)
    intersection, union = (x & y).sum(dim=1).double(), (x | y).sum(dim=1).double()
    return torch.where(union > 0, intersection / union.clamp(min=1), torch.ones_like(intersection))


def _one_piece(run: Comparison) -> tuple[float, Protocol]:
    shares = []
    for values in (run.fake, run.real):
        one = [pieces(v[0].cpu()) == 1 and grid_mesh(v).closed for v in values]
        shares.append(sum(one) / len(one))
    return shares[0], {"of_reals": round(shares[1], 4), "means": "mesh closed, inside connected over faces of cells"}


def _shaded_swd(run: Comparison) -> tuple[float, Protocol]:
    total = 0.0
    for angle in _ANGLES:
        sets = [shade(values[:_SHOWN], azimuth=angle, size=_SIZE) for values in (run.real, run.fake)]
        total += sliced_wasserstein(*sets, generator=torch.Generator("cpu").manual_seed(run.seed)).mean
    return total / len(_ANGLES), {
        "times": 1000, "views": _VIEWS, "pixels": _SIZE, "patch": 7,
        "shown_real": min(_SHOWN, len(run.real)), "shown_fake": min(_SHOWN, len(run.fake)),
    }  # fmt: skip


def shaded_fid(run: Comparison) -> tuple[float, Protocol]:
    """The mean of the FIDs of shaded views from four sides.

    Raises:
        MissingDependency: torch-fidelity is not installed.
        InceptionWeightsMissing: There are no weights; the message says where to get them.

    Paper:
        Zheng et al., SDF-StyleGAN, 2022: the shading-image-based FID, with twenty views and other shading; those
        numbers cannot be compared with these.
    """
    extractor = InceptionFeatures(device=run.real.device)  # before shading, which takes long
    distances = []
    for angle in _ANGLES:
        sets = [shade(values, azimuth=angle, size=_LARGE).to(values.device) for values in (run.real, run.fake)]
        _, real, fake = Comparison(*sets, inception=extractor).inception
        distances.append(frechet_distance(real, fake))
    return sum(distances) / len(distances), {
        "extractor": extractor.name, "views": _VIEWS, "pixels": _LARGE,
        "per_view": " / ".join(f"{d:.4g}" for d in distances),
        "covariance_full_rank": is_full_rank(items=min(len(run.real), len(run.fake)), features=extractor.size),
    }  # fmt: skip


def _iou(run: Comparison) -> tuple[float, Protocol]:
    n = min(len(run.real), len(run.fake))
    value = float(volumetric_iou(run.real[:n].cpu(), run.fake[:n].cpu()).mean())
    return value, {"pairs": n, "means": "item i against item i, for reconstructions"}
