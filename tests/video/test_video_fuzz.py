"""Damaged videos. Oracle: a plain decode by the same library in another process, whose frames ours are."""

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
sys.path.insert(0, str(Path(__file__).parent))
from films import edited, film, marked
from fuzzing import MUTATIONS, fuzz, mutated
from inrgan_modalities.video._decoder import Decoder
from inrgan_modalities.video._source import open_clips

from inrgan.errors import DataError, InrganError

PLAIN = """
import json, sys
print("ready", flush=True)

def mean(rgba):
    pixels, alpha = rgba[..., :3].astype(float), rgba[..., 3:] / 255
    return (pixels * alpha + 255 * (1 - alpha)).mean(axis=(0, 1)).tolist()

def means(path):
    if path.endswith(".webp"):
        from PIL import Image, ImageSequence
        import numpy as np
        with Image.open(path) as image:
            return [mean(np.asarray(f.convert("RGBA"))) for f in ImageSequence.Iterator(image)]
    import av
    found = []
    with av.open(path, metadata_errors="replace") as container:
        packets = container.demux(container.streams.best("video"))
        while True:
            try:
                for frame in next(packets).decode():
                    if not frame.is_corrupt:
                        found.append(mean(frame.to_ndarray(format="rgba")))
            except StopIteration:
                return found
            except Exception as error:
                if len(found) > 1000 or "demux" in str(error):
                    return found

for line in sys.stdin:
    try:
        answer = {"means": means(json.loads(line)["path"])}
    except Exception as error:
        answer = {"error": str(error)}
    print(json.dumps({**answer, "bytes": 0}), flush=True)
"""


def seeds(folder):
    """Small videos of all kinds, by suffix."""
    from PIL import Image

    small = {"size": (16, 32), "gop": 4}
    film(folder / "plain.mp4", 8, **small)
    edited(film(folder / "edited.mp4", 12, b_frames=2, front=False, **small), (0.75, 0.25), (0.25, None), (0.25, 1.25))
    film(folder / "turned.mov", 6, rotation=90, mirrored=True, aspect="4/3", **small)
    film(folder / "order.avi", 8, b_frames=2, **small)
    film(folder / "old.avi", 8, codec="mpeg4", **small)
    film(folder / "a.mkv", 8, times=[0, 0.1, 0.2, 0.5, 0.6, 0.7, 1.0, 1.1], rate=10, **small)
    film(folder / "a.webm", 8, codec="libvpx", **small)
    film(folder / "a.mpg", 8, codec="mpeg2video", rate=25, **small)
    first, *rest = [Image.fromarray(marked(k, rows=16, columns=32)) for k in range(6)]
    for suffix in ("gif", "webp"):
        first.save(folder / f"a.{suffix}", save_all=True, append_images=rest, duration=100, loop=0)
    return [(path.suffix, path.read_bytes()) for path in sorted(folder.iterdir())]


def test_fuzzed_videos(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("seeds", "in"):
        (tmp_path / name).mkdir()
    (tmp_path / "plain.py").write_text(PLAIN)
    decoder, plain = Decoder(index_seconds=20, read_seconds=20), Decoder(script=tmp_path / "plain.py")
    good = seeds(tmp_path / "seeds")

    def check(suffix, data):
        """Read a video whole, and compare it with the oracle."""
        path = tmp_path / "in" / f"x{suffix}"
        for old in path.parent.iterdir():
            old.unlink()
        path.write_bytes(data)
        clip = open_clips(
            path.parent, channels=3, side=16, still_fps=25.0, labels=False, decoder=decoder, progress=False
        )[0]  # fmt: skip
        try:
            means = plain.ask({"op": "index", "path": str(path), "files": []})[0]["means"]
        except DataError as error:
            pytest.fail(f"accepted, but the library says: {error}")
        shown = clip._numbers
        assert clip.seconds > 0 and 2 <= len(clip._index["times"]) <= len(means)
        numbers = sorted({round(x) for x in np.linspace(0, clip.count - 1, 8)})
        read = clip.frames(numbers).float().mean(dim=(2, 3)).numpy()
        expected = np.array([means[n if shown is None else shown[n]] for n in numbers])
        assert np.abs(read - expected).max() < 3
        return clip

    for suffix, data in good:  # the whole ones, which are accepted
        assert check(suffix, data).count >= 6

    @fuzz(20)
    @given(st.sampled_from(good), MUTATIONS)
    def fuzzed(seed, draw):
        with contextlib.suppress(InrganError):
            check(seed[0], mutated(seed[1], draw))

    fuzzed()
    decoder.close()
    plain.close()
