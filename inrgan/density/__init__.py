"""Variable density: many samples where there is much to see, few elsewhere, at a total budget of points."""

from inrgan.density._gradient import gradient_magnitude
from inrgan.density._maps import ArrayDensity, Density, Foveated, foveated, load_density
from inrgan.density._named import named_density
from inrgan.density._reconstruct import reconstruct
from inrgan.density._sample import evaluate, sample_density

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
