"""Where signals live."""

from inrgan.domains._base import AbstractDomain, AbstractLattice, AbstractStencil
from inrgan.domains._box import Box
from inrgan.domains._lattice import BoxLattice, cubic_bspline
from inrgan.domains._mesh import TriangleMesh
from inrgan.domains._mesh_file import read_mesh
from inrgan.domains._point_cloud import PointCloud
from inrgan.domains._point_lattice import PointLattice
from inrgan.domains._sphere import Sphere
from inrgan.domains._sphere_resampling import fejer_weights, observe_sphere
from inrgan.domains._surface import Surface
from inrgan.domains._surface_cloud import AbstractSurfaceSignal, vertex_values

__all__ = [
    "AbstractDomain",
    "AbstractLattice",
    "AbstractStencil",
    "AbstractSurfaceSignal",
    "Box",
    "BoxLattice",
    "PointCloud",
    "PointLattice",
    "Sphere",
    "Surface",
    "TriangleMesh",
    "cubic_bspline",
    "fejer_weights",
    "observe_sphere",
    "read_mesh",
    "vertex_values",
]
