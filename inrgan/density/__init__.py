"""Variable density: many samples where there is much detail, few elsewhere, with a fixed number of points."""

from inrgan.density.maps import (
    ArrayDensity,
    Density,
    Foveated,
    foveated,
    gradient_magnitude,
    load_density,
    named_density,
)
from inrgan.density.sampling import evaluate, reconstruct, sample_density

__all__ = [
    "ArrayDensity",
    "Density",
    "Foveated",
    "evaluate",
    "foveated",
    "gradient_magnitude",
    "load_density",
    "named_density",
    "reconstruct",
    "sample_density",
]
