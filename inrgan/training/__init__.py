"""The training loop and what surrounds it."""

from inrgan.config import TrainConfig
from inrgan.training._ema import update_ema
from inrgan.training._networks import TrainableGenerator, pick_device
from inrgan.training._ranks import Ranks
from inrgan.training._run_directory import RunDirectory
from inrgan.training._trainer import Trainer

__all__ = ["Ranks", "RunDirectory", "TrainConfig", "TrainableGenerator", "Trainer", "pick_device", "update_ema"]
