"""Audio clips of any rate and length, mono or stereo."""

from inrgan_modalities.audio._clip import Clip
from inrgan_modalities.audio._metrics import LogMelFeatures, frechet_audio_distance
from inrgan_modalities.audio._modality import AudioModality
from inrgan_modalities.audio._pitch import Pitches, pitches
from inrgan_modalities.audio._synthetic import SyntheticAudio

__all__ = [
    "AudioModality",
    "Clip",
    "LogMelFeatures",
    "Pitches",
    "SyntheticAudio",
    "frechet_audio_distance",
    "pitches",
]
