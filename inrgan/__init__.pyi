# Types of the public names, for type checkers: the module itself loads some of them when they are first used.

from inrgan_modalities.audio import AudioModality as AudioModality
from inrgan_modalities.image import ImageModality as ImageModality
from inrgan_modalities.occupancy import OccupancyModality as OccupancyModality
from inrgan_modalities.spherical import SphericalModality as SphericalModality
from inrgan_modalities.surface import SurfaceModality as SurfaceModality
from inrgan_modalities.video import VideoModality as VideoModality

from inrgan.discriminators import AbstractCritic as AbstractCritic
from inrgan.discriminators import ResidualCritic as ResidualCritic
from inrgan.domains import AbstractDomain as AbstractDomain
from inrgan.domains import Box as Box
from inrgan.domains import Sphere as Sphere
from inrgan.domains import Surface as Surface
from inrgan.field import Field as Field
from inrgan.generator import Generator as Generator
from inrgan.modality import Backbone as Backbone
from inrgan.modality import CriticSizes as CriticSizes
from inrgan.modality import GeneratorSizes as GeneratorSizes
from inrgan.modality import Modality as Modality
from inrgan.resampling import resample as resample
from inrgan.training import TrainConfig as TrainConfig
from inrgan.training import Trainer as Trainer
from inrgan.views import View as View

__version__: str
__all__: list[str]
