"""The contract an adapter fulfils to bring a kind of signal to inrgan."""

import abc
import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from inrgan._parsing import parse_shape, to_plain
from inrgan._typing import Float, Tensor
from inrgan.augmentation import AbstractTransform
from inrgan.data import AbstractSource
from inrgan.discriminators import AbstractCritic, AbstractPatchCritic, PatchCritic, ScatteredCritic
from inrgan.domains import AbstractDomain
from inrgan.encodings import AbstractEncoding, AxisPaths, FourierEncoding
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.metrics import AbstractFeatures, Metric, RandomConvFeatures
from inrgan.samplers import AbstractSampler
from inrgan.sizes import Backbone, CriticSizes, GeneratorSizes, generator_preset
from inrgan.views import View


class Modality(abc.ABC):
    """One kind of signal: its domain, its files, its critic and its scores.

    Subclasses are frozen dataclasses whose fields are plain JSON values: a checkpoint stores the name and the
    fields, and rebuilds the adapter from them. ``resolution`` must be among the fields; it is the number of
    samples along the shortest side that training sees, and rendering is free of it.

    A subclass must define the abstract members. ``inrgan.testing.check_modality`` tests one from outside.
    """

    name: ClassVar[str]
    """As on the command line."""

    requires: ClassVar[tuple[str, ...]] = ()
    """Import names of the libraries it needs beyond the core's, in the extra of the adapter's name."""

    default_metrics: ClassVar[tuple[str, ...]] = ("swd", "frechet", "precision", "recall")
    """What ``evaluate`` measures unless told otherwise."""

    real_filter: ClassVar[str] = "lanczos3"
    """What band-limits reals in ``observe``, as the protocol of a score states it."""

    latent_parts: ClassVar[tuple[str, ...]] = ()
    """Names of parts of a latent that can be drawn apart from the rest, as ``--NAME-seed`` on the command line; layers
    of a backbone may ask for one (``LayerSpec.part``)."""

    whole_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of files that only the whole domain can fill, in lower case: no region and no named view goes there."""

    field_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of files that are made from fields themselves rather than from their values on a grid; see
    ``write_field``."""

    known_in_part: ClassVar[bool] = False
    """Whether items are known in part, or at places of their own: trainings look at them from ``seen_from``, with the
    loss ``points`` alone."""

    resolution: int

    @property
    @abc.abstractmethod
    def domain(self) -> AbstractDomain:
        """Where the signal lives."""

    @property
    @abc.abstractmethod
    def signal_channels(self) -> int:
        """C, the number of values at a point."""

    @abc.abstractmethod
    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        """Open a data set, or the built-in synthetic one where ``data`` is None.

        Args:
            data: folder or zip.
            labels: True to label items by the folder they lie in, or a pattern of their names, see
                ``inrgan.data.labels_of``.
            seed: of built-in data.

        Raises:
            DataError: missing, empty or unreadable data.
        """

    @abc.abstractmethod
    def observe(self, items: Sequence[Any], view: View) -> Float[Tensor, "B C *S"]:
        """Look at decoded items from a view: resampled, anti-aliased to its spacing, in [−1, 1].

        Items are what the adapter's own source gives: arrays, or ``AbstractLargeItem`` where it makes any. A view
        with a batch of its own has a place for each of them.
        """

    @abc.abstractmethod
    def item_spacing(self, item: Any) -> float:
        """Distance between the samples of a decoded item, in coordinate units: it serves no finer view."""

    @abc.abstractmethod
    def critic(self, sizes: CriticSizes) -> AbstractCritic:
        """A critic for whole signals."""

    @abc.abstractmethod
    def write(self, values: Float[Tensor, "B C *S"], path: str | Path) -> None:
        """Write one or several signals to one file, by its suffix.

        Raises:
            ConfigError: a suffix that cannot be written.
        """

    @abc.abstractmethod
    def write_walk(self, values: Float[Tensor, "T C *S"], path: str | Path, *, rate: float) -> None:
        """Write a walk through latent space, ``rate`` steps per second, to one file, by its suffix.

        Raises:
            ConfigError: a suffix that cannot be written.
        """

    def write_field(self, field: Field, path: str | Path, *, shape: Sequence[int]) -> None:
        """Write a batch of fields to one file of ``field_suffixes``, asking them wherever the file needs them.

        Args:
            field: the functions.
            path: of the file.
            shape: how finely, as the array shape of a render of the whole domain.

        Raises:
            ConfigError: there are no such files, as by default, or the shape does not suit them.
        """
        del field, shape
        raise ConfigError(f"{self.name} writes no fields to {Path(path).name}; write values on a grid")

    @property
    @abc.abstractmethod
    def preview_suffix(self) -> str:
        """Suffix of the run directory's reals and fakes, with its dot."""

    def encoding(self, spacing: float) -> AbstractEncoding:
        """The encoding for samples no finer than ``spacing``; Fourier features of the domain by default."""
        return FourierEncoding(
            self.domain.coord_dim, longest_period=self.domain.longest_period, spacing=spacing, octaves=3, oblique=64
        )

    def paths(self, spacing: float) -> AxisPaths | None:
        """What moves signals along an axis of the domain, for samples no finer than ``spacing``; nothing by default.

        Where there are any, the encoding is a ``TravellingEncoding``, and the backbone ``multiscale`` or ``pointwise``.
        """
        del spacing
        return None

    def whole_sampler(self, sampler: AbstractSampler) -> AbstractSampler:
        """What the critic of whole signals looks through in training; a sampler of the losses as it is, by default."""
        return sampler

    def patch_critic(self, sizes: CriticSizes, *, patch: int, whole: int, context: bool) -> AbstractPatchCritic:
        """A critic for dense patches in the light of the whole; residual convolutions by default.

        Args:
            sizes: of the networks.
            patch: samples along a patch's side.
            whole: samples along the shortest side of the coarse whole.
            context: False to show the patch alone.
        """
        return PatchCritic(
            self.domain, self.signal_channels, patch=patch, whole=whole, width=sizes.width,
            max_width=sizes.max_width, classes=sizes.classes, context=context,
        )  # fmt: skip

    def points_critic(self, sizes: CriticSizes, *, count: int) -> AbstractCritic:
        """A critic for signals at points that lie anywhere; a continuous convolution over neighbours by default.

        Args:
            sizes: of the network.
            count: nominal number of points.

        Raises:
            ConfigError: this kind of signal is not looked at from scattered points.
        """
        return ScatteredCritic(
            self.domain, self.signal_channels, count=count, resolution=self.resolution, width=sizes.width,
            max_width=sizes.max_width, classes=sizes.classes,
        )  # fmt: skip

    def augment(self, view: View, *, batch: int, generator: torch.Generator) -> View:
        """From where to look at reals instead, by the data's chance symmetries; the view itself by default.

        What is seen from there counts as seen from ``view``: a mirrored view makes mirrored signals. Views of
        one step are handed in with equal generators, so that a signal's patch and whole are mirrored alike.
        """
        del batch, generator
        return view

    def places(self, item: Any, *, count: int, generator: torch.Generator) -> Float[Tensor, "K D"] | None:
        """Places of an item that are worth a close look in training; None, as by default, where there are none.

        Places that were looked for and not found are NaN.

        Args:
            item: decoded.
            count: K, how many.
            generator: draws the places.
        """
        del item, count, generator
        return None

    def seen_from(self, items: Sequence[Any], view: View) -> View:
        """From where items that are known in part are seen instead of some points of the domain.

        Where ``known_in_part``, a training asks this in every step, and sees reals and fakes both from there: what is
        unknown of an item hides as much of the fake beside it, and tells nothing apart. Of pictures with holes these
        are the same points, with weight 0 where nothing is known; of stations the stations, filled up to one number
        with points of weight 0. (Measurements applied to what is generated: Bora et al. 2018, "AmbientGAN".)

        Args:
            items: decoded.
            view: as many points for each item, uniform by measure.

        Returns:
            A view of a batch of its own, its weights with mean 1 for each item; ``observe`` is then asked for the items
            from there, and may hand back any finite number where the weight is 0. The view itself by default.
        """
        del items
        return view

    def field_loss(self, field: Field, *, generator: torch.Generator) -> Float[Tensor, ""] | None:
        """What a training adds to the loss of the generator, of fields alone; None, as by default, for nothing.

        Args:
            field: a batch of generated fields; the loss is differentiable in what made them.
            generator: of every chance, on the CPU.
        """
        del field, generator
        return None

    def transforms(self) -> tuple[AbstractTransform, ...]:
        """What adaptive augmentation may do to reals and fakes alike; nothing by default."""
        return ()

    def metrics(self) -> Mapping[str, Metric]:
        """Scores of this kind of signal beside the general ones, by name; one of the same name replaces a general one.

        They are given signals as seen from a view of the whole domain.
        """
        return {}

    def features(self) -> AbstractFeatures:
        """The map from signals to vectors of which Fréchet distance, precision and recall are taken."""
        return RandomConvFeatures(self.signal_channels, dims=self.domain.grid_dim, seed=0)

    def named_view(self, text: str, *, resolution: int) -> View:
        """A place to look from, by a name of this kind of signal, as ``--view`` on the command line.

        Points of weight 0 are no part of the signal; the command line writes them as +inf, which no field takes.

        Args:
            text: a name, or a name, a colon and numbers.
            resolution: samples along the shortest side of the result.

        Raises:
            ConfigError: there is no such view; none at all by default.
        """
        raise ConfigError(f"the view {text!r} was asked of {self.name}, which has no named views; use a region")

    def generator_sizes(self, preset: str, *, backbone: Backbone | None = None) -> GeneratorSizes:
        """Sizes of a generator's preset; those that suit pictures by default.

        Args:
            preset: ``tiny``, ``base`` or ``large``.
            backbone: the one that suits this kind of signal where None.

        Raises:
            ConfigError: the preset is unknown.
        """
        return generator_preset(preset, resolution=self.resolution, backbone=backbone or "multiscale")

    def look_sizes(self) -> Mapping[str, int]:
        """Sizes that ``LossOptions`` leaves at 0: ``patch``, ``whole``, ``lowest``; the core's where absent."""
        return {}

    def array_shape(self, text: str | None) -> tuple[int, ...]:
        """The array shape that ``--resolution`` asks for: the whole domain's by default, or sizes like ``48x64``.

        Args:
            text: what was given; the training resolution where None.

        Raises:
            ConfigError: the text is none of the two, or has a size of 0 or the wrong number of sizes.
        """
        return parse_shape(text, domain=self.domain, default=self.resolution)

    def window(
        self, *, rate: float | None = None, seconds: float | None = None, resolution: str | None = None
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The shape and the region of what lasts so many seconds at a rate, as ``--rate`` and ``--seconds``.

        Args:
            rate: samples per second along the axis of time; the training's where None.
            seconds: from the start on; the domain's where None.
            resolution: ``--resolution``, for signals that have more axes than time.

        Raises:
            ConfigError: this kind of signal has no time, as by default, or a number is not positive.
        """
        del rate, seconds, resolution
        raise ConfigError(f"--rate and --seconds were given for {self.name}, which has no time; use --resolution")

    def over(self, shape: Sequence[int], region: Sequence[float] | None) -> "Modality":
        """The adapter as a writer of what was seen over a region; where files know nothing of regions, this one.

        Args:
            shape: of the array.
            region: lower corner, then upper corner, x first; the domain where None.
        """
        del shape, region
        return self

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
