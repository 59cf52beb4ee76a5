"""Surfaces of meshes: charts, patches, lattices and resampling."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains.base import AbstractDomain
from inrgan.domains.charts import Frames, cell_areas, cover, farthest_points, frames, tangent_grid
from inrgan.domains.mesh import TriangleMesh, check_precision
from inrgan.domains.mesh_file import read_mesh
from inrgan.domains.point_cloud import AbstractSurfaceSignal, PointCloud, SurfaceCarry, SurfaceCloud
from inrgan.domains.point_lattice import PointLattice
from inrgan.errors import ConfigError, ShapeError
from inrgan.views import View

_BASE = 24
"""Samples along a chart's side at which its share of the area is measured; other sizes interpolate it."""
_LEAST = 4
"""Smallest number of samples along a chart's side."""
_CACHED = 1 << 17
"""Largest number of samples of a full-domain view that is cached."""


@final
class Surface(AbstractDomain):
    """Points in space on a mesh of triangles, measured by area.

    Distances are lengths along the surface, in units of the mesh. At resolution R neighbors are √area / R apart, so
    that about R² samples, as many as in a square image, represent the surface.

    The whole surface is covered by overlapping **charts**: square grids along straight paths around a few points. Their
    arrays are stacked in one column, (K n, n) for K charts of n × n. Weights are the areas that samples represent when
    all charts are read together. Where the surface has an edge, paths are reflected. A patch is such a grid at any
    point. Every spacing is one number for all three coordinates.

    Off the surface, a field is defined only within about two cells of its coarsest lattice.

    Args:
        vertices: Positions of the vertices, in any units.
        faces: Vertex indices of each triangle. Edges may belong to one triangle, and the surface may have several
            parts.
        charts: Smallest number of charts. Their size is chosen so that this many have one and a half times the area;
            about a quarter more are made.

    Raises:
        ShapeError: There are no triangles, or none has an area.
        NonFiniteError: A vertex is NaN or infinite.
        ConfigError: The number of charts is out of range, or 64 of them do not cover the surface.

    Example:
        >>> Surface(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]])).coord_dim
        3
    """

    coord_dim, grid_dim = 3, 2

    def __init__(self, vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], *, charts: int = 8):
        if not 1 <= charts <= 48:
            raise ConfigError(f"{charts} charts of a surface; expected 1 to 48")
        self.mesh = TriangleMesh(vertices, faces)
        self.side = math.sqrt(1.5 * self.mesh.area / charts)
        self._longest_period = 2 * float(self.mesh.size.max())
        self._lattices: dict[int, PointLattice] = {}
        self._wholes: dict[tuple[int, torch.dtype, torch.device], View] = {}
        self._clouds: dict[int, PointCloud] = {}
        self._reals: dict[tuple[int, int], SurfaceCloud] = {}

    @classmethod
    def from_file(cls, path: str | Path, *, charts: int = 8) -> "Surface":
        """Surface of a mesh file: glb, gltf, obj, ply, stl, off and others that trimesh reads.

        Raises:
            DataError: The file is missing or damaged, or has no triangles.
            MissingDependency: Trimesh is not installed.

        Example:
            >>> Surface.from_file("bunny.glb").grid_dim
            2
        """
        vertices, faces = read_mesh(path)
        return cls(vertices, faces, charts=charts)

    @functools.cached_property
    def charts(self) -> Frames:
        """Middles of the charts, as frames."""
        return cover(self.mesh, side=self.side)

    @property
    def chart_count(self) -> int:
        """Number of charts, K."""
        return len(self.charts.face)

    def grid(
        self,
        shape: Sequence[int],
        *,
        region: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> View:
        """All charts, stacked in one column.

        Raises:
            ShapeError: ``shape`` is not (K n, n).
            ConfigError: A region is given, which surfaces do not have, or ``dtype`` cannot distinguish the coordinates
                of the samples.

        Example:
            >>> surface.grid(surface.shape(32)).coords.shape
            torch.Size([1, 1210, 3])
        """
        if region is not None:
            raise ConfigError(
                f"surfaces have no regions, and the region is {tuple(region)}; use a tangent view at a point instead"
            )
        K = self.chart_count
        if len(shape) != 2 or shape[1] < 1 or shape[0] != K * shape[1]:
            raise ShapeError(
                f"the shape {tuple(shape)} does not suit a grid of a surface with {K} charts; expected ({K} n, n), "
                f"such as {self.shape(32)} at resolution 32"
            )
        n, key = shape[1], (shape[1], dtype, torch.device(device))
        if key not in self._wholes:
            face, inside = self._chart_points(n)
            weights = self._shares
            if n != _BASE:
                maps = weights.reshape(1, K, _BASE, _BASE)
                weights = torch.nn.functional.interpolate(maps, (n, n), mode="bilinear", antialias=n < _BASE)
            view = self._view(
                (K * n, n), self.mesh.positions(face, inside)[None], self.side / n,
                weights=weights.reshape(1, -1), device=device, dtype=dtype,
            )  # fmt: skip
            if view.count > _CACHED:
                return view
            self._wholes[key] = view
        return self._wholes[key]

    def tangent(
        self,
        shape: Sequence[int],
        *,
        center: Sequence[float],
        side: float,
        roll: float = 0.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> View:
        """Grid along straight paths around a point: a patch of the surface, flattened.

        Distances and angles at the middle are true. Row 0 is up, toward z (toward y on level ground).

        Args:
            shape: Numbers of rows and columns.
            center: Middle of the grid; the nearest point of the surface is used.
            side: Length of the shorter side, in units of the mesh.
            roll: Tilt of up to the left, in degrees, viewed against the direction of the normal.
            device: Device of the view.
            dtype: Data type of the view.

        Raises:
            ShapeError: ``shape`` is not two positive sizes.
            ConfigError: A number is not finite, or the side is out of range.

        Example:
            >>> surface.tangent((48, 64), center=(1, 0, 0), side=0.5).coords.shape
            torch.Size([1, 3072, 3])
        """
        if len(shape) != 2 or any(n < 1 for n in shape):
            raise ShapeError(f"the shape {tuple(shape)} does not suit a patch of a surface; expected 2 positive sizes")
        largest = 2 * math.sqrt(self.mesh.area)
        if len(center) != 3 or not all(math.isfinite(v) for v in (*center, roll)) or not 0 < side <= largest:
            raise ConfigError(
                f"a patch of side {side:g} around {tuple(center)}, rolled by {roll:g} degrees; expected a point of "
                f"three finite numbers and a side above 0 and up to {largest:.4g}"
            )
        face, inside = self.mesh.nearest(torch.tensor([list(center)], dtype=torch.float64))
        at = frames(self.mesh, face, inside, turn=torch.tensor([math.radians(roll)], dtype=torch.float64))
        step = torch.tensor([side / min(shape)], dtype=torch.float64)
        return self._laid_out(at, step, (shape[0], shape[1]), device=device, dtype=dtype)

    def vertices(self, *, spacing: float = 0.0, dtype: torch.dtype = torch.float32) -> View:
        """Vertices of the mesh, in its order, as scattered points.

        Args:
            spacing: Spacing to which signals there are band-limited; 0 for no band limit.
            dtype: Data type of the view.

        Example:
            >>> Surface(torch.eye(3), torch.tensor([[0, 1, 2]])).vertices().shape
            (3,)
        """
        points = self.mesh.vertices[None]
        return self._view((points.shape[1],), points, spacing, weights=None, device="cpu", dtype=dtype)

    def sample(
        self, count: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "N 3"]:
        return self.mesh.positions(*self.mesh.draw(count, generator=generator)).to(dtype)

    def lattice(self, resolution: int) -> PointLattice:
        """About R² nodes, spread as far from each other as possible and weighed by the area nearest to them."""
        if resolution not in self._lattices:
            spacing, count = self.spacing(resolution), max(4, resolution**2)
            points = self.mesh.positions(*self.mesh.even(4 * count))
            chosen, owner = farthest_points(points, count)
            shares = torch.bincount(owner, minlength=count).double().clamp(min=0.25)
            self._lattices[resolution] = PointLattice(points[chosen], spacing=spacing, shares=shares)
        return self._lattices[resolution]

    def spacing(self, resolution: int) -> float:
        if resolution < 1:
            raise ConfigError(f"the resolution is {resolution}; expected 1 or more samples along the root of the area")
        return math.sqrt(self.mesh.area) / resolution

    def shape(self, resolution: int) -> tuple[int, ...]:
        # No finer than the resolution, so that items fine enough for it suffice; but a chart has an interior.
        n = max(_LEAST, math.floor(self.side / self.spacing(resolution) + 1e-6))
        return self.chart_count * n, n

    def patches(self, side: int, spacing: Float[Tensor, "B"], *, generator: torch.Generator) -> View:
        """Patches around random points, uniform by area, with random rotations.

        Weights are the areas around the samples, which are closer together where the curvature is positive (as on a
        ball) and farther apart where it is negative (as on a saddle).

        Raises:
            ConfigError: A patch has more area than the surface.

        Example:
            >>> surface.patches(8, torch.tensor([0.1, 0.2]), generator=torch.Generator()).coords.shape
            torch.Size([2, 64, 3])
        """
        longest = side * float(spacing.max())
        if side < 1 or not 0 < longest <= 1.001 * math.sqrt(self.mesh.area):
            raise ConfigError(
                f"patches of {side} samples, {float(spacing.max()):.3g} apart, have more area than the surface with "
                f"{self.mesh.area:.3g}; expected a positive size and less: make them smaller, or the resolution higher"
            )
        B = len(spacing)
        face, inside = self.mesh.draw(B, generator=generator)
        turn = 2 * math.pi * torch.rand(B, generator=generator, dtype=torch.float64)
        at = frames(self.mesh, face, inside, turn=turn)
        return self._laid_out(at, spacing.double().cpu(), (side, side), device="cpu", dtype=spacing.dtype)

    def carry(self, values: Float[Tensor, "B C H W"], view: View) -> Float[Tensor, "B C *S"]:
        """Signals on all charts, interpolated at any view: smooth means of the samples around a point, by area.

        They are slightly smoothed: a wave of 8 samples keeps 90% of its amplitude. Linear in the values.

        Raises:
            ShapeError: The values are not (K n, n).

        Example:
            >>> surface.carry(torch.zeros(2, 3, *surface.shape(16)), surface.vertices()).shape
            torch.Size([2, 3, 1024])
        """
        n, K = values.shape[3], self.chart_count
        if values.shape[2] != K * n:
            raise ShapeError(
                f"signals of shape {tuple(values.shape[2:])} on a surface with {K} charts; expected ({K} n, n)"
            )
        return super().carry(values, view)

    def make_carry(self, view: View, shape: Sequence[int]) -> "SurfaceCarry":
        K, n = self.chart_count, shape[-1]
        if n not in self._clouds:
            face, inside = self._chart_points(n)
            weights = self.grid((K * n, n), dtype=torch.float64).weights
            assert weights is not None
            self._clouds[n] = PointCloud(
                self.mesh.positions(face, inside), normals=self.mesh.normals[face], shares=weights[0]
            )
        spacing = torch.full((1,), self.side / n, dtype=torch.float64)
        weights = self._clouds[n].weights(view.coords, spacing=spacing, sharp=False)
        return SurfaceCarry(self._clouds[n], weights, samples=view.coords.shape[0], shape=view.shape)

    def vertex_spacing(self) -> float:
        """Average distance between neighboring vertices: the side of squares of the same number and area."""
        areas = self.mesh.areas
        return math.sqrt(float((2 * areas.square()).sum() / areas.sum()))

    def observe(
        self, items: Sequence[Float[Tensor, "C V"] | AbstractSurfaceSignal], view: View
    ) -> Float[Tensor, "B C *S"]:
        """Real signals resampled at a view of the surface, anti-aliased by area to its spacing and clipped to [−1, 1].

        Signals are sampled at many even points, and the values around a point are averaged with a kernel as wide as the
        spacing, see ``PointCloud``. Nothing is upsampled: in a finer view the signal's own spacing counts.

        Args:
            items: Values at the vertices, continued linearly over the triangles, or signals of another class.
            view: View of the surface; one for all items or one for each.

        Example:
            >>> surface.observe([torch.zeros(3, len(surface.mesh.vertices))], surface.grid(surface.shape(32))).shape
            torch.Size([1, 3, 130, 13])
        """
        item_spacings = [
            item.spacing if isinstance(item, AbstractSurfaceSignal) else self.vertex_spacing() for item in items
        ]
        view_spacings = view.spacing.flatten(1).amax(dim=1).double().expand(len(items)).tolist()
        # Grouped by octave, so that an item does not depend on the others of a batch.
        finest = [max(a, b) for a, b in zip(view_spacings, item_spacings, strict=True)]
        kinds: dict[tuple[int, int], list[int]] = {}
        for i, (s, o) in enumerate(zip(finest, item_spacings, strict=True)):
            octave = math.floor(2 * math.log2(math.sqrt(self.mesh.area) / s) + 1e-3)
            kinds.setdefault((octave, max(0, math.floor(math.log2(s / o * 1.001)))), []).append(i)
        out: Tensor | None = None
        for (octave, finer), rows in kinds.items():
            cloud = self._cloud(octave, group=min(16, 4**finer))
            values = torch.stack([cloud.values(items[i]) for i in rows])
            single = view.batch == 1 and len({finest[i] for i in rows}) == 1
            spacing = torch.tensor([finest[i] for i in (rows[:1] if single else rows)], dtype=torch.float64)
            points = view.coords if view.batch == 1 else view.coords[rows]
            points = points if single else points.expand(len(rows), -1, -1)
            whole = self._wholes.get((view.shape[-1], view.coords.dtype, view.coords.device))
            known = single and whole is not None and whole.points is view.points
            observed = cloud.seen(values, points, spacing=spacing, key=(view.shape, finest[rows[0]]) if known else None)
            out = observed.new_empty(len(items), *observed.shape[1:]) if out is None else out
            out[rows] = observed
        assert out is not None, "no items to observe"
        return out.unflatten(-1, view.shape).clamp(-1, 1).float()

    def _cloud(self, octave: int, *, group: int) -> SurfaceCloud:
        if (octave, group) not in self._reals:
            spacing = math.sqrt(self.mesh.area) / 2 ** ((octave + 1) / 2)
            # Of several threads that make it, all use that of the first.
            self._reals.setdefault((octave, group), SurfaceCloud(self.mesh, spacing=spacing, group=group))
        return self._reals[octave, group]

    @property
    def longest_period(self) -> float:
        # Twice the longest side of the bounding box, as for a box.
        return self._longest_period

    def _chart_points(self, n: int) -> tuple[Int[Tensor, "N"], Float[Tensor, "N 3"]]:
        step = torch.full((self.chart_count,), self.side / n, dtype=torch.float64)
        face, inside = tangent_grid(self.mesh, self.charts, step=step, rows=n, columns=n)
        return face.flatten(), inside.flatten(0, 1)

    @functools.cached_property
    def _shares(self) -> Float[Tensor, "N"]:
        """Areas of the samples of charts of the base size, from many even points assigned to the nearest sample."""
        face, inside = self._chart_points(_BASE)
        cloud = PointCloud(self.mesh.positions(face, inside), normals=self.mesh.normals[face])
        face, inside = self.mesh.even(2 * len(cloud))
        spacing = torch.full((1,), self.side / _BASE, dtype=torch.float64)
        _, node, weight = cloud.weights(self.mesh.positions(face, inside)[None], spacing=spacing, sharp=False)
        share = torch.zeros(len(cloud), dtype=torch.float64).index_add(0, node, weight)
        return (share / share.mean()).clamp(min=0.02)

    def _laid_out(
        self, at: Frames, step: Float[Tensor, "B"], shape: tuple[int, int], *, device: torch.device | str,
        dtype: torch.dtype,
    ) -> View:  # fmt: skip
        points = self.mesh.positions(*tangent_grid(self.mesh, at, step=step, rows=shape[0], columns=shape[1]))
        view = self._view(
            shape, points, step[:, None, None], weights=cell_areas(points, rows=shape[0], columns=shape[1]),
            device=device, dtype=dtype,
        )  # fmt: skip
        middle = self.mesh.positions(at.face, at.inside)
        return View(
            shape=shape, spacing=view.spacing, center=middle.to(device, dtype), extent=view.extent, points=view.points,
            weights=view.weights,
        )  # fmt: skip

    def _view(
        self, shape: tuple[int, ...], points: Tensor, spacing: float | Tensor, *, weights: Tensor | None,
        device: torch.device | str, dtype: torch.dtype,
    ) -> View:  # fmt: skip
        """View of points in double precision, rounded once."""
        if not isinstance(spacing, Tensor):
            spacing = points.new_full((1, 1, 1), spacing)
        if float(spacing.min()) != 0:
            farthest = float(self.mesh.corners.abs().max())
            check_precision(float(spacing.min()), farthest=farthest, dtype=dtype)
        low, high = points.amin(dim=1), points.amax(dim=1)
        return View(
            shape=shape,
            spacing=spacing.expand(*spacing.shape[:-1], 3).to(device, dtype),
            center=((low + high) / 2).to(device, dtype),
            extent=(high - low).to(device, dtype),
            points=points.to(device, dtype),
            weights=None if weights is None else (weights / weights.mean(dim=-1, keepdim=True)).to(device, dtype),
        )
