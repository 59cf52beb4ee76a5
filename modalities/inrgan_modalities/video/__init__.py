"""Videos of any size, rate and length."""

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
from inrgan_modalities.video._write import video_sheet, write_videos

__all__ = [
    "FVD_PROTOCOL",
    "AbstractClip",
    "Clip",
    "SyntheticClips",
    "VideoModality",
    "frechet_video_distance",
    "peak_prominence",
    "temporal_spectrum",
    "video_sheet",
    "warping_error",
    "write_videos",
]
