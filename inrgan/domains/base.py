"""Domains: where signals live, how they are measured, and how they are sampled."""

import abc
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inrgan.errors import ConfigError
from inrgan.views import View


class AbstractStencil(abc.ABC):
    """The lattice nodes that a view needs, and the weights that carry values from them to its points."""

    @property
    @abc.abstractmethod
    def nodes(self) -> View:
        """The view of the lattice nodes themselves, from which their features are computed."""

    @abc.abstractmethod
    def interpolate(self, features: Float[Tensor, "B L C"]) -> Float[Tensor, "B N C"]:
        """Features at the nodes to features at the view's points. Linear in the features."""

    @abc.abstractmethod
    def to(self, device: torch.device | str) -> "AbstractStencil":
        """The same stencil on another device."""


@runtime_checkable
class CarryMap(Protocol):
    """The linear map from signals on the grid of a whole domain to their values at one view."""

    def __call__(self, values: Float[Tensor, "#B C *K"], /) -> Float[Tensor, "B C *S"]:
        """Values at the view; differentiable any number of times in the signals."""
        ...

    def to(self, device: torch.device | str, /) -> "CarryMap":
        """The same map on another device."""
        ...


class AbstractLattice(abc.ABC):
    """A coarse, regular set of nodes over a domain, without bounds where the domain has none.

    The nodes are fixed in the domain. Which of them a view asks for depends on the view; their values do not,
    so that a function interpolated from them is a function of the coordinate alone.
    """

    def stencil(self, view: View) -> AbstractStencil:
        """The nodes and weights for a view; differentiable twice in the view's points.

        How many nodes there are, and which, is read from the view's coordinates: on the host, where a stencil is made
        for a view on the CPU, which keeps it (``View.derive``).
        """
        return view.derive(self, "stencil", lambda: self.make_stencil(view))

    @abc.abstractmethod
    def make_stencil(self, view: View) -> AbstractStencil:
        """``stencil``, made anew."""


class AbstractDomain(abc.ABC):
    """Where a signal lives.

    ``coord_dim`` is the number of coordinates of a point (3 on a sphere); ``grid_dim`` the number of axes of
    a local grid (2 on a sphere).
    """

    coord_dim: int
    grid_dim: int

    precision: torch.dtype = torch.float32
    """Coordinates of a render have at least this precision, whatever the weights have."""

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
            ConfigError: ``region`` is empty or has the wrong number of entries, or its samples are closer to each
                other than ``dtype`` can tell coordinates apart.
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
        """The smallest spacing of a view, of each sample, in the unit in which ``spacing`` is."""
        return view.spacing.flatten(1).amin(dim=1)

    def patches(self, side: int, spacing: Float[Tensor, "B"], *, generator: torch.Generator) -> View:
        """Local grids of ``side`` samples along an axis, one a sample, at random places uniform by measure.

        Args:
            side: Samples along each axis.
            spacing: Distance between neighbors, in coordinate units, of every patch.
            generator: Of the places.

        Raises:
            ConfigError: The patches do not fit, or the domain knows none, as is the default.
        """
        raise ConfigError(f"dense patches need a domain that has them; {type(self).__name__} defines no patches()")

    def patches_toward(
        self, view: View, places: Float[Tensor, "B D"], *, chosen: Bool[Tensor, "B"], generator: torch.Generator
    ) -> View:
        """The patches of a view, some of them moved so that they hold a place, wherever in them.

        Args:
            view: Of ``patches``.
            places: One a patch.
            chosen: Which patches are moved.
            generator: Of where in the patch the place lies.

        Raises:
            ConfigError: The domain does not define it, as is the default.
        """
        raise ConfigError(f"patches at places need a domain that has them; {type(self).__name__} has none")

    def carry(self, values: Float[Tensor, "B C *K"], view: View) -> Float[Tensor, "B C *S"]:
        """Signals on ``grid`` of the whole domain, interpolated at another view; linear in the values.

        Raises:
            ConfigError: The domain does not define ``make_carry``, as is the default.
        """
        return self.carry_map(view, values.shape[2:])(values)

    def carry_map(self, view: View, shape: Sequence[int]) -> CarryMap:
        """The map behind ``carry``, from arrays of a shape to values at a view; kept by the view."""
        return view.derive(self, ("carry", tuple(shape)), lambda: self.make_carry(view, shape))

    def make_carry(self, view: View, shape: Sequence[int]) -> CarryMap:
        """``carry_map``, made anew.

        Raises:
            ConfigError: The domain does not define it, as is the default.
        """
        del view, shape
        raise ConfigError(f"patches in context need a domain that carries; {type(self).__name__} has no make_carry()")

    @property
    @abc.abstractmethod
    def longest_period(self) -> float:
        """Length in coordinate units of the slowest wave that an encoding of the domain should hold."""
