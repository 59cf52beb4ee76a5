"""Films of any size, rate and length."""

from inrgan_modalities.video._clip import AbstractClip, Clip
from inrgan_modalities.video._metrics import (
    FVD_PROTOCOL,
    frechet_video_distance,
    peak_prominence,
    temporal_spectrum,
    warping_error,
)
from inrgan_modalities.video._modality import VideoModality
from inrgan_modalities.video._synthetic import SyntheticClips
from inrgan_modalities.video._write import film_sheet, write_films

__all__ = [
    "FVD_PROTOCOL",
    "AbstractClip",
    "Clip",
    "SyntheticClips",
    "VideoModality",
    "film_sheet",
    "frechet_video_distance",
    "peak_prominence",
    "temporal_spectrum",
    "warping_error",
    "write_films",
]
