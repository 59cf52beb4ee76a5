"""Domains of signals."""

from inrgan.domains.base import AbstractDomain, AbstractLattice, AbstractNodeNumbers, AbstractStencil
from inrgan.domains.box import Box
from inrgan.domains.box_lattice import BoxLattice, cubic_bspline
from inrgan.domains.mesh import TriangleMesh
from inrgan.domains.mesh_file import glb_tree, plain_mesh, read_mesh
from inrgan.domains.point_cloud import AbstractSurfaceSignal, PointCloud, vertex_values
from inrgan.domains.point_lattice import PointLattice
from inrgan.domains.sphere import Sphere
from inrgan.domains.sphere_resampling import fejer_weights, observe_sphere
from inrgan.domains.surface import Surface

__all__ = [
    "AbstractDomain",
    "AbstractLattice",
    "AbstractNodeNumbers",
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
    "glb_tree",
    "observe_sphere",
    "plain_mesh",
    "read_mesh",
    "vertex_values",
]
