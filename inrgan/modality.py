"""Contract of an adapter: what inrgan needs to know about a kind of signal. Optional members: ``capabilities``."""

import abc
import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from inrgan._parsing import parse_shape, to_plain
from inrgan.data import AbstractSource, DataPath
from inrgan.discriminators import AbstractCritic, AbstractPatchCritic, PatchCritic, ScatteredCritic
from inrgan.domains import AbstractDomain
from inrgan.encodings import AbstractEncoding, NoiseEncoding
from inrgan.metrics import AbstractFeatures, Metric, RandomConvFeatures
from inrgan.samplers import AbstractSampler
from inrgan.sizes import Backbone, CriticSizes, GeneratorSizes, generator_preset
from inrgan.views import View

__all__ = ["Backbone", "CriticSizes", "GeneratorSizes", "Modality"]


class Modality(abc.ABC):
    """One kind of signal: its domain, its files, its critic and its scores.

    Subclasses are frozen dataclasses whose fields are plain JSON values: a checkpoint stores the name and the fields,
    and rebuilds the adapter from them. One field must be ``resolution``, the number of samples along the shortest side
    in training; rendering is independent of it.

    A subclass must define the abstract members, may override the others, and may have any of the capabilities in
    ``inrgan.capabilities``. ``inrgan.testing.check_modality`` tests its public behavior.
    """

    name: ClassVar[str]
    """Name on the command line."""

    requires: ClassVar[tuple[str, ...]] = ()
    """Import names of libraries needed beyond the core's, which the extra of the adapter's name installs."""

    default_metrics: ClassVar[tuple[str, ...]] = ("swd", "frechet", "precision", "recall")
    """Default scores of ``evaluate``."""

    real_filter: ClassVar[str] = "lanczos3"
    """Filter that band-limits reals in ``observe``, as stated in the protocol of a score."""

    latent_parts: ClassVar[tuple[str, ...]] = ()
    """Names of latent parts with separate seeds (``--part-seeds NAME=SEEDS``). Layers of a backbone may use one
    (``LayerSpec.part``)."""

    whole_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes, in lower case, of files of the whole domain only: regions and named views cannot be written to them."""

    renamed_fields: ClassVar[Mapping[str, str]] = {}
    """Fields that had another name in earlier versions, old name to new, so that old checkpoints load."""

    resolution: int

    @property
    @abc.abstractmethod
    def domain(self) -> AbstractDomain:
        """Domain of the signal's coordinates."""

    @property
    @abc.abstractmethod
    def signal_channels(self) -> int:
        """Number of values at a point, C."""

    @abc.abstractmethod
    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        """Open a data set, or the built-in synthetic one where ``data`` is None.

        Args:
            data: Folder, zip or shards.
            labels: True to label items by their folder, or a pattern of their names; see ``inrgan.data.labels_of``.
            seed: Seed of built-in data.

        Raises:
            DataError: The data are missing, empty or unreadable.
        """

    @abc.abstractmethod
    def observe(self, items: Sequence[Any], view: View) -> Float[Tensor, "B C *S"]:
        """Resample decoded items at a view, anti-aliased to its spacing, with values in [−1, 1].

        Args:
            items: Items of the adapter's source: arrays, or objects of its own class.
            view: One view for all items, or a batch with one for each (``view.row(i)``).
        """

    @abc.abstractmethod
    def item_spacing(self, item: Any) -> float:
        """Distance between the samples of a decoded item, in coordinate units; views may not be finer."""

    @abc.abstractmethod
    def critic(self, sizes: CriticSizes) -> AbstractCritic:
        """Critic of full signals."""

    @abc.abstractmethod
    def write(self, values: Float[Tensor, "B C *S"], path: str | Path) -> None:
        """Write one or several signals to one file, by its suffix.

        Raises:
            ConfigError: The suffix cannot be written.
        """

    def write_interpolation(self, values: Float[Tensor, "T C *S"], path: str | Path, *, rate: float) -> None:
        """Write the steps of an interpolation to one file, by its suffix; by default as ``write`` does, in sequence.

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
        """Encoding for samples no finer than ``spacing``; by default low octaves of sines and lattice noise."""
        return NoiseEncoding(self.domain.coord_dim, longest_period=self.domain.longest_period, spacing=spacing)

    def whole_sampler(self, sampler: AbstractSampler) -> AbstractSampler:
        """Sampler of full-domain views in training, such as one that takes a few frames; by default unchanged."""
        return sampler

    def patch_critic(self, sizes: CriticSizes, *, patch: int, whole: int, context: bool) -> AbstractPatchCritic:
        """Critic of dense patches, conditioned on global context; by default residual convolutions.

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
        """Critic of signals at scattered points; by default a continuous convolution over neighbors.

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
        """Further scores of this kind of signal, by name; one of the same name replaces a general one.

        They compare signals on full-domain views.
        """
        return {}

    def features(self) -> AbstractFeatures:
        """Map from signals to the feature vectors of Fréchet distance, precision and recall."""
        return RandomConvFeatures(self.signal_channels, dims=self.domain.grid_dim, seed=0)

    def generator_sizes(self, preset: str, *, backbone: Backbone | None = None) -> GeneratorSizes:
        """Generator sizes of a preset; by default those that suit images.

        Args:
            preset: ``tiny``, ``base`` or ``large``.
            backbone: Kind of backbone; None for the one that suits this kind of signal.

        Raises:
            ConfigError: The preset is unknown.
        """
        return generator_preset(preset, resolution=self.resolution, backbone=backbone or "multiscale")

    def view_sizes(self) -> Mapping[str, int]:
        """Sizes for view options that are 0 (``patch``, ``whole``, ``lowest``); general ones where absent."""
        return {}

    def array_shape(self, text: str | None) -> tuple[int, ...]:
        """Array shape of ``--resolution``: by default that of the whole domain, or sizes like ``48x64``.

        Args:
            text: Value of the flag; None for the training resolution.

        Raises:
            ConfigError: The text is neither, or has a size of 0 or the wrong number of sizes.
        """
        return parse_shape(text, domain=self.domain, default=self.resolution)

    def previews(self) -> tuple[str, ...]:
        """Suffixes of the reals and fakes in a run directory; by default ``preview_suffix`` alone."""
        return (self.preview_suffix,)

    def at(self, resolution: int) -> "Modality":
        """The same adapter on the same domain, for another training resolution."""
        return dataclasses.replace(self, resolution=resolution)  # type: ignore[type-var]

    @classmethod
    def missing(cls) -> tuple[str, ...]:
        """Names in ``requires`` that are not installed."""
        return tuple(name for name in cls.requires if importlib.util.find_spec(name) is None)

    def arguments(self) -> dict[str, Any]:
        """Fields as plain JSON values, from which ``type(self)(**arguments)`` rebuilds this adapter."""
        return to_plain(self)
