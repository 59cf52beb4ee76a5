"""GANs whose generator makes functions instead of pixels.

>>> from inrgan import Generator, ImageModality
>>> field = Generator(ImageModality(resolution=64), preset="tiny").sample([0, 1])
>>> field.render((512, 1024)).shape
torch.Size([2, 3, 512, 1024])
"""

# pyright: reportUnsupportedDunderAll=false

from typing import Any

from inrgan.discriminators import AbstractCritic, ResidualCritic
from inrgan.domains import AbstractDomain, Box, Sphere, Surface
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.modality import Modality
from inrgan.registry import BUILT_IN
from inrgan.resampling import resample
from inrgan.sizes import Backbone, CriticSizes, GeneratorSizes
from inrgan.views import View

__version__ = "0.1.0.dev0"

# Loaded on first use (typed by ``__init__.pyi``), so that `import inrgan` costs little more than `import torch`.
_LAZY = {
    "TrainConfig": "inrgan.training",
    "Trainer": "inrgan.training",
    **{target.partition(":")[2]: target.partition(":")[0] for target in BUILT_IN.values()},
}

__all__ = [
    "AbstractCritic",
    "AbstractDomain",
    "AudioModality",
    "Backbone",
    "Box",
    "CriticSizes",
    "Field",
    "Generator",
    "GeneratorSizes",
    "ImageModality",
    "Modality",
    "OccupancyModality",
    "ResidualCritic",
    "Sphere",
    "SphericalModality",
    "Surface",
    "SurfaceModality",
    "TrainConfig",
    "Trainer",
    "VideoModality",
    "View",
    "resample",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'inrgan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
