"""Audio files for tests, written on the spot."""

import io

import numpy as np
import soundfile


def wav(samples, rate, *, suffix=".wav", subtype=None):
    """Bytes of a file; samples are (K,) or (K, C)."""
    file = io.BytesIO()
    soundfile.write(file, np.asarray(samples), rate, format=suffix[1:].upper(), subtype=subtype)
    return file.getvalue()


def tone(hertz, rate, seconds, *, amplitude=0.5, phase=0.3):
    """A sine at the places where a file of that rate has its samples: cell centres."""
    t = (np.arange(round(rate * seconds)) + 0.5) / rate
    return amplitude * np.sin(2 * np.pi * hertz * t + phase)
