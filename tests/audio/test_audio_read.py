"""Files to clips. Oracles: the numbers that were written, closed forms of sines, refused damage."""

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from inrgan_modalities.audio._read import SUFFIXES, Reading, lowered, trimmed
from sounds import tone, wav

from inrgan import AudioModality
from inrgan.errors import DataError, InrganError, MissingDependency, NonFiniteError

PLAIN = {"rate": 8000.0, "channels": 1, "trim": 0.0, "loudness": 0.0, "remove_dc": False}


def read(data, **changes):
    return Reading(**{**PLAIN, **changes})("a.wav", data)


@pytest.mark.parametrize("subtype, step", [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("FLOAT", 1e-7)])
def test_bit_depths(subtype, step):
    x = tone(440, 8000, 0.1)
    clip = read(wav(x, 8000, subtype=subtype))
    assert clip.rate == 8000 and clip.samples.shape == (1, 800)
    np.testing.assert_allclose(clip.samples[0].numpy(), x, atol=1.01 * step)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_formats(suffix):
    # Oracle: the tone itself; lossy formats keep it to a few per cent, after their start.
    x = tone(440, 8000, 0.5)
    clip = read(wav(x, 8000, suffix=suffix))
    got = clip.samples[0, 1000:3000].numpy()
    assert abs(np.corrcoef(got, x[1000:3000])[0, 1]) > (0.999 if suffix in (".wav", ".flac") else 0.9)


def test_channels():
    x = np.stack([tone(300, 8000, 0.1), tone(500, 8000, 0.1)], axis=1)
    np.testing.assert_allclose(read(wav(x, 8000)).samples[0].numpy(), x.mean(axis=1), atol=1e-4)
    both = read(wav(x, 8000), channels=2).samples.numpy()
    np.testing.assert_allclose(both, x.T, atol=1e-4)
    twice = read(wav(x[:, 0], 8000), channels=2).samples
    assert torch.equal(twice[0], twice[1])


@pytest.mark.parametrize("old, new", [(16000, 8000), (44100, 16000), (48000, 11025), (22050, 8000)])
def test_brought_down_to_the_rate(old, new):
    # Oracle: the closed form below the band's end at the places of the new samples, nothing from above Nyquist.
    seconds, inside = 0.5, 0.3 * new
    clip = read(wav(tone(inside, old, seconds) + tone(0.7 * new, old, seconds, amplitude=0.3), old), rate=new)
    assert clip.rate == new
    n = clip.samples.shape[1]
    # torchaudio keeps the first samples in place instead of the cells: both lie half a sample after 0 of their own.
    t = np.arange(n) / new + 0.5 / old
    expected = 0.5 * np.sin(2 * np.pi * inside * t + 0.3)
    middle = slice(n // 4, -n // 4)
    np.testing.assert_allclose(clip.samples[0, middle].numpy(), expected[middle], atol=2e-4)


@pytest.mark.parametrize("rate", [8000, 4000, 7999])
def test_never_upsampled(rate):
    clip = read(wav(tone(440, rate, 0.2), rate), rate=16000.0)
    assert clip.rate == rate and AudioModality(resolution=1024).item_spacing(clip) == 1 / rate


def test_rates_without_a_common_measure_are_left():
    clip = read(wav(tone(440, 44101, 0.2), 44101), rate=8000.0)
    assert clip.rate == 44101


def test_mean_loudness_and_full_scale():
    x = 0.2 + tone(100, 8000, 1.0, amplitude=0.25)
    assert abs(read(wav(x, 8000), remove_dc=True).samples.mean()) < 1e-6
    level = read(wav(x, 8000), remove_dc=True, loudness=-20.0).samples
    assert level.square().mean().sqrt().item() == pytest.approx(0.1, rel=1e-3)
    loud = read(wav(tone(100, 8000, 1.0), 8000), loudness=-1.0).samples  # a sine has its peak 3 dB above
    assert loud.abs().max().item() == pytest.approx(1.0, rel=1e-3)
    over = read(wav(3 * tone(100, 8000, 1.0), 8000, subtype="FLOAT")).samples
    np.testing.assert_allclose(over[0].numpy(), 2 * tone(100, 8000, 1.0), atol=1e-3)
    assert read(wav(np.zeros(800), 8000), loudness=-20.0).samples.abs().max() == 0


def test_trimming():
    # Oracle: the sound is 0.2 s in whole frames of 20 ms, with noise 60 dB below it around it.
    quiet = 1e-3 * np.sin(np.arange(1600))
    x = np.concatenate([quiet, tone(440, 8000, 0.2), quiet])
    assert read(wav(x, 8000), trim=40.0).samples.shape[1] == 1600
    assert read(wav(x, 8000), trim=80.0).samples.shape[1] == 4800
    assert read(wav(x, 8000)).samples.shape[1] == 4800
    assert trimmed(np.zeros((1, 500)), 8000, decibels=40).shape == (1, 500)


def spoiled(samples):
    samples = samples.copy()
    samples[5] = np.nan
    return samples


BAD = {
    "zero frames": (wav(np.zeros(0), 8000), "0 frames", DataError),
    "NaN": (wav(spoiled(tone(440, 8000, 0.1)), 8000, subtype="FLOAT"), "NaN", NonFiniteError),
    "text": (b"these are no samples but words" * 9, "not a complete audio file", DataError),
    "nothing": (b"", "not a complete audio file", DataError),
    "7 channels": (wav(np.zeros((800, 7)), 8000), "7 channels", DataError),
    "header alone": (wav(tone(440, 8000, 0.1), 8000)[:30], "a.wav", DataError),
    "flac cut short": (wav(tone(440, 8000, 0.1), 8000, suffix=".flac")[:60], "a.wav", DataError),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name):
    data, message, kind = BAD[name]
    with pytest.raises(kind, match=message) as error:
        read(data)
    assert isinstance(error.value, InrganError) and "\n" not in str(error.value)


def test_a_few_bad_files_are_skipped(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(40):
        (folder / f"{i % 3}_x_{i:02d}.wav").write_bytes(wav(tone(300 + i, 8000, 0.1), 8000 if i % 2 else 16000))
    (folder / "0_y_99.wav").write_text("not a sound")
    source = AudioModality(resolution=512, rate=8000).source(folder, labels="{label}_*")
    assert source.label_names == ("0", "1", "2") and len(source) == 41
    clips = list(source)
    assert source.bad == 1 and {c.rate for c in clips} == {8000.0}  # mixed rates come to one
    with zipfile.ZipFile(tmp_path / "clips.zip", "w") as z:
        for file in folder.glob("*.wav"):
            z.write(file, f"{file.name[0]}/{file.name}")
    zipped = AudioModality(resolution=512, rate=8000).source(tmp_path / "clips.zip", labels=True)
    assert zipped.label_names == ("0", "1", "2") and zipped.label(7) == source.label(7)


def test_all_bad(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.wav").write_text("no")
    source = AudioModality(resolution=512, rate=8000).source(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        source[0]


def test_missing_libraries_are_named(monkeypatch):
    clip = read(wav(tone(440, 16000, 0.1), 16000), rate=16000.0)
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    monkeypatch.setitem(sys.modules, "torchaudio.functional", None)
    with pytest.raises(MissingDependency, match=r"torchaudio.*inrgan\[audio\]"):
        lowered(clip, 8000.0)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingDependency, match=r"soundfile.*inrgan\[audio\]"):
        read(b"")
