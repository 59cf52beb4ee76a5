"""Presets: plain functions from a modality to a training configuration.

The sizes behind the names are the table in ``inrgan/_sizes.py``.
"""

from inrgan._sizes import PRESETS, check_preset, critic_preset, generator_preset
from inrgan.recipes._presets import base, large, recipe, tiny

__all__ = ["PRESETS", "base", "check_preset", "critic_preset", "generator_preset", "large", "recipe", "tiny"]
