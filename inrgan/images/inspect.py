"""What image files say of themselves before training: sizes, kinds, and the range of their values."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inrgan.data import AbstractInspector, DataReport, Measure, Range
from inrgan.errors import DataError
from inrgan.images.coding import png_gamma
from inrgan.images.color import keeps_colors, profile_name
from inrgan.images.deep import is_deep_color, reads_deep_color
from inrgan.images.formats import open_image, unread_suffixes
from inrgan.images.npy import npy_header
from inrgan.images.read import StoredImage, read_stored, signal_of

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_SAMPLES, _SIZE, _CHANNELS, _PROFILE, _ALPHA, _FRAMES = (
    "samples along the shorter side", "size", "channels", "color profile", "alpha", "frames or pages",
)  # fmt: skip
_VALUES, _CLIPPED, _FLAT = "values of", "clipped values", "contrast"
_NO_PROFILE, _SEVERAL = "no color profile", "several frames"
_LOW_CONTRAST = 0.25
"""Fraction of the range of a format below which values are probably meant for another range."""
_MOST_CLIPPED = 1.0


@dataclass(frozen=True)
class ImageInspector(AbstractInspector):
    """Inspector of image files, of flat and spherical images.

    Attributes:
        channels: Number of channels of the training.
        resolution: Samples along the shorter side of the domain that full-domain views need.
        samples: Function from rows and columns to the samples of an image along the shorter side of the domain.
        low: Stored value that becomes −1, if stated.
        high: Stored value that becomes 1, if stated.
        check: Function that raises DataError for an image (rows, columns) that is refused.

    Example:
        >>> ImageInspector(channels=3, resolution=64, samples=min).header("a.png", data)["size"]
        'at least 64 samples'
    """

    channels: int
    resolution: int
    samples: Callable[[int, int], float]
    low: float | None = None
    high: float | None = None
    check: Callable[[str, int, int], None] | None = None

    reads_headers = True

    @property
    def unread(self) -> Mapping[str, str]:  # type: ignore[override]
        return unread_suffixes()

    @property
    def units(self) -> Mapping[str, str]:  # type: ignore[override]
        return {"width": "pixels", "height": "pixels", _CLIPPED: "% of an image"}

    def header(self, name: str, data: bytes) -> Mapping[str, Measure] | None:
        if name.lower().endswith(".npy"):
            return self._npy(name, data)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of files that are cut short, as this one may be
            try:
                with open_image(data) as image:
                    return self._pillow(image)
            except Exception:  # Pillow's decoders raise all kinds of errors; decoding reports them
                return None

    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        stored = read_stored(name, data, channels=self.channels)
        colors = stored.values[:-1] if stored.alpha and len(stored.values) == self.channels else stored.values
        finite = colors[np.isfinite(colors)] if colors.dtype.kind == "f" else colors
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
            found[f"{_VALUES} {_depth(stored)}"] = (low, high)
            found[_FLAT] = "constant images" if low == high else "images that vary"
            if self.low is not None and self.high is not None:
                found[_CLIPPED] = 100 * float(np.mean((finite < self.low) | (finite > self.high)))
        signal_of(name, stored, channels=self.channels, low=self.low, high=self.high)
        if self.check is not None:
            self.check(name, stored.values.shape[1], stored.values.shape[2])

    def advice(self, report: DataReport) -> tuple[list[str], list[str]]:
        notes, warned = self._kinds(report), [*self._sizes(report), *self._channels(report)]
        for name, values in report.ranges.items():
            if name.startswith(_VALUES):
                warned += self._contrast(values, name.removeprefix(f"{_VALUES} "))
        clipped = report.ranges.get(_CLIPPED)
        if clipped is not None and clipped.high > _MOST_CLIPPED:
            notes.append(
                f"values outside {self.low:g} to {self.high:g} are clipped: up to {clipped.high:.3g}% of an image"
            )
        return notes, warned

    def _pillow(self, image: Any) -> dict[str, Measure]:
        columns, rows = image.size
        if image.getexif().get(_ORIENTATION) in _TURNED:
            rows, columns = columns, rows
        found = self._size(rows, columns)
        profile = image.info.get("icc_profile")
        bits = "16 bits or more" if image.mode.startswith(("I", "F")) else "8 bits"
        if is_deep_color(image):
            kept = reads_deep_color() and png_gamma(image) is None and keeps_colors(image, profile)
            bits = "16 bits" if kept else "16 bits, of which 8 are read"
        found["pixels"] = f"{image.mode} with {bits}"
        found[_PROFILE] = f"profile {profile_name(profile)}" if profile else _NO_PROFILE
        if (gamma := png_gamma(image)) is not None:
            found[_PROFILE] = f"gamma {1 / gamma:.3g}"
        found[_ALPHA] = "with alpha" if image.has_transparency_data else "opaque"
        found[_FRAMES] = _SEVERAL if getattr(image, "n_frames", 1) > 1 else "one frame"
        return found

    def _npy(self, name: str, data: bytes) -> dict[str, Measure] | None:
        try:
            shape, _, dtype, _ = npy_header(name, data)
        except DataError:
            return None
        if len(shape) == 2:
            channels, (rows, columns) = 1, shape
        elif len(shape) == 3:
            first = shape[0] == self.channels or (shape[2] != self.channels and shape[0] < shape[2])
            channels, rows, columns = shape if first else (shape[2], *shape[:2])
        else:
            return {"pixels": f"npy of shape {shape}"}
        found: dict[str, Measure] = {"pixels": f"npy of {dtype}", _CHANNELS: f"{channels} channels"}
        return found | self._size(rows, columns) if min(rows, columns) > 0 else found

    def _size(self, rows: int, columns: int) -> dict[str, Measure]:
        samples = self.samples(rows, columns)
        enough = samples >= self.resolution / 1.001  # as training rounds
        size = f"at least {self.resolution} samples" if enough else f"below {self.resolution} samples"
        return {"width": columns, "height": rows, _SAMPLES: math.floor(samples * 1.001), _SIZE: size}

    def _sizes(self, report: DataReport) -> list[str]:
        small = report.kinds.get(_SIZE, {}).get(f"below {self.resolution} samples", 0)
        if not small:
            return []
        least = int(report.ranges[_SAMPLES].low)
        flag = f"; --resolution {least} takes all" if least >= 8 else f" (the smallest has {least})"
        return [
            f"{small} of {report.headers} images have fewer than the {self.resolution} samples along the shorter side "
            f"that training needs; they are skipped, since none is upsampled{flag}"
        ]

    def _channels(self, report: DataReport) -> list[str]:
        counts = {int(kind.split()[0]): n for kind, n in report.kinds.get(_CHANNELS, {}).items()}
        other = {channels: n for channels, n in counts.items() if channels != self.channels}
        if not other:
            return []
        flags = " or ".join(f"--channels {n}" for n in sorted(other)[:4])
        return [f"{sum(other.values())} .npy files have other than {self.channels} channels and are refused; {flags}"]

    def _kinds(self, report: DataReport) -> list[str]:
        notes, kinds = [], report.kinds
        alpha = kinds.get(_ALPHA, {}).get("with alpha", 0)
        if alpha and self.channels != 4:
            notes.append(f"{alpha} images have alpha and are composited over white; --channels 4 keeps alpha")
        profiles = sum(n for name, n in kinds.get(_PROFILE, {}).items() if name != _NO_PROFILE)
        if profiles:
            notes.append(f"{profiles} images have a color profile or gamma and are converted to sRGB")
        several = kinds.get(_FRAMES, {}).get(_SEVERAL, 0)
        if several:
            notes.append(f"{several} files have several frames or pages, of which the first is used")
        flat = kinds.get(_FLAT, {}).get("constant images", 0)
        if flat:
            notes.append(f"{flat} of the {report.examined} images that were decoded are constant")
        return notes

    def _contrast(self, values: Range, depth: str) -> list[str]:
        """A warning where values take a small part of the range that is mapped to −1 to 1."""
        low, high = (self.low, self.high) if self.low is not None and self.high is not None else _RANGES[depth]
        stated = "" if self.low is None else ", as --low and --high say"
        if values.low == values.high:
            return [f"all values of {depth} are {values.low:g}: there is nothing to learn"]
        if self.low is None and (values.low < low or values.high > high):
            return [f"values of {depth} run from {values.low:g} to {values.high:g}; {_flags(values, depth)} uses them"]
        unit = depth == "floats" and self.low is None and values.low >= 0
        if not unit and not values.high - values.low < _LOW_CONTRAST * (high - low):
            return []
        return [
            f"values of {depth} run from {values.low:g} to {values.high:g}, a part of {low:g} to {high:g}{stated}, and "
            f"would lose contrast; {_flags(values, depth)} uses the whole range"
        ]


_RANGES = {"8 bits": (0.0, 255.0), "16 bits": (0.0, 65535.0), "floats": (-1.0, 1.0), "integers": (0.0, 0.0)}
"""Stored values of −1 and 1 by kind of number; an empty range where there is none."""


def _depth(stored: StoredImage) -> str:
    if stored.values.dtype.kind == "f":
        return "floats"
    if math.isnan(stored.low):
        return "integers"
    return "8 bits" if stored.high == 255 else "16 bits"


def _flags(values: Range, depth: str) -> str:
    """The flags for measured values: a range that programs use if one fits, or else the measured one."""
    low, high = values.low, values.high
    if depth == "floats" and low >= 0 and 0.25 <= high <= 1:
        return "--low 0 --high 1"
    if depth == "floats" and low >= 0 and 64 <= high <= 255:
        return "--low 0 --high 255"
    if depth != "floats" and low >= 0 and low <= 0.25 * high:
        return f"--low 0 --high {2 ** math.ceil(math.log2(high + 1)) - 1}"
    step = 10.0 ** (math.floor(math.log10(high - low)) - 1)
    return f"--low {math.floor(low / step) * step:.6g} --high {math.ceil(high / step) * step:.6g}"
