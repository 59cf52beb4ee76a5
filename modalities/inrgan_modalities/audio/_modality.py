"""Audio: f(t)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import torch

from inrgan.augmentation import AbstractTransform, Affine, Polarity
from inrgan.capabilities import HasLongItems, HasSymmetries, HasTime, HasTransforms
from inrgan.data import AbstractSource, DataPath, open_source
from inrgan.discriminators import AbstractCritic, AbstractPatchCritic, ResidualCritic
from inrgan.domains import Box
from inrgan.encodings import AbstractEncoding, PeriodEncoding, SineEncoding
from inrgan.errors import ConfigError
from inrgan.metrics import AbstractFeatures, Metric
from inrgan.modality import Backbone, CriticSizes, GeneratorSizes, Modality
from inrgan.resampling import resample_long
from inrgan.views import View
from inrgan_modalities.audio._clip import Clip
from inrgan_modalities.audio._critic import AudioPatchCritic
from inrgan_modalities.audio._decode import suffixes
from inrgan_modalities.audio._inspect import AudioInspector
from inrgan_modalities.audio._metrics import LogMelFeatures, audio_metrics
from inrgan_modalities.audio._read import Reading
from inrgan_modalities.audio._synthetic import SyntheticAudio
from inrgan_modalities.audio._transforms import Delay, Equalizer, Jitter
from inrgan_modalities.audio._write import write_clips, write_interpolation


@dataclass(frozen=True)
class AudioModality(Modality, HasLongItems, HasSymmetries, HasTime, HasTransforms):
    """Audio clips of any sample rate and length, mono or stereo.

    The domain is the time from 0 to ``resolution / rate`` seconds. Shorter clips are followed by silence. Longer clips
    are cropped: training draws a new window in every step, and evaluation takes the middle.

    Raises:
        ConfigError: A number is out of range.

    Example:
        >>> AudioModality(resolution=8192, rate=8000).domain.upper
        (1.024,)
    """

    name: ClassVar[str] = "audio"
    requires: ClassVar[tuple[str, ...]] = ("soundfile", "torchaudio")
    default_metrics: ClassVar[tuple[str, ...]] = (
        "frechet", "spectral-convergence", "envelope", "voiced", "pitch", "ndb",
    )  # fmt: skip
    real_filter: ClassVar[str] = "kaiser-sinc"

    resolution: int = 16384
    """Number of samples of the training window."""
    rate: float = 16000.0
    """Samples per second in training; rendering may use any other rate."""
    channels: int = 1
    """Number of channels: 1 for mono, 2 for stereo."""
    trim: float = 0.0
    """Trim silence at both ends of every file that is this many dB below its loudest 20 ms, such as 40; 0 for off."""
    loudness: float = 0.0
    """Root mean square to which every file is scaled, in dB of full scale, such as -20; 0 for off."""
    remove_dc: bool = True
    """Subtract the mean from every file."""
    per_octave: float = 4.0
    """Smallest number of waves per octave; the spacing of the lattice may require more."""
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Periods of the folded parts of the patch critic; empty to leave them out."""
    frames: tuple[int, ...] = (512, 128)
    """Frame lengths of the complex spectrograms of the patch critic, in samples; empty to leave them out."""
    bend: float = 0.0
    """Largest shift of the frequencies of each clip, as a fraction of the distance between neighbors, with phases of
    their own; 0 for the same waves in all clips."""
    waves: Literal["periods", "siren"] = "periods"
    """Basis: waves with periods from the clip length down to the band limit, or the first layer of a SIREN."""

    def __post_init__(self):
        if self.resolution < 8:
            raise ConfigError(f"the audio resolution is {self.resolution} samples; expected 8 or more")
        if not 1 <= self.rate < math.inf:
            raise ConfigError(f"the rate is {self.rate} Hz; expected 1 or more, such as 16000")
        if self.channels not in (1, 2):
            raise ConfigError(f"audio has {self.channels} channels; expected 1 (mono) or 2 (stereo)")
        if not 0.1 <= self.per_octave <= 100:
            raise ConfigError(f"per_octave is {self.per_octave}; expected 0.1 to 100, such as 4")
        if not 0 <= self.bend <= 10:
            raise ConfigError(f"bend is {self.bend}; expected 0 to 10, such as 1")
        if min(self.periods, default=1) < 1 or min(self.frames, default=128) < 128 or any(n % 4 for n in self.frames):
            raise ConfigError(
                f"periods are {self.periods} and frames {self.frames}; expected 1 or more, and multiples of 4 from 128"
            )
        if not 0 <= self.trim <= 200 or not -100 <= self.loudness <= 0:
            raise ConfigError(f"trim is {self.trim} and loudness {self.loudness}; expected 0 to 200 and -100 to 0 dB")

    @property
    def seconds(self) -> float:
        """Length of the training window."""
        return self.resolution / self.rate

    @property
    def domain(self) -> Box:
        return Box(1, lower=(0.0,), upper=(self.seconds,), precision=torch.float64)

    @property
    def signal_channels(self) -> int:
        return self.channels

    @property
    def preview_suffix(self) -> str:
        return ".png"

    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        if data is None:
            return SyntheticAudio(seconds=self.seconds, rate=self.rate, channels=self.channels, seed=seed)
        reading = Reading(
            rate=self.rate, channels=self.channels, trim=self.trim, loudness=self.loudness, remove_dc=self.remove_dc
        )
        inspector = AudioInspector(reading, window=self.resolution)
        return open_source(data, suffixes=suffixes(), decode=reading, labels=labels, seed=seed, inspector=inspector)

    def observe(self, items: Sequence[Clip], view: View) -> torch.Tensor:
        return torch.cat([self._seen(clip, view.row(i)) for i, clip in enumerate(items)])

    def _seen(self, clip: Clip, view: View) -> torch.Tensor:
        """One clip, positioned so that its window covers the domain."""
        lower = -max(0.0, clip.seconds - self.seconds) * clip.position
        return resample_long(clip.samples, view, lower=lower, upper=lower + clip.seconds).to(torch.float32)

    def excerpt(self, item: Clip, position: float) -> Clip:
        return replace(item, position=position)

    def symmetries(self) -> tuple[AbstractTransform, ...]:
        return (Jitter(self.rate),)

    def transforms(self) -> tuple[AbstractTransform, ...]:
        knots = tuple(self.rate / 2 * 4.0**-k for k in range(3, -1, -1))
        return (Delay(self.seconds), Polarity(), Equalizer(knots), Affine(offset=0.0))

    def encoding(self, spacing: float) -> AbstractEncoding:
        if self.waves == "siren":
            # Sitzmann et al. 2020 scale time to ±100 and take ω₀ = 30 for audio: 3000 radians per half of the clip.
            return SineEncoding(1, highest=3000 / (2 * math.pi) / (self.seconds / 2), count=192)
        # Amplitudes on the fine lattice have to fill the gaps between the pointwise waves: its own band is 3/4 of
        # its Nyquist frequency to either side. On the lattices themselves, 64 waves or more identify a node.
        fine = self.domain.spacing(self._nodes)
        widest = 0.375 / fine if spacing < 0.99 * fine else 0.375 / spacing / 64
        if spacing >= 0.99 * fine:
            return PeriodEncoding(
                longest_period=self.domain.longest_period, spacing=spacing, per_octave=self.per_octave, widest=widest
            )
        # Noise fills the full band, including its faint end between 3/4 of Nyquist and Nyquist.
        return PeriodEncoding(
            longest_period=self.domain.longest_period, spacing=spacing, per_octave=self.per_octave, widest=widest,
            top=15 / 16, bend=self.bend,
        )  # fmt: skip

    @property
    def _nodes(self) -> int:
        """Number of cells of the fine lattice, one per 32 samples."""
        return max(4, self.resolution // 32)

    def generator_sizes(self, preset: str, *, backbone: Backbone | None = None) -> GeneratorSizes:
        sizes = super().generator_sizes(preset, backbone=backbone or "harmonic-bank")
        if not sizes.lattices:
            return sizes
        return replace(sizes, lattices=(max(4, self._nodes // 8), self._nodes))

    def critic(self, sizes: CriticSizes) -> ResidualCritic:
        # A block reduces four samples to one and doubles the channels: starting at half the width, most of the work
        # is done below the full rate.
        return ResidualCritic(
            1, self.channels, resolution=self.resolution, spacing=(1 / self.rate,), width=max(1, sizes.width // 2),
            max_width=sizes.max_width, classes=sizes.classes, kernel=9, stride=4,
        )  # fmt: skip

    def points_critic(self, sizes: CriticSizes, *, count: int) -> AbstractCritic:
        raise ConfigError("audio has no critic of scattered points; leave points out of --losses")

    def patch_critic(self, sizes: CriticSizes, *, patch: int, whole: int, context: bool) -> AbstractPatchCritic:
        # The patch critic has many parts; each is half as wide as the full-domain critic.
        return AudioPatchCritic(
            self.domain, self.channels, patch=patch, whole=whole, width=max(1, sizes.width // 2),
            max_width=max(1, sizes.max_width // 2), periods=self.periods,
            frames=[n for n in self.frames if n <= patch], classes=sizes.classes, context=context,
        )  # fmt: skip

    def features(self) -> AbstractFeatures:
        return LogMelFeatures(self.channels, seconds=self.seconds)

    def metrics(self) -> dict[str, Metric]:
        return audio_metrics(self.seconds)

    def view_sizes(self) -> dict[str, int]:
        quarter = max(8, self.resolution // 4)
        return {"patch": quarter, "whole": quarter, "lowest": quarter}

    def write(self, values: torch.Tensor, path: str | Path) -> None:
        write_clips(values, path, rate=values.shape[-1] / self.seconds)

    def write_interpolation(self, values: torch.Tensor, path: str | Path, *, rate: float) -> None:
        write_interpolation(values, path, rate=values.shape[-1] / self.seconds, steps_per_second=rate)

    def previews(self) -> tuple[str, ...]:
        return (".png", ".wav") if self.rate == round(self.rate) else (".png",)

    def window(
        self, *, rate: float | None = None, seconds: float | None = None, resolution: str | None = None
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        if resolution is not None:
            raise ConfigError("--rate and --seconds replace --resolution for audio; give one or the other")
        rate, seconds = self.rate if rate is None else rate, self.seconds if seconds is None else seconds
        if not 0 < rate < math.inf or not 0 < seconds < math.inf:
            raise ConfigError(f"the rate is {rate:g} Hz and the length {seconds:g} seconds; expected positive numbers")
        count = max(1, round(rate * seconds))
        return (count,), (0.0, count / rate)

    def over(self, shape: Sequence[int], region: Sequence[float] | None) -> "AudioModality":
        if region is None:
            return self
        return replace(self, resolution=shape[0], rate=shape[0] / (region[1] - region[0]))

    def item_spacing(self, item: Clip) -> float:
        return 1 / item.rate

    def at(self, resolution: int) -> "AudioModality":
        return replace(self, resolution=resolution, rate=self.rate * resolution / self.resolution)
