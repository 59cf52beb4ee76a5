"""Base classes of domains, and of their lattices and stencils."""

import abc
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inrgan.errors import ConfigError
from inrgan.resampling import AbstractCarry
from inrgan.tensors import TensorTree
from inrgan.views import View


class AbstractNodeNumbers(TensorTree, abc.ABC):
    """Lattice nodes that a view needs: how many, and which."""

    nodes: View
    """View of the nodes themselves, at which their features are computed."""

    def within(self, cover: "AbstractNodeNumbers") -> Int[Tensor, "L"] | None:
        """Positions of these nodes among those of a larger view's ``cover``; None, as here, where they are not found.

        Args:
            cover: Nodes that the lattice gave for a view that this one is part of.
        """
        del cover


class AbstractStencil(TensorTree, abc.ABC):
    """Weights that interpolate from lattice nodes to a view's points."""

    nodes: View
    """View of the nodes."""

    @abc.abstractmethod
    def interpolate(self, features: Float[Tensor, "#B L C"]) -> Float[Tensor, "B N C"]:
        """Interpolate features from the nodes to the view's points; linear in the features, which samples may share."""

    def lines(self, features: Float[Tensor, "B L C"]) -> tuple[Float[Tensor, "M m"], Float[Tensor, "B R m C"]] | None:
        """Interpolated features of a product view, short of the last product: one matrix along x for all lines.

        The product of the matrix with each of the R lines of values are the interpolated features of that line of the
        view. None, as here, where they have no such form.
        """
        del features

    def dot(self, features: Float[Tensor, "B L C F"], factors: Float[Tensor, "#B N F"]) -> Float[Tensor, "B N C"]:
        """Dot products of interpolated features with factors at the points: Σ over F."""
        shape = features.shape[2:]
        return (self.interpolate(features.flatten(2)).unflatten(2, shape) * factors[:, :, None]).sum(dim=-1)


class AbstractLattice(abc.ABC):
    """Coarse, regular set of nodes over a domain, unbounded where the domain is.

    The nodes are fixed in the domain. A view decides which of them it needs, and not their values, so that a function
    interpolated from them is a function of the coordinate alone.
    """

    def __deepcopy__(self, memo: dict[int, object]) -> "AbstractLattice":
        del memo
        return self  # it never changes, and views keep what they derive from it

    def numbers(self, view: View) -> AbstractNodeNumbers:
        """Which nodes a view needs.

        They follow from the view's coordinates, which the host reads: for a view on the CPU, before a training step
        begins. The view stores them (``View.derive``) and brings them to other devices.
        """
        return view.derive(self, "numbers", lambda: self.make_numbers(view))

    def stencil(self, view: View) -> AbstractStencil:
        """Nodes and weights for a view; differentiable twice in the view's points.

        A pure function of the coordinates and of the node numbers, which reads no data. The view stores the result.
        """
        return view.derive(self, "stencil", lambda: self.make_stencil(view, self.numbers(view)))

    def cover(self, view: View, *, margin: float = 0.0) -> AbstractNodeNumbers | None:
        """Nodes that suffice for every part of a view; None, as here, where there is no short list of them.

        The features at these nodes serve all parts, whose own nodes are ``within`` them. It takes no search for the
        neighbors of the view's points, of which there may be any number.

        Args:
            view: View that all samples share.
            margin: Fraction of the sides of the bounding box of scattered points by which they may move beyond it,
                along coordinates with nodes.
        """
        del view, margin

    @abc.abstractmethod
    def make_numbers(self, view: View) -> AbstractNodeNumbers:
        """Compute ``numbers``, without reuse of stored ones."""

    @abc.abstractmethod
    def make_stencil(self, view: View, numbers: AbstractNodeNumbers) -> AbstractStencil:
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

    def carry_map(self, view: View, shape: Sequence[int]) -> AbstractCarry:
        """Map of ``carry``, from arrays of a shape to values at a view; stored by the view."""
        return view.derive(self, ("carry", tuple(shape)), lambda: self.make_carry(view, shape))

    def make_carry(self, view: View, shape: Sequence[int]) -> AbstractCarry:
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
