"""The contract of an adapter: what inrgan needs to know of a kind of signal. Optional members: ``capabilities``."""

import abc
import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from inrgan._parsing import parse_shape, to_plain
from inrgan.data import AbstractSource
from inrgan.discriminators import AbstractCritic, AbstractPatchCritic, PatchCritic, ScatteredCritic
from inrgan.domains import AbstractDomain
from inrgan.encodings import AbstractEncoding, FourierEncoding
from inrgan.metrics import AbstractFeatures, Metric, RandomConvFeatures
from inrgan.samplers import AbstractSampler
from inrgan.sizes import Backbone, CriticSizes, GeneratorSizes, generator_preset
from inrgan.views import View

__all__ = ["Backbone", "CriticSizes", "GeneratorSizes", "Modality"]


class Modality(abc.ABC):
    """One kind of signal: its domain, its files, its critic and its scores.

    Subclasses are frozen dataclasses whose fields are plain JSON values: a checkpoint stores the name and the
    fields, and rebuilds the adapter from them. ``resolution`` must be among the fields; it is the number of
    samples along the shortest side in training, and rendering is free of it.

    A subclass must define the abstract members, may override the others, and may have any of the capabilities in
    ``inrgan.capabilities``. ``inrgan.testing.check_modality`` tests one from outside.
    """

    name: ClassVar[str]
    """Name on the command line."""

    requires: ClassVar[tuple[str, ...]] = ()
    """Import names of the libraries needed beyond the core's; they are in the extra of the adapter's name."""

    default_metrics: ClassVar[tuple[str, ...]] = ("swd", "frechet", "precision", "recall")
    """Default scores of ``evaluate``."""

    real_filter: ClassVar[str] = "lanczos3"
    """Filter that band-limits reals in ``observe``, as the protocol of a score states it."""

    latent_parts: ClassVar[tuple[str, ...]] = ()
    """Names of parts of a latent that have seeds of their own (``--part-seeds NAME=SEEDS``); layers of
    a backbone may ask for one (``LayerSpec.part``)."""

    whole_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes, in lower case, of files that hold the whole domain: no region and no named view is written there."""

    renamed_fields: ClassVar[Mapping[str, str]] = {}
    """Fields that had another name in earlier versions, old name to new: checkpoints with the old ones still load."""

    resolution: int

    @property
    @abc.abstractmethod
    def domain(self) -> AbstractDomain:
        """The domain of the signal's coordinates."""

    @property
    @abc.abstractmethod
    def signal_channels(self) -> int:
        """Number of values at a point, C."""

    @abc.abstractmethod
    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        """Open a data set, or the built-in synthetic one where ``data`` is None.

        Args:
            data: Folder, zip or shards.
            labels: True to label items by the folder they lie in, or a pattern of their names; see
                ``inrgan.data.labels_of``.
            seed: Seed of built-in data.

        Raises:
            DataError: The data are missing, empty or unreadable.
        """

    @abc.abstractmethod
    def observe(self, items: Sequence[Any], view: View) -> Float[Tensor, "B C *S"]:
        """Resample decoded items at a view, anti-aliased to its spacing, with values in [−1, 1].

        Args:
            items: What the adapter's source gives: arrays, or items of its own class.
            view: One view for all items, or a batch with one for each (``view.row(i)``).
        """

    @abc.abstractmethod
    def item_spacing(self, item: Any) -> float:
        """Distance between the samples of a decoded item, in coordinate units; finer views are not made of it."""

    @abc.abstractmethod
    def critic(self, sizes: CriticSizes) -> AbstractCritic:
        """The critic of full signals."""

    @abc.abstractmethod
    def write(self, values: Float[Tensor, "B C *S"], path: str | Path) -> None:
        """Write one or several signals to one file, by its suffix.

        Raises:
            ConfigError: The suffix cannot be written.
        """

    def write_interpolation(self, values: Float[Tensor, "T C *S"], path: str | Path, *, rate: float) -> None:
        """Write the steps of an interpolation to one file, by its suffix; one after the other as ``write``, by default.

        Args:
            values: Signals, one for each step.
            path: Path of the file.
            rate: Steps per second, for formats that have a clock.

        Raises:
            ConfigError: The suffix cannot be written.
        """
        del rate
        self.write(values, path)

    @property
    def preview_suffix(self) -> str:
        """Suffix of the run directory's reals and fakes, with its dot; ``.npy`` by default."""
        return ".npy"

    def encoding(self, spacing: float) -> AbstractEncoding:
        """The encoding for samples no finer than ``spacing``; Fourier features of the domain by default."""
        return FourierEncoding(
            self.domain.coord_dim, longest_period=self.domain.longest_period, spacing=spacing, octaves=3, oblique=64
        )

    def whole_sampler(self, sampler: AbstractSampler) -> AbstractSampler:
        """The sampler of full-domain views in training, such as one that takes a few frames; unchanged by default."""
        return sampler

    def patch_critic(self, sizes: CriticSizes, *, patch: int, whole: int, context: bool) -> AbstractPatchCritic:
        """The critic of dense patches, conditioned on global context; residual convolutions by default.

        Args:
            sizes: Sizes of the networks.
            patch: Samples along a side of a patch.
            whole: Samples along the shortest side of the coarse full-domain view.
            context: False for a critic of the patch alone.
        """
        return PatchCritic(
            self.domain, self.signal_channels, patch=patch, whole=whole, width=sizes.width,
            max_width=sizes.max_width, classes=sizes.classes, context=context,
        )  # fmt: skip

    def points_critic(self, sizes: CriticSizes, *, count: int) -> AbstractCritic:
        """The critic of signals at scattered points; a continuous convolution over neighbors by default.

        Args:
            sizes: Sizes of the network.
            count: Nominal number of points.

        Raises:
            ConfigError: This kind of signal has no critic of scattered points.
        """
        return ScatteredCritic(
            self.domain, self.signal_channels, count=count, resolution=self.resolution, width=sizes.width,
            max_width=sizes.max_width, classes=sizes.classes,
        )  # fmt: skip

    def metrics(self) -> Mapping[str, Metric]:
        """Scores of this kind of signal beside the general ones, by name; one of the same name replaces a general one.

        They compare signals on full-domain views.
        """
        return {}

    def features(self) -> AbstractFeatures:
        """The map from signals to the vectors behind Fréchet distance, precision and recall."""
        return RandomConvFeatures(self.signal_channels, dims=self.domain.grid_dim, seed=0)

    def generator_sizes(self, preset: str, *, backbone: Backbone | None = None) -> GeneratorSizes:
        """Sizes of a generator's preset; those that suit images by default.

        Args:
            preset: ``tiny``, ``base`` or ``large``.
            backbone: Kind of backbone; the one that suits this kind of signal where None.

        Raises:
            ConfigError: The preset is unknown.
        """
        return generator_preset(preset, resolution=self.resolution, backbone=backbone or "multiscale")

    def view_sizes(self) -> Mapping[str, int]:
        """Sizes for what ``LossOptions`` leaves at 0 (``patch``, ``whole``, ``lowest``); general ones where absent."""
        return {}

    def array_shape(self, text: str | None) -> tuple[int, ...]:
        """The array shape that ``--resolution`` asks for: the whole domain's by default, or sizes like ``48x64``.

        Args:
            text: Value of the flag; the training resolution where None.

        Raises:
            ConfigError: The text is none of the two, or has a size of 0 or the wrong number of sizes.
        """
        return parse_shape(text, domain=self.domain, default=self.resolution)

    def previews(self) -> tuple[str, ...]:
        """Suffixes of the files that show reals and fakes in a run directory; ``preview_suffix`` alone by default."""
        return (self.preview_suffix,)

    def at(self, resolution: int) -> "Modality":
        """The same adapter over the same domain, trained at another resolution."""
        return dataclasses.replace(self, resolution=resolution)  # type: ignore[type-var]

    @classmethod
    def missing(cls) -> tuple[str, ...]:
        """Which of ``requires`` are not installed."""
        return tuple(name for name in cls.requires if importlib.util.find_spec(name) is None)

    def arguments(self) -> dict[str, Any]:
        """The fields as plain JSON values, from which ``type(self)(**arguments)`` rebuilds this adapter."""
        return to_plain(self)
