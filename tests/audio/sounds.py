"""Audio files for tests, written on the spot."""

import io

import av
import numpy as np
import soundfile


def wav(samples, rate, *, suffix=".wav", subtype=None):
    """Bytes of a file; samples are (K,) or (K, C)."""
    file = io.BytesIO()
    form = {"aif": "AIFF", "aifc": "AIFF", "opus": "OGG", "oga": "OGG"}.get(suffix[1:], suffix[1:].upper())
    subtype = "OPUS" if suffix == ".opus" else subtype
    soundfile.write(file, np.asarray(samples), rate, format=form, subtype=subtype)
    return file.getvalue()


def ffmpeg(samples, rate, *, suffix, codec):
    """Bytes of a file that FFmpeg's libraries write; samples are (K,)."""
    file = io.BytesIO()
    form = {".m4a": "mp4", ".m4b": "mp4", ".aac": "adts", ".wma": "asf", ".mka": "matroska", ".weba": "webm"}[suffix]
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout, stream.bit_rate = "mono", 128_000
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()


def tone(hertz, rate, seconds, *, amplitude=0.5, phase=0.3):
    """A sine at the places where a file of that rate has its samples: cell centres."""
    t = (np.arange(round(rate * seconds)) + 0.5) / rate
    return amplitude * np.sin(2 * np.pi * hertz * t + phase)
