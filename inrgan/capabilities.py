"""Optional capabilities of adapters beyond the contract of ``Modality``, as small protocols.

An adapter with the members of a protocol has the capability. It need not derive from the protocol, but may, which shows
readers and type checkers its capabilities. The library checks ``isinstance(modality, HasTime)``.
"""

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.augmentation import AbstractTransform
from inrgan.data import DataPath, DataReport
from inrgan.encodings import AxisPaths
from inrgan.field import Field
from inrgan.views import View


@runtime_checkable
class HasSymmetries(Protocol):
    """Random symmetries of the data, such as mirrors and rotations."""

    @abc.abstractmethod
    def symmetries(self) -> tuple[AbstractTransform, ...]:
        """Transforms of reals alone, drawn for each item in every step.

        They move signals and leave values unchanged (``AbstractTransform.look``). Critics treat a transformed real as
        one at the original view, so that generated signals are mirrored as often as reals are.
        """


@runtime_checkable
class HasTransforms(Protocol):
    """Transforms for adaptive augmentation."""

    @abc.abstractmethod
    def transforms(self) -> tuple[AbstractTransform, ...]:
        """Transforms of reals and fakes alike, in the order in which they act on a signal."""


@runtime_checkable
class HasLongItems(Protocol):
    """Items that may be longer than the domain, such as recordings of which training sees a window."""

    @abc.abstractmethod
    def excerpt(self, item: Any, position: float) -> Any:
        """The item with its window at a given position, as input of ``observe``.

        Training draws the position for each item in every step; without a position, ``observe`` uses the middle.

        Args:
            item: Decoded item.
            position: Position of the window, from 0 (at the item's start) to 1 (at its end).
        """


@runtime_checkable
class HasTime(Protocol):
    """An axis of time: ``--rate`` and ``--seconds`` on the command line."""

    @abc.abstractmethod
    def window(
        self, *, rate: float | None = None, seconds: float | None = None, resolution: str | None = None
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Shape and region of a number of seconds at a rate.

        Args:
            rate: Samples per second along the axis of time; None for the training rate.
            seconds: Duration from the start of the domain; None for the domain's duration.
            resolution: Value of ``--resolution``, for signals with further axes.

        Raises:
            ConfigError: A number is not positive.
        """

    @abc.abstractmethod
    def over(self, shape: Sequence[int], region: Sequence[float] | None) -> Any:
        """Adapter that writes values of a region: files state a rate, which follows from shape and region.

        Args:
            shape: Shape of the array.
            region: Lower corner, then upper corner, x first; the whole domain where None.
        """


@runtime_checkable
class HasNamedViews(Protocol):
    """Named views: ``--view`` on the command line."""

    @abc.abstractmethod
    def named_view(self, text: str, *, resolution: int) -> View:
        """View of a name.

        Points of weight 0 are no part of the signal; the command line writes them as +inf, which is never a field's
        value.

        Args:
            text: A name, or a name, a colon and numbers.
            resolution: Samples along the shortest side of the result.

        Raises:
            ConfigError: The name is unknown.
        """


@runtime_checkable
class WritesFields(Protocol):
    """Files made from fields themselves rather than from their values on a grid."""

    field_suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of such files, in lower case."""

    @abc.abstractmethod
    def write_field(self, field: Field, path: str | Path, *, shape: Sequence[int]) -> None:
        """Write a batch of fields to one file of ``field_suffixes``, evaluated wherever the file needs them.

        Args:
            field: Fields to write.
            path: Path of the file.
            shape: Sampling density, as the array shape of a render of the whole domain.

        Raises:
            ConfigError: The shape does not suit such files.
        """


@runtime_checkable
class DescribesData(Protocol):
    """Reports on data whose reading needs a choice, such as a level: ``inrgan info`` lists the choices."""

    @abc.abstractmethod
    def describe(self, data: DataPath, *, labels: bool | str = False) -> DataReport:
        """What a data set holds, with a warning for every choice that training needs and was not made.

        Args:
            data: Data as for ``Modality.source``.
            labels: Labels, as for ``Modality.source``.

        Raises:
            DataError: The data cannot be read whatever the choice is.
        """


@runtime_checkable
class KeepsAttributes(Protocol):
    """Files of samples that state what the data of the training stated of themselves, such as names and units."""

    @abc.abstractmethod
    def with_attributes(self, attributes: tuple[str, ...]) -> Any:
        """Adapter that writes these attributes; equal to this one, since they change no training.

        Args:
            attributes: Words NAME=TEXT of the source (``AbstractSource.attributes``).
        """


@runtime_checkable
class MovesAlongAxis(Protocol):
    """Signals that move along one axis of the domain, as videos do in time."""

    @abc.abstractmethod
    def paths(self, spacing: float) -> AxisPaths:
        """Paths that move signals along the axis, for samples no finer than ``spacing``.

        The adapter's encoding must be a ``TravellingEncoding``, and the backbone ``multiscale`` or ``pointwise``.
        """


@runtime_checkable
class HasPartialObservations(Protocol):
    """Items that are known in part, or at fixed points, such as images with holes or measuring stations.

    Their sources state it (``AbstractSource.partial_observations``). Training on them requires the loss ``points``
    alone, without symmetries and augmentation.
    """

    @abc.abstractmethod
    def observation_view(self, items: Sequence[Any], view: View) -> View:
        """Points at which items are known, instead of arbitrary points of the domain.

        Training calls this in every step and evaluates both reals and fakes at these points: parts unknown in an item
        are hidden in the paired fake as well, and do not help the critic. For images with holes these are the given
        points, with weight 0 where nothing is known; for stations, the stations, padded to one number with points of
        weight 0. (Measurements applied to generated signals: Bora et al. 2018, "AmbientGAN".)

        Args:
            items: Decoded items.
            view: An equal number of points for each item, uniform by measure.

        Returns:
            View with a row for each item, whose weights have mean 1 for each. ``observe`` is then called with it, and
            may return any finite number where the weight is 0.
        """


@runtime_checkable
class HasRegionsOfInterest(Protocol):
    """Parts of an item that patches and points of a training should cover, such as a surface."""

    @abc.abstractmethod
    def regions_of_interest(self, item: Any, *, count: int, generator: torch.Generator) -> Float[Tensor, "K D"] | None:
        """Random points in an item's regions of interest; None where there are none, NaN where a search found none.

        Args:
            item: Decoded item.
            count: Number of points, K.
            generator: Generator of the random draws.
        """


@runtime_checkable
class HasFieldLoss(Protocol):
    """Loss on generated fields alone, such as on their slopes."""

    @abc.abstractmethod
    def field_loss_view(self, batch: int, *, generator: torch.Generator) -> View | None:
        """Points of the loss, on the CPU; None where there is no loss.

        Args:
            batch: Number of fields.
            generator: Generator of the random draws.
        """

    @abc.abstractmethod
    def field_loss(self, field: Field, view: View) -> Float[Tensor, ""]:
        """Contribution of fields alone to the generator's loss.

        Args:
            field: Batch of generated fields; the loss is differentiable in their weights.
            view: Points from ``field_loss_view``.
        """
