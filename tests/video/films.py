"""Videos for tests: frames that show their number, in files written by PyAV and Pillow."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from inrgan_modalities.video._decoder import Decoder


def marked(k, *, rows=32, columns=48):
    """Frame k: a bright block in the upper left on a grey that grows with k, in steps that compression keeps apart."""
    frame = np.full((rows, columns, 3), 40 + 6 * k, dtype=np.uint8)
    frame[: rows // 4, : columns // 4] = 250
    return frame


def number(frames):
    """Which frame each of (n, C, H, W) is: the inverse of ``marked``, from its lower right corner."""
    grey = np.asarray(frames)[..., -8:, -8:].astype(np.float64).mean(axis=(1, 2, 3))
    return np.round((grey - 40) / 6).astype(int)


def film(path, count=16, *, rate=8, times=None, rotation=0, gop=5, codec="libx264", size=(32, 48), container=None):
    """Write ``count`` marked frames; ``times`` in seconds make the rate variable."""
    options = {"movflags": "faststart"} if Path(path).suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast"}
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(marked(k, rows=size[0], columns=size[1]), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[k]), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return Path(path)


def changed_decoder(folder, code):
    """A decoder whose reader processes run a line of code before they answer."""
    script = Path(Decoder()._script)
    (folder / "reader").mkdir()
    changed = folder / "reader" / "worker.py"
    text = script.read_text(encoding="utf-8")
    changed.write_text(text.replace("if __name__", f"sys.path.insert(0, {str(script.parent)!r})\n{code}\nif __name__"))
    return Decoder(script=changed)


def decoder_without_decord(folder):
    """A decoder as on machines for which decord has no package."""
    return changed_decoder(folder, "sys.modules['decord'] = None")
