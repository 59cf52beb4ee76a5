"""Inception features through torch-fidelity, for FID and KID."""

import hashlib
import importlib
import pickle
from pathlib import Path
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import DataError, MissingDependency, ShapeError
from inrgan.metrics.features import AbstractFeatures
from inrgan.values import to_bytes

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
