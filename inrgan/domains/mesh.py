"""Triangle meshes: areas, points on them and straight paths."""

import functools
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.errors import ConfigError, NonFiniteError, ShapeError

_SLIVER = 1e-12
"""Area, relative to the mean, below which triangles are left out: no path crosses them in a stable way."""
_MOST_CROSSINGS = 20_000
"""Number of edge crossings after which a path is cut off; only a path around a degenerate corner has so many."""


class TriangleMesh:
    """Triangles in space, joined where edges have the same ends.

    Vertices at the same position count as one, so that a mesh that is cut open along the borders of its texture is
    closed again. The surface ends at edges of a single triangle, where paths are reflected. At edges of three or more
    triangles two of them are joined. Triangles without area are left out.

    Args:
        vertices: Positions of the vertices; unused ones are allowed.
        faces: Vertex indices of each triangle.

    Raises:
        ShapeError: There are no triangles, or vertex indices are out of range.
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
                f"triangles have vertex indices from {int(faces.min())} to {int(faces.max())}; expected 0 to "
                f"{len(vertices) - 1}"
            )
        if not torch.isfinite(vertices).all():
            bad = int((~torch.isfinite(vertices)).any(dim=1).nonzero()[0])
            raise NonFiniteError(
                f"the mesh has a vertex at NaN or infinity, number {bad}; expected finite positions. Export it again."
            )
        self.vertices, faces = vertices.double().cpu(), faces.long().cpu()
        sides = self.vertices[faces]
        doubled = torch.linalg.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0]).norm(dim=-1)
        valid = doubled > _SLIVER * doubled.mean()
        if not valid.any():
            raise ShapeError("all triangles of the mesh have no area; expected a surface. Are its points on one line?")
        self.faces = faces[valid]
        """Triangles with an area, (F, 3)."""
        self.areas: Float[Tensor, "F"] = doubled[valid] / 2
        """Area of each triangle."""

    @functools.cached_property
    def area(self) -> float:
        """Total area."""
        return float(self.areas.sum())

    @functools.cached_property
    def corners(self) -> Float[Tensor, "F 3 3"]:
        """Positions of each triangle's corners."""
        return self.vertices[self.faces]

    @functools.cached_property
    def normals(self) -> Float[Tensor, "F 3"]:
        """Unit normals, oriented by the order of the corners."""
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
        """Sides of the bounding box."""
        used = self.corners.flatten(0, 1)
        return used.amax(dim=0) - used.amin(dim=0)

    @functools.cached_property
    def joined(self) -> Int[Tensor, "V"]:
        """Number of each vertex, which is the same for all vertices at one position."""
        return torch.unique(self.vertices, dim=0, return_inverse=True)[1]

    @functools.cached_property
    def over(self) -> tuple[Int[Tensor, "F 3"], Float[Tensor, "F 3 3 3"]]:
        """Neighboring triangle at the edge opposite to each corner, and the map between barycentric coordinates.

        The map unfolds both triangles into one plane. At an edge without a neighbor it leads back, mirrored.
        """
        F = len(self.faces)
        corner = self.joined[self.faces]
        ends = torch.stack([corner.roll(-1, 1), corner.roll(-2, 1)], dim=-1).flatten(0, 1)
        _, edge = torch.unique(ends.sort(dim=-1).values, dim=0, return_inverse=True)
        order = edge.argsort(stable=True)
        # Sides of one edge are paired in order; a third side is a border.
        group = edge[order]
        first = torch.searchsorted(group, group)
        even = (torch.arange(3 * F) - first) % 2 == 0
        pair = (even[:-1] & (group[1:] == group[:-1])).nonzero()[:, 0]
        partner = torch.arange(3 * F)
        partner[order[pair]], partner[order[pair + 1]] = order[pair + 1], order[pair]
        face, local = partner // 3, partner % 3
        # In the plane: along the edge from the next corner, and away from it.
        corner_of = torch.arange(3 * F) // 3, torch.arange(3 * F) % 3
        start, end = (self.corners[corner_of[0], (corner_of[1] + k) % 3] for k in (1, 2))
        along = end - start
        length = along.norm(dim=-1)
        along = along / length[:, None]
        apex, beyond = self.corners[corner_of], self.corners[face, local]
        x = ((beyond - start) * along).sum(dim=-1)
        q = -(self.areas[face] / self.areas[corner_of[0]])  # heights over a shared edge are proportional to areas
        r = (x - q * ((apex - start) * along).sum(dim=-1)) / length
        out = torch.zeros(3 * F, 3, 3, dtype=torch.float64)
        index = torch.arange(3 * F)
        # Columns are the neighbor's corners, in barycentric coordinates of this side.
        out[index, corner_of[1], local] = q
        out[index, (corner_of[1] + 2) % 3, local] = r
        out[index, (corner_of[1] + 1) % 3, local] = 1 - q - r
        for k in (1, 2):
            there = (local + k) % 3
            same_as_next = corner[face, there] == corner[corner_of[0], (corner_of[1] + 1) % 3]
            out[index, torch.where(same_as_next, (corner_of[1] + 1) % 3, (corner_of[1] + 2) % 3), there] = 1
        return face.reshape(F, 3), torch.linalg.inv(out).reshape(F, 3, 3, 3)

    def positions(self, face: Int[Tensor, "*S"], inside: Float[Tensor, "*S 3"]) -> Float[Tensor, "*S 3"]:
        """Positions of barycentric coordinates in triangles."""
        corners = self.corners[face]
        # In this order, since sums over an axis of length 3 are slow.
        a, b, c = (inside[..., k, None] * corners[..., k, :] for k in range(3))
        return a + b + c

    def even(self, count: int, *, seed: int = 0) -> tuple[Int[Tensor, "N"], Float[Tensor, "N 3"]]:
        """Triangles and barycentric coordinates of evenly spread points, which represent equal areas.

        Triangles are ordered along a space-filling curve, and each equal piece of the curve's area gets one point: no
        region gets many more points than its share. In triangles with two points or more, these follow a curve that
        fills the triangle, so that points with neighboring numbers are close for any size of the triangles. In smaller
        triangles a point comes from a Sobol sequence.
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
        """The same surface with every triangle split in four at the middles of its edges; vertices keep their numbers.

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
        """Triangles and barycentric coordinates of the points of the surface that are nearest to given points.

        Each point is compared with every triangle, which suits few points.
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
        """Ends of straight paths that leave points along vectors, with the vectors' lengths.

        At an edge a path continues straight in the plane into which both triangles unfold; at a border it is reflected.
        (Polthier & Schmies 1998, "Straightest geodesics on polyhedral surfaces", sec. 3.)

        Args:
            face: Triangles of the starts.
            inside: Barycentric coordinates of the starts.
            heading: Vectors in the planes of these triangles, as changes of barycentric coordinates that sum to 0.
        """
        face, inside = face.clone(), inside.clone()
        beyond, unfold = self.over
        left, active, way = torch.ones(len(face), dtype=torch.float64), torch.arange(len(face)), heading
        for _ in range(_MOST_CROSSINGS):
            b, t, f = inside[active], left[active], face[active]
            # Motion along an edge, up to rounding, does not cross it.
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
        """Triangles in the order of a space-filling curve (Morton)."""
        middle = self.corners.mean(dim=1)
        cells = ((middle - middle.amin(dim=0)) / float(self.size.max()) * 1023).long().clamp(0, 1023)
        key = torch.zeros(len(middle), dtype=torch.long)
        for bit in range(10):
            for d in range(3):
                key |= ((cells[:, d] >> bit) & 1) << (3 * bit + d)
        return key.argsort(stable=True)


def _inside(draws: Float[Tensor, "N 2"]) -> Float[Tensor, "N 3"]:
    """Uniform points of the square, mapped to uniform barycentric coordinates."""
    root = draws[:, 0].sqrt()
    return torch.stack([1 - root, root * (1 - draws[:, 1]), root * draws[:, 1]], dim=-1)


def _filling(along: Float[Tensor, "N"], *, depth: Float[Tensor, "N"]) -> Float[Tensor, "N 3"]:
    """Barycentric coordinates of positions from 0 to 1 along Sierpiński's curve, which halves a triangle repeatedly.

    The halves have the same area. A position is the middle of its piece after the given number of halvings.
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
    """Check that a floating-point type can distinguish the samples.

    Raises:
        ConfigError: It cannot.
    """
    if not spacing > 4 * torch.finfo(dtype).eps * farthest or not math.isfinite(spacing):
        raise ConfigError(
            f"samples {spacing:.2g} apart, on a surface that reaches {farthest:.4g} from the origin, are too close for "
            f"{dtype} to distinguish; use fewer samples, or move the mesh to the origin"
        )
