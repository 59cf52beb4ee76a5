"""Base classes of domains, and of their lattices and stencils."""

import abc
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inrgan.errors import ConfigError
from inrgan.views import View


class AbstractStencil(abc.ABC):
    """Lattice nodes that a view needs, and the weights that interpolate from them to its points."""

    @property
    @abc.abstractmethod
    def nodes(self) -> View:
        """View of the lattice nodes themselves, at which their features are computed."""

    @abc.abstractmethod
    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        """Interpolate features from the nodes to the view's points; linear in the features."""

    @abc.abstractmethod
    def to(self, device: torch.device | str) -> "AbstractStencil":
        """The same stencil on another device."""


@runtime_checkable
class CarryMap(Protocol):
    """Linear map from signals on the grid of a whole domain to their values at one view."""

    def __call__(self, values: Float[Tensor, "#B C *K"], /) -> Float[Tensor, "B C *S"]:
        """Values at the view; differentiable any number of times in the signals."""
        ...

    def to(self, device: torch.device | str, /) -> "CarryMap":
        """The same map on another device."""
        ...


class AbstractLattice(abc.ABC):
    """Coarse, regular set of nodes over a domain, unbounded where the domain is.

    The nodes are fixed in the domain. A view decides which of them it needs, and not their values, so that a function
    interpolated from them is a function of the coordinate alone.
    """

    def stencil(self, view: View) -> AbstractStencil:
        """Nodes and weights for a view; differentiable twice in the view's points.

        The choice of nodes follows from the view's coordinates. It is made on the host, where a stencil is computed for
        a view on the CPU, which stores it (``View.derive``).
        """
        return view.derive(self, "stencil", lambda: self.make_stencil(view))

    @abc.abstractmethod
    def make_stencil(self, view: View) -> AbstractStencil:
        """Compute ``stencil``, without reuse of a stored one."""


class AbstractDomain(abc.ABC):
    """Set of points on which signals are defined.

    ``coord_dim`` is the number of coordinates of a point (3 on a sphere); ``grid_dim`` the number of axes of
    a local grid (2 on a sphere).
    """

    coord_dim: int
    grid_dim: int

    precision: torch.dtype = torch.float32
    """Coordinates of a render have at least this precision, whatever the precision of the weights."""

    @abc.abstractmethod
    def grid(
        self,
        shape: Sequence[int],
        *,
        region: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> View:
        """The whole domain, or a region of it, as one regular grid of cell centers.

        Raises:
            ShapeError: ``shape`` does not have ``grid_dim`` positive entries.
            ConfigError: ``region`` is empty or has the wrong number of entries, or ``dtype`` cannot distinguish the
                coordinates of its samples.
        """

    @abc.abstractmethod
    def sample(
        self, count: int, *, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "N D"]:
        """Points drawn uniformly by the domain's measure."""

    @abc.abstractmethod
    def lattice(self, resolution: int) -> AbstractLattice:
        """A lattice with ``resolution`` cells along the shortest side of the domain."""

    @abc.abstractmethod
    def spacing(self, resolution: int) -> float:
        """Distance between neighbors, in coordinate units, at ``resolution`` samples on the shortest side."""

    def spacings(self, resolution: int) -> tuple[float, ...]:
        """Distance between neighbors along each coordinate, at ``resolution`` samples on the shortest side.

        Example:
            >>> Box(2).spacings(4)
            (0.5, 0.5)
        """
        return (self.spacing(resolution),) * self.coord_dim

    @abc.abstractmethod
    def shape(self, resolution: int) -> tuple[int, ...]:
        """Array shape of the whole domain with ``resolution`` samples on the shortest side.

        Raises:
            ConfigError: The resolution is below 1.
        """

    def finest(self, view: View) -> Float[Tensor, "#B"]:
        """Smallest spacing of each sample's view, in the unit of ``spacing``."""
        return view.spacing.flatten(1).amin(dim=1)

    def patches(self, side: int, spacing: Float[Tensor, "B"], *, generator: torch.Generator) -> View:
        """Local grids of ``side`` samples along an axis, one per sample, at random positions uniform by measure.

        Args:
            side: Samples along each axis.
            spacing: Distance between neighbors, in coordinate units, of every patch.
            generator: Generator of the positions.

        Raises:
            ConfigError: The patches do not fit, or the domain has none, which is the default.
        """
        raise ConfigError(f"dense patches need a domain that has them; {type(self).__name__} defines no patches()")

    def patches_toward(
        self, view: View, places: Float[Tensor, "B D"], *, chosen: Bool[Tensor, "B"], generator: torch.Generator
    ) -> View:
        """Patches of a view, some of them moved so that each contains a given point at a random position inside.

        Args:
            view: View from ``patches``.
            places: Point for each patch.
            chosen: Whether each patch is moved.
            generator: Generator of the points' positions inside the patches.

        Raises:
            ConfigError: The domain does not define this, which is the default.
        """
        raise ConfigError(f"patches at given points need a domain that has them; {type(self).__name__} has none")

    def carry(self, values: Float[Tensor, "B C *K"], view: View) -> Float[Tensor, "B C *S"]:
        """Signals on ``grid`` of the whole domain, interpolated at another view; linear in the values.

        Raises:
            ConfigError: The domain does not define ``make_carry``, which is the default.
        """
        return self.carry_map(view, values.shape[2:])(values)

    def carry_map(self, view: View, shape: Sequence[int]) -> CarryMap:
        """Map of ``carry``, from arrays of a shape to values at a view; stored by the view."""
        return view.derive(self, ("carry", tuple(shape)), lambda: self.make_carry(view, shape))

    def make_carry(self, view: View, shape: Sequence[int]) -> CarryMap:
        """Compute ``carry_map``, without reuse of a stored one.

        Raises:
            ConfigError: The domain does not define this, which is the default.
        """
        del view, shape
        raise ConfigError(f"patches with context need a domain with make_carry(); {type(self).__name__} has none")

    @property
    @abc.abstractmethod
    def longest_period(self) -> float:
        """Period, in coordinate units, of the slowest wave in an encoding of the domain."""
