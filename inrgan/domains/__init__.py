"""Where signals live."""

from inrgan.domains._base import AbstractDomain, AbstractLattice, AbstractStencil
from inrgan.domains._box import Box
from inrgan.domains._lattice import BoxLattice, cubic_bspline
from inrgan.domains._point_lattice import PointLattice
from inrgan.domains._sphere import Sphere
from inrgan.domains._sphere_resampling import observe_sphere

__all__ = [
    "AbstractDomain",
    "AbstractLattice",
    "AbstractStencil",
    "Box",
    "BoxLattice",
    "PointLattice",
    "Sphere",
    "cubic_bspline",
    "observe_sphere",
]
