"""Features of signals: random convolutions, and Inception features with weights."""

import hashlib
import importlib
import pickle
from abc import ABC, abstractmethod
from itertools import pairwise
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inrgan.errors import ConfigError, DataError, MissingDependency, ShapeError
from inrgan.images import to_bytes

_STAGES = 4
_SLOPE = 0.2
_SMALLEST_SIDE = 8
# About equally many taps (9, 25, 27) whatever the number of axes.
_FIRST_KERNEL = {1: 9, 2: 5, 3: 3}
_CALIBRATION_SIDE = {1: 256, 2: 64, 3: 32}
_CALIBRATION_ITEMS = 16


class AbstractFeatures(ABC):
    """A fixed map from signals to feature vectors.

    Example:
        >>> issubclass(RandomConvFeatures, AbstractFeatures)
        True
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in protocols: everything that changes the values."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of features F."""

    @abstractmethod
    def __call__(self, values: Float[Tensor, "..."]) -> Float[Tensor, "N F"]:
        """Map signals (N, C, *spatial) in [-1, 1] to features (N, F), without gradients."""


@final
class RandomConvFeatures(AbstractFeatures):
    """Features of a fixed random convolutional network, the same on every machine up to rounding.

    Four stages of stride 2 with orthogonal filters and leaky ReLU. The scale and shift of every channel are
    set once so that its response before the ReLU has mean b and deviation 1 on a built-in set of noise with
    equal power in every octave; b is drawn from N(0, 0.5^2). The features are the spatial mean and the
    spatial deviation of every channel of every stage, and the last stage averaged onto a grid of 2 per
    axis. They are not semantic: distances compare textures, contrast, colour and coarse layout,
    and values are comparable only between runs that state the same name. All arithmetic is float64.

    Args:
        channels: Channels C of the signals.
        dims: Spatial axes, 1, 2 or 3.
        width: Channels of every stage; F = (8 + 2**dims) * width, so 160, 192 or 256 by default.
        seed: Seed of the filters.
        batch: Items computed at once; does not change the result beyond rounding.

    Raises:
        ConfigError: Another number of axes, or a number below 1.

    Example:
        >>> RandomConvFeatures(3, dims=2)(torch.zeros(5, 3, 32, 32)).shape
        torch.Size([5, 192])

    Paper:
        None for this network. Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models,
        2020, also use embeddings by untrained networks where no pre-trained one fits the data.
    """

    def __init__(self, channels: int, *, dims: int, width: int = 16, seed: int = 0, batch: int = 64):
        if dims not in _FIRST_KERNEL:
            raise ConfigError(f"dims is {dims}; expected 1, 2 or 3; fold further axes into items or channels")
        for label, number in (("channels", channels), ("width", width), ("batch", batch)):
            if number < 1:
                raise ConfigError(f"{label} is {number}; expected 1 or more")
        self._channels, self._dims, self._width, self._seed, self._batch = channels, dims, width, seed, batch
        self._stages = _make_stages(channels, dims=dims, width=width, seed=seed)

    @property
    def name(self) -> str:
        made_for = f"dims={self._dims}, channels={self._channels}, width={self._width}"
        return f"random-conv-v1({made_for}, seed={self._seed})"

    @property
    def size(self) -> int:
        return (2 * _STAGES + 2**self._dims) * self._width

    @torch.no_grad()
    def __call__(self, values: Float[Tensor, "..."]) -> Float[Tensor, "N F"]:
        """Map signals to features.

        Args:
            values: (N, C, *spatial), every side at least 8 samples, on any device with float64.

        Returns:
            (N, F), float64, on the device of the signals.

        Raises:
            ShapeError: Other channels or axes than the network was made for, no items, or a side too short.

        Example:
            >>> RandomConvFeatures(1, dims=1)(torch.zeros(5, 1, 100)).shape
            torch.Size([5, 160])
        """
        if values.ndim != self._dims + 2 or values.shape[1] != self._channels or len(values) == 0:
            raise ShapeError(
                f"got signals of shape {tuple(values.shape)}; expected one item or more, {self._channels} "
                f"channels and {self._dims} spatial axes; make RandomConvFeatures for the signals at hand"
            )
        if min(values.shape[2:]) < _SMALLEST_SIDE:
            raise ShapeError(
                f"got signals of spatial size {tuple(values.shape[2:])}; expected at least "
                f"{_SMALLEST_SIDE} samples along every axis; evaluate at a finer resolution"
            )
        stages = [(weight.to(values.device), bias.to(values.device)) for weight, bias in self._stages]
        return torch.cat([self._describe(part.double(), stages) for part in values.split(self._batch)])

    def _describe(self, values: Tensor, stages: list[tuple[Tensor, Tensor]]) -> Tensor:
        parts = []
        for weight, bias in stages:
            values = F.leaky_relu(_convolve(values, weight, bias=bias), _SLOPE)
            flat = values.flatten(2)
            parts += [flat.mean(2), flat.var(2, unbiased=False).sqrt()]
        pool = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}[self._dims]
        parts.append(pool(values, 2).flatten(1))
        return torch.cat(parts, dim=1)


def _make_stages(channels: int, *, dims: int, width: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator("cpu").manual_seed(seed)
    values = _calibration_noise(channels, dims=dims, generator=generator)
    stages = []
    counts = [channels] + [width] * _STAGES
    for index, (before, after) in enumerate(pairwise(counts)):
        kernel = _FIRST_KERNEL[dims] if index == 0 else 3
        weight = _orthogonal(after, before * kernel**dims, generator=generator)
        weight = weight.reshape(after, before, *[kernel] * dims)
        response = _convolve(values, weight, bias=None).transpose(0, 1).flatten(1)
        scale = 1 / response.std(1)
        shift = 0.5 * torch.randn(after, generator=generator, dtype=torch.float64) - response.mean(1) * scale
        weight = weight * scale.reshape(-1, *[1] * (dims + 1))
        stages.append((weight, shift))
        values = F.leaky_relu(_convolve(values, weight, bias=shift), _SLOPE)
    return stages


def _orthogonal(rows: int, columns: int, *, generator: torch.Generator) -> Float[Tensor, "R C"]:
    """Orthonormal rows, or orthonormal columns where there are more rows than columns."""
    noise = torch.randn(max(rows, columns), min(rows, columns), generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(noise)
    # A QR decomposition is unique only up to signs, which libraries choose differently.
    q = q * r.diagonal().sign()
    return q if rows >= columns else q.T


def _calibration_noise(channels: int, *, dims: int, generator: torch.Generator) -> Tensor:
    """Noise with equal power in every octave, deviation 0.5: natural signals fall off roughly like this."""
    side = _CALIBRATION_SIDE[dims]
    total = torch.zeros(_CALIBRATION_ITEMS, channels, *[side] * dims, dtype=torch.float64)
    step = 1
    while step < side:
        shape = [_CALIBRATION_ITEMS, channels, *[side // step] * dims]
        total += F.interpolate(
            torch.randn(shape, generator=generator, dtype=torch.float64),
            scale_factor=float(step),
            mode="nearest",
        )
        step *= 2
    return 0.5 * total / total.std()


def _convolve(values: Tensor, weight: Tensor, *, bias: Tensor | None) -> Tensor:
    dims = values.ndim - 2
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dims]
    # Repeated borders: zeros would be an edge that a signal does not have, and reflection needs two
    # samples.
    padded = F.pad(values, [weight.shape[-1] // 2] * 2 * dims, mode="replicate")
    return convolve(padded, weight, bias, stride=2)


WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
_WEIGHTS_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS_FILE}"
_LAYER = "2048"


@final
class InceptionWeightsMissing(DataError):
    """The Inception weights are missing, or the file does not hold weights."""


@final
class InceptionFeatures(AbstractFeatures):
    """The 2048 pooled features of the Inception network that FID and KID are defined on.

    The network and its weights are torch-fidelity's conversion of the original ones; nothing is downloaded.
    The signals are rounded to 8 bits and resized to 299 x 299 as TensorFlow 1 does. The Fréchet and kernel
    distances of the features are computed by this package, not by torch-fidelity.

    Args:
        weights: File of weights; unset, the place where torch.hub and so torch-fidelity keep it.
        device: Device of the network.
        batch: Items computed at once.

    Raises:
        MissingDependency: torch-fidelity or torchvision is not installed.
        InceptionWeightsMissing: No such file, or not a file of weights.

    Example:
        >>> InceptionFeatures(device=torch.device("cpu"))(torch.zeros(5, 3, 64, 64)).shape  # doctest: +SKIP
        torch.Size([5, 2048])

    Paper:
        Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, section 2 (FID); Bińkowski et al.,
        Demystifying MMD GANs, 2018, section 4 (KID).
    """

    def __init__(self, *, weights: Path | None = None, device: torch.device, batch: int = 32):
        try:
            package = importlib.import_module("torch_fidelity")
        except ImportError as error:
            library = "torchvision" if error.name == "torchvision" else "torch-fidelity"
            raise MissingDependency(library, extra="fid", why="scoring with FID or KID") from error
        path = find_inception_weights(weights)
        _check_weights(path)
        # The name is only torch-fidelity's label; a weights path keeps it from downloading.
        try:
            network = package.FeatureExtractorInceptionV3("inrgan", [_LAYER], feature_extractor_weights_path=str(path))
        except RuntimeError as error:
            raise InceptionWeightsMissing(
                f"{path} holds other weights than those of torch-fidelity's Inception network; expected "
                f"{WEIGHTS_FILE}; download it from {_WEIGHTS_URL}"
            ) from error
        self._network = network.to(device)
        self._device, self._batch = device, batch
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        self._name = f"inception-v3(torch-fidelity {package.__version__}, weights sha256 {digest}, layer {_LAYER})"

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int:
        return int(_LAYER)

    @torch.no_grad()
    def __call__(self, values: Float[Tensor, "..."]) -> Float[Tensor, "N F"]:
        """Map signals to features.

        Args:
            values: (N, 3, H, W) in [-1, 1]; values beyond are clipped.

        Returns:
            (N, 2048), float32, on the device of the signals.

        Raises:
            ShapeError: Other than 3 channels and 2 spatial axes, or no items.

        Example:
            >>> features = InceptionFeatures(device=torch.device("cpu"))  # doctest: +SKIP
            >>> features(torch.zeros(5, 3, 64, 64)).shape  # doctest: +SKIP
            torch.Size([5, 2048])
        """
        if values.ndim != 4 or values.shape[1] != 3 or len(values) == 0:
            raise ShapeError(
                f"got signals of shape {tuple(values.shape)}; Inception features are defined for (items, 3, "
                'height, width) with one item or more; use "frechet" and "kernel" instead'
            )
        parts = []
        for part in values.split(self._batch):
            (features,) = self._network(to_bytes(part).to(self._device))
            parts.append(features.to(values.device))
        return torch.cat(parts)


def find_inception_weights(weights: Path | None = None) -> Path:
    """The file of Inception weights; nothing is downloaded.

    Args:
        weights: The file, if not where torch.hub keeps it.

    Returns:
        An existing file.

    Raises:
        InceptionWeightsMissing: With the place that was searched and how to get the file.

    Example:
        >>> find_inception_weights().name  # doctest: +SKIP
        'weights-inception-2015-12-05-6726825d.pth'
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE if weights is None else weights
    if not path.is_file():
        raise InceptionWeightsMissing(
            f"no Inception weights at {path}; expected the file {WEIGHTS_FILE} there; download it from "
            f"{_WEIGHTS_URL} and put it there, or pass its path as weights"
        )
    return path


def _check_weights(path: Path) -> None:
    # torch-fidelity unpickles the file without restrictions; what loads with restrictions is safe to load so.
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InceptionWeightsMissing(
            f"{path} is not a readable file of weights ({type(error).__name__}); expected {WEIGHTS_FILE}; "
            f"download it again from {_WEIGHTS_URL}"
        ) from error
