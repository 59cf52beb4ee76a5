"""Where signals live."""

from inrgan.domains._base import AbstractDomain, AbstractLattice, AbstractStencil
from inrgan.domains._box import Box
from inrgan.domains._lattice import BoxLattice, cubic_bspline

__all__ = ["AbstractDomain", "AbstractLattice", "AbstractStencil", "Box", "BoxLattice", "cubic_bspline"]
