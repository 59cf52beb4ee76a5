"""Without the optional libraries, every function says what to install."""

import sys

import pytest
import torch

from inrgan.errors import MissingDependency
from inrgan.images import read_image, write_animation, write_image

FRAMES = torch.zeros(2, 3, 4, 4)


@pytest.mark.parametrize(
    "module, library, act",
    [
        ("PIL", "Pillow", lambda folder: read_image("a.png", b"", channels=3)),
        ("PIL", "Pillow", lambda folder: write_image(FRAMES[0], folder / "a.png")),
        ("PIL", "Pillow", lambda folder: write_animation(FRAMES, folder / "a.gif", fps=5)),
        ("av", "PyAV", lambda folder: write_animation(FRAMES, folder / "a.mp4", fps=5)),
    ],
)
def test_missing_libraries(module, library, act, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # what makes an import fail
    with pytest.raises(MissingDependency, match=rf"needs {library}.*inrgan\[image\]"):
        act(tmp_path)
    assert not list(tmp_path.iterdir())


def test_npy_needs_no_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    write_image(FRAMES[0], tmp_path / "a.npy")
    data = (tmp_path / "a.npy").read_bytes()
    assert torch.equal(read_image("a.npy", data, channels=3), FRAMES[0])
