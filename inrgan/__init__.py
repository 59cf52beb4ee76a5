"""GANs whose generator makes functions instead of pixels.

>>> from inrgan import Generator, ImageModality
>>> field = Generator(ImageModality(resolution=64), preset="tiny").sample([0, 1])
>>> field.render((512, 1024)).shape
torch.Size([2, 3, 512, 1024])
"""

# pyright: reportUnsupportedDunderAll=false

from typing import Any

__version__ = "0.1.0.dev0"

# Loaded on first use (typed by ``__init__.pyi``). A program can so set what torch reads when it is loaded, such as
# ``inrgan.process.tune_process`` does, before anything loads torch.
_HOMES = {
    "AbstractCritic": "inrgan.discriminators",
    "AbstractDomain": "inrgan.domains",
    "Backbone": "inrgan.sizes",
    "Box": "inrgan.domains",
    "CriticSizes": "inrgan.sizes",
    "Field": "inrgan.field",
    "Generator": "inrgan.generator",
    "GeneratorSizes": "inrgan.sizes",
    "Modality": "inrgan.modality",
    "ResidualCritic": "inrgan.discriminators",
    "Sphere": "inrgan.domains",
    "Surface": "inrgan.domains",
    "TrainConfig": "inrgan.training",
    "Trainer": "inrgan.training",
    "View": "inrgan.views",
    "resample": "inrgan.resampling",
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
    import importlib

    home = _HOMES.get(name)
    if home is None and name in __all__:  # an adapter
        from inrgan.registry import BUILT_IN

        home = next(module for module, _, cls in (x.partition(":") for x in BUILT_IN.values()) if cls == name)
    if home is None:
        raise AttributeError(f"module 'inrgan' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
