"""Training: ``trainer.py`` has the loop, ``step.py`` a single step."""

from inrgan.config import TrainConfig
from inrgan.training.distribution import Ranks
from inrgan.training.networks import TrainableGenerator, pick_device
from inrgan.training.optimization import update_ema
from inrgan.training.run_directory import RunDirectory
from inrgan.training.trainer import Trainer

__all__ = ["Ranks", "RunDirectory", "TrainConfig", "TrainableGenerator", "Trainer", "pick_device", "update_ema"]
