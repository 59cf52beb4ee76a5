"""Triangle meshes: areas, points on them, straight paths, and mesh files."""

import functools
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.errors import ConfigError, DataError, MissingDependency, NonFiniteError, ShapeError

_SLIVER = 1e-12
"""Triangles of less area than this part of the mean are left out: no path crosses them in a stable way."""
_MOST_CROSSINGS = 20_000
"""Edges after which a path ends where it is; only one that runs round a degenerate corner meets so many."""


class TriangleMesh:
    """Triangles in space, joined where edges have the same ends.

    Vertices at one place count as one, so that a mesh cut open along the borders of its texture is whole again. Where
    an edge belongs to one triangle alone the surface ends, and paths are reflected; where to three or more, two of
    them are joined. Triangles without area are left out.

    Args:
        vertices: Positions; those that no triangle uses do no harm.
        faces: Three numbers of vertices each.

    Raises:
        ShapeError: No triangles, or numbers of vertices that are not there.
        NonFiniteError: A position is NaN or infinite.

    Example:
        >>> TriangleMesh(torch.eye(3), torch.tensor([[0, 1, 2]])).area
        0.8660254037844386
    """

    def __init__(self, vertices: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"]):
        if len(faces) == 0 or len(vertices) == 0:
            raise ShapeError(f"a mesh of {len(vertices)} vertices and {len(faces)} triangles; expected 3 and 1 or more")
        if int(faces.min()) < 0 or int(faces.max()) >= len(vertices):
            raise ShapeError(
                f"triangles name the vertices {int(faces.min())} to {int(faces.max())}; expected 0 to "
                f"{len(vertices) - 1}"
            )
        if not torch.isfinite(vertices).all():
            bad = int((~torch.isfinite(vertices)).any(dim=1).nonzero()[0])
            raise NonFiniteError(
                f"the mesh has a vertex at NaN or infinity, number {bad}; expected finite positions. Export it anew."
            )
        self.vertices, faces = vertices.double().cpu(), faces.long().cpu()
        sides = self.vertices[faces]
        doubled = torch.linalg.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0]).norm(dim=-1)
        kept = doubled > _SLIVER * doubled.mean()
        if not kept.any():
            raise ShapeError("all triangles of the mesh have no area; expected a surface. Are its points on one line?")
        self.faces = faces[kept]
        """Of the triangles kept, (F, 3)."""
        self.areas: Float[Tensor, "F"] = doubled[kept] / 2
        """Of each triangle."""

    @functools.cached_property
    def area(self) -> float:
        """Of all of it."""
        return float(self.areas.sum())

    @functools.cached_property
    def corners(self) -> Float[Tensor, "F 3 3"]:
        """Positions of each triangle's corners."""
        return self.vertices[self.faces]

    @functools.cached_property
    def normals(self) -> Float[Tensor, "F 3"]:
        """Of unit length, by the order of the corners."""
        a, b, c = self.corners.unbind(1)
        across = torch.linalg.cross(b - a, c - a)
        return across / across.norm(dim=-1, keepdim=True)

    @functools.cached_property
    def slopes(self) -> Float[Tensor, "F 3 3"]:
        """Gradients of the three barycentric coordinates of each triangle, in its plane."""
        opposite = self.corners.roll(-2, 1) - self.corners.roll(-1, 1)
        return torch.linalg.cross(self.normals[:, None].expand(-1, 3, -1), opposite) / (2 * self.areas[:, None, None])

    @functools.cached_property
    def size(self) -> Float[Tensor, "3"]:
        """Sides of the box around it."""
        used = self.corners.flatten(0, 1)
        return used.amax(dim=0) - used.amin(dim=0)

    @functools.cached_property
    def joined(self) -> Int[Tensor, "V"]:
        """For each vertex a number that is the same for all at one place."""
        return torch.unique(self.vertices, dim=0, return_inverse=True)[1]

    @functools.cached_property
    def over(self) -> tuple[Int[Tensor, "F 3"], Float[Tensor, "F 3 3 3"]]:
        """For the edge opposite to each corner, the triangle beyond it, and the map between barycentric coordinates.

        The map unfolds both triangles into one plane. An edge with nothing beyond leads back, mirrored.
        """
        F = len(self.faces)
        corner = self.joined[self.faces]
        ends = torch.stack([corner.roll(-1, 1), corner.roll(-2, 1)], dim=-1).flatten(0, 1)
        _, edge = torch.unique(ends.sort(dim=-1).values, dim=0, return_inverse=True)
        order = edge.argsort(stable=True)
        # Sides of one edge, two by two: where it has a third, that one ends there.
        group = edge[order]
        first = torch.searchsorted(group, group)
        even = (torch.arange(3 * F) - first) % 2 == 0
        pair = (even[:-1] & (group[1:] == group[:-1])).nonzero()[:, 0]
        partner = torch.arange(3 * F)
        partner[order[pair]], partner[order[pair + 1]] = order[pair + 1], order[pair]
        face, local = partner // 3, partner % 3
        # In the plane: along the edge from the next corner, and away from it.
        own = torch.arange(3 * F) // 3, torch.arange(3 * F) % 3
        start, end = (self.corners[own[0], (own[1] + k) % 3] for k in (1, 2))
        along = end - start
        length = along.norm(dim=-1)
        along = along / length[:, None]
        apex, beyond = self.corners[own], self.corners[face, local]
        x = ((beyond - start) * along).sum(dim=-1)
        q = -(self.areas[face] / self.areas[own[0]])  # heights over a shared edge go as areas
        r = (x - q * ((apex - start) * along).sum(dim=-1)) / length
        out = torch.zeros(3 * F, 3, 3, dtype=torch.float64)
        index = torch.arange(3 * F)
        # Columns are the corners beyond, in barycentric coordinates of this side.
        out[index, own[1], local] = q
        out[index, (own[1] + 2) % 3, local] = r
        out[index, (own[1] + 1) % 3, local] = 1 - q - r
        for k in (1, 2):
            there = (local + k) % 3
            same_as_next = corner[face, there] == corner[own[0], (own[1] + 1) % 3]
            out[index, torch.where(same_as_next, (own[1] + 1) % 3, (own[1] + 2) % 3), there] = 1
        return face.reshape(F, 3), torch.linalg.inv(out).reshape(F, 3, 3, 3)

    def positions(self, face: Int[Tensor, "*S"], inside: Float[Tensor, "*S 3"]) -> Float[Tensor, "*S 3"]:
        """Where barycentric coordinates in triangles lie."""
        return (inside[..., None] * self.corners[face]).sum(dim=-2)

    def even(self, count: int, *, seed: int = 0) -> tuple[Int[Tensor, "N"], Float[Tensor, "N 3"]]:
        """Triangles and barycentric coordinates of points that all stand for the same area.

        Triangles are lined up along a curve that fills space, and each equal piece of the line gets one point: no
        place of the surface gets many more points than its share. In triangles with two points and more these go on
        along a curve that fills the triangle, so that points with neighboring numbers lie close however large
        triangles are; in smaller ones a point comes from a Sobol sequence.
        """
        where = self._line
        ends = self.areas[where].cumsum(0)
        share = float(ends[-1]) / count
        u = (torch.arange(count, dtype=torch.float64) + 0.5) * share
        slot = torch.searchsorted(ends, u).clamp(max=len(ends) - 1)
        face = where[slot]
        draws = torch.quasirandom.SobolEngine(2, scramble=True, seed=seed).draw(count, dtype=torch.float64)
        inside, area = _inside(draws), self.areas[face]
        large = area > 2 * share
        along = ((u - ends[slot]) / area + 1).clamp(0, 1 - 1e-9)
        inside[large] = _filling(along[large], depth=torch.log2(area[large] / share).ceil() + 1)
        return face, inside

    def draw(self, count: int, *, generator: torch.Generator) -> tuple[Int[Tensor, "N"], Float[Tensor, "N 3"]]:
        """Triangles and barycentric coordinates of points drawn uniformly by area."""
        u = torch.rand(count, 3, generator=generator, dtype=torch.float64)
        ends = self.areas.cumsum(0)
        face = torch.searchsorted(ends, u[:, 0] * float(ends[-1])).clamp(max=len(ends) - 1)
        return face, _inside(u[:, 1:])

    def split(self) -> "TriangleMesh":
        """The same surface with every triangle cut in four at the middles of its edges; vertices keep their numbers.

        Example:
            >>> len(TriangleMesh(torch.eye(3), torch.tensor([[0, 1, 2]])).split().faces)
            4
        """
        ends = torch.stack([self.faces.roll(-1, 1), self.faces.roll(-2, 1)], dim=-1).flatten(0, 1)
        edges, number = torch.unique(ends.sort(dim=-1).values, dim=0, return_inverse=True)
        middle = len(self.vertices) + number.reshape(-1, 3)  # opposite to each corner
        corner = [torch.stack([self.faces[:, k], middle[:, k - 1], middle[:, k - 2]], dim=1) for k in range(3)]
        vertices = torch.cat([self.vertices, self.vertices[edges].mean(dim=1)])
        return TriangleMesh(vertices, torch.stack([*corner, middle], dim=1).flatten(0, 1))

    def nearest(self, points: Float[Tensor, "B 3"]) -> tuple[Int[Tensor, "B"], Float[Tensor, "B 3"]]:
        """Triangles and barycentric coordinates of the places on the surface that are nearest to points.

        Each point is compared with every triangle: for few points.
        """
        faces, insides = [], []
        for point in points.double():
            offset = point - self.corners
            plane = (self.slopes * offset.roll(-1, 1)).sum(dim=-1)  # zero at the next corner
            options = [plane]
            for k in range(3):  # along each edge, where the k-th coordinate is 0
                a, b = (k + 1) % 3, (k + 2) % 3
                edge = self.corners[:, b] - self.corners[:, a]
                t = ((offset[:, a] * edge).sum(dim=-1) / edge.square().sum(dim=-1)).clamp(0, 1)
                option = torch.zeros_like(plane)
                option[:, a], option[:, b] = 1 - t, t
                options.append(option)
            inside = torch.stack(options, dim=1)
            apart = ((inside[..., None] * self.corners[:, None]).sum(dim=2) - point).square().sum(dim=-1)
            apart = torch.where((inside >= 0).all(dim=-1), apart, torch.inf)
            best = int(apart.argmin())
            faces.append(best // 4)
            insides.append(inside[best // 4, best % 4])
        return torch.tensor(faces), torch.stack(insides)

    def walk(
        self, face: Int[Tensor, "N"], inside: Float[Tensor, "N 3"], heading: Float[Tensor, "N 3"]
    ) -> tuple[Int[Tensor, "N"], Float[Tensor, "N 3"]]:
        """Where straight paths end that leave points along vectors, as long as these are.

        Over an edge a path goes straight on in the plane into which both triangles unfold; at a border it is
        reflected. (Polthier & Schmies 1998, "Straightest geodesics on polyhedral surfaces", sec. 3.)

        Args:
            face: Triangles of the starts.
            inside: Barycentric coordinates of the starts.
            heading: In the planes of these triangles, in barycentric coordinates: changes that sum to 0.
        """
        face, inside = face.clone(), inside.clone()
        beyond, unfold = self.over
        left, active, way = torch.ones(len(face), dtype=torch.float64), torch.arange(len(face)), heading
        for _ in range(_MOST_CROSSINGS):
            b, t, f = inside[active], left[active], face[active]
            # What runs along an edge, to rounding, does not cross it.
            leaving = way < -1e-12 * way.abs().amax(dim=-1, keepdim=True)
            reach = torch.where(leaving, b / -way, torch.inf)
            step, edge = reach.min(dim=-1)
            ends = step >= t
            inside[active] = b + torch.minimum(step, t)[:, None] * way
            going = (~ends).nonzero()[:, 0]
            if len(going) == 0:
                break
            active, way, step, edge, f = active[going], way[going], step[going], edge[going], f[going]
            over = unfold[f, edge]
            face[active] = beyond[f, edge]
            left[active] -= step
            at = (over @ inside[active][..., None])[..., 0].clamp(min=0)
            inside[active] = at / at.sum(dim=-1, keepdim=True)
            way = (over @ way[..., None])[..., 0]
        return face, inside

    @functools.cached_property
    def _line(self) -> Int[Tensor, "F"]:
        """Triangles in the order of a curve that fills space (Morton)."""
        middle = self.corners.mean(dim=1)
        cells = ((middle - middle.amin(dim=0)) / float(self.size.max()) * 1023).long().clamp(0, 1023)
        key = torch.zeros(len(middle), dtype=torch.long)
        for bit in range(10):
            for d in range(3):
                key |= ((cells[:, d] >> bit) & 1) << (3 * bit + d)
        return key.argsort(stable=True)


def _inside(draws: Float[Tensor, "N 2"]) -> Float[Tensor, "N 3"]:
    """Uniform points of the square to uniform barycentric coordinates."""
    root = draws[:, 0].sqrt()
    return torch.stack([1 - root, root * (1 - draws[:, 1]), root * draws[:, 1]], dim=-1)


def _filling(along: Float[Tensor, "N"], *, depth: Float[Tensor, "N"]) -> Float[Tensor, "N 3"]:
    """Barycentric coordinates of places in 0 to 1 along Sierpiński's curve, which halves a triangle again and again.

    The halves have the same area. A place is the middle of its piece after so many cuts.
    """
    start, apex, end = torch.eye(3, dtype=torch.float64)[:, None].expand(-1, len(along), -1).unbind(0)
    for k in range(int(depth.max()) if len(depth) else 0):
        cut, middle = (k < depth)[:, None], (start + end) / 2
        late = along >= 0.5
        along = 2 * along - late.double()
        start = torch.where(cut & late[:, None], apex, start)
        end = torch.where(cut & ~late[:, None], apex, end)
        apex = torch.where(cut, middle, apex)
    return (start + apex + end) / 3


def check_precision(spacing: float, *, farthest: float, dtype: torch.dtype) -> None:
    """Refuse samples that a floating-point type cannot tell apart.

    Raises:
        ConfigError: They lie too close.
    """
    if not spacing > 4 * torch.finfo(dtype).eps * farthest or not math.isfinite(spacing):
        raise ConfigError(
            f"samples {spacing:.2g} apart, on a surface that reaches {farthest:.4g} from the origin, are closer than "
            f"{dtype} can tell coordinates apart; ask for fewer samples, or move the mesh to the origin"
        )


def read_mesh(path: str | Path) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """Vertices and triangles of a file, in its own order; scenes are put together.

    Raises:
        DataError: The file is missing or damaged, its kind is unknown, or it holds no triangles.
        NonFiniteError: A vertex is NaN or infinite.
        MissingDependency: Trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependency("trimesh", extra="surface", why="Reading meshes") from error
    place = Path(path).expanduser()
    if not place.is_file():
        raise DataError(f"there is no mesh at {path}; expected a file such as bunny.glb. Check the path.")
    try:
        found: Any = trimesh.load(place, force="mesh", process=False)
        vertices, faces = torch.tensor(found.vertices.tolist()), torch.tensor(found.faces.tolist())
    except Exception as error:  # a parser of untrusted files raises anything
        raise DataError(
            f"{path} cannot be read as a mesh ({type(error).__name__}: {error}); expected glb, gltf, obj, ply, stl or "
            "off. Export it anew."
        ) from error
    if vertices.ndim != 2 or faces.ndim != 2 or len(faces) == 0:
        raise DataError(f"{path} holds {len(vertices)} vertices and no triangles; expected a surface. Export it anew.")
    vertices, faces = vertices.float(), faces.long()
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(f"{path} has triangles with vertices that are not there; the file is damaged. Export it anew.")
    bad = int((~torch.isfinite(vertices)).any(dim=1).sum())
    if bad:
        raise NonFiniteError(
            f"{path} has {bad} vertices that are NaN or infinite; expected finite ones. Mend the file."
        )
    return vertices, faces
