"""Presets of training configurations; ``inrgan.sizes`` has the table of their network sizes."""

from inrgan.config import TrainConfig
from inrgan.losses import LossOptions
from inrgan.modality import Modality
from inrgan.sizes import PRESETS, check_preset, critic_preset, generator_preset

__all__ = ["PRESETS", "base", "check_preset", "critic_preset", "generator_preset", "large", "recipe", "tiny"]


def tiny(modality: Modality) -> TrainConfig:
    """Preset for a test: recognizable samples of the built-in data in about three minutes on two CPU cores.

    Example:
        >>> tiny(ImageModality(resolution=32)).batch
        16
    """
    return TrainConfig(
        modality=modality,
        preset="tiny",
        kimg=30,
        batch=16,
        ema_kimg=2.0,
        snapshot_kimg=10,
        gamma=1e-3,
        generator_rate=4e-3,
        critic_rate=4e-3,
    )


def base(modality: Modality) -> TrainConfig:
    """Preset for one GPU and a day.

    Example:
        >>> base(ImageModality(resolution=64)).batch
        64
    """
    return TrainConfig(
        modality=modality, preset="base", kimg=5_000, batch=64, ema_kimg=10.0, snapshot_kimg=200, gamma=1e-3,
        views=LossOptions(patch_start=500, patch_ramp=500),
    )  # fmt: skip


def large(modality: Modality) -> TrainConfig:
    """Preset for several GPUs, or for one GPU and a week.

    Example:
        >>> large(ImageModality(resolution=256)).preset
        'large'
    """
    return TrainConfig(
        modality=modality, preset="large", kimg=25_000, batch=64, ema_kimg=20.0, snapshot_kimg=500, gamma=1e-3,
        views=LossOptions(patch_start=2_000, patch_ramp=2_000),
    )  # fmt: skip


def recipe(preset: str, modality: Modality) -> TrainConfig:
    """Training configuration of a preset, by name.

    Raises:
        ConfigError: The name is unknown.

    Example:
        >>> recipe("tiny", ImageModality(resolution=32)).preset
        'tiny'
    """
    check_preset(preset)
    return {"tiny": tiny, "base": base, "large": large}[preset](modality)
