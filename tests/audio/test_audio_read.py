"""Files to clips. Oracles: the numbers that were written, closed forms of sines, refused damage."""

import io
import struct
import sys
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from inrgan_modalities.audio._decode import SOUNDFILE, decode, suffixes
from inrgan_modalities.audio._read import Reading, lowered, trimmed
from sounds import ffmpeg, tone, wav

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


EXACT = (".wav", ".flac", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64")


def noise(rate, seconds):
    """Noise below 1 kHz, which fits a delayed copy of itself badly."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(round(rate * seconds)))
    spectrum[round(1000 * seconds) :] = 0
    x = np.fft.irfft(spectrum, round(rate * seconds))
    return 0.5 * x / np.abs(x).max()


@pytest.mark.parametrize("suffix", SOUNDFILE)
def test_formats_of_libsndfile(suffix):
    # Oracle: the sound itself, at its place; lossy formats keep it to a few per cent.
    x = noise(48000, 0.5)
    samples, rate = decode(f"a{suffix}", wav(x, 48000, suffix=suffix))
    assert rate == 48000 and (suffix == ".mp3" or samples.shape == (1, len(x)))
    if suffix == ".mp3":  # without the delay of its encoder
        samples = np.roll(samples, -np.argmax(np.correlate(samples[0, :9000], x[:4000], "valid")), axis=1)
    assert np.corrcoef(samples[0, 2000:20000], x[2000:20000])[0, 1] > (0.9999 if suffix in EXACT else 0.98)


@pytest.mark.parametrize("suffix, codec", [(".m4a", "aac"), (".m4a", "alac"), (".m4b", "aac"), (".mka", "flac"),
                                           (".weba", "libopus"), (".wma", "wmav2"), (".aac", "aac")])  # fmt: skip
def test_formats_of_ffmpeg(suffix, codec):
    # Oracle: the sound itself, at its place and of its length where the format states them.
    x = noise(48000, 0.5)
    samples, rate = decode(f"a{suffix}", ffmpeg(x, 48000, suffix=suffix, codec=codec))
    assert rate == 48000 and (suffix in (".aac", ".wma") or samples.shape == (1, len(x)))
    power = np.convolve(samples[0, :12000] ** 2, np.ones(4000), "valid") + 1e-9
    late = int(np.argmax(np.correlate(samples[0, :12000], x[4000:8000], "valid") / np.sqrt(power))) - 4000
    assert late == 0 or suffix in (".aac", ".wma")  # which do not state the delay of their encoders
    got, expected = samples[0, 5000:12000], x[5000 - late : 12000 - late]
    assert np.corrcoef(got, expected)[0, 1] > (0.9999 if codec in ("alac", "flac") else 0.98)
    assert np.abs(got).max() == pytest.approx(np.abs(expected).max(), rel=0.1)


def test_ffmpeg_formats_are_said_to_need_pyav(monkeypatch, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(tone(440, 8000, 0.1), 8000))
    (tmp_path / "b.m4a").write_bytes(b"")
    monkeypatch.setattr("inrgan_modalities.audio._decode._has_pyav", lambda: False)
    assert suffixes() == SOUNDFILE
    report = AudioModality(resolution=512, rate=8000).source(tmp_path).report()
    assert report.used == {".wav": 1} and "1 .m4a: PyAV is not installed" in "\n".join(report.lines())


def sized(data, name, size, *, order="<"):
    """The file with another size in the header of a chunk."""
    at = data.index(name) + 4
    return data[:at] + struct.pack(f"{order}I", size) + data[at + 4 :]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
@pytest.mark.parametrize("whole", [None, 0, 0xFFFFFFFF])
def test_headers_of_pipes(size, whole):
    # Oracle: the file with its sizes.
    data = wav(tone(440, 8000, 0.1), 8000)
    broken = sized(data, b"data", size)
    broken = broken if whole is None else sized(broken, b"RIFF", whole)
    np.testing.assert_array_equal(decode("a.wav", broken)[0], decode("a.wav", data)[0])


def test_headers_of_pipes_in_aiff_and_empty_chunks():
    data = wav(tone(440, 8000, 0.1), 8000, suffix=".aiff")
    wrong = sized(data, b"SSND", 0, order=">")
    assert decode("a.aiff", wrong)[0].shape[1] > 0.9 * 800
    empty = wav(np.zeros(0), 8000)
    with pytest.raises(DataError, match="0 frames"):  # a list of names after it is no sound
        decode("a.wav", empty + b"LIST" + struct.pack("<I", 4) + b"INFO")


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".mp3", ".m4a", ".weba", ".flac", ".ogg"])
def test_files_that_are_cut_short_are_refused(suffix):
    x = noise(48000, 0.5)
    codec = {".m4a": "aac", ".weba": "libopus"}.get(suffix)
    whole = wav(x, 48000, suffix=suffix) if codec is None else ffmpeg(x, 48000, suffix=suffix, codec=codec)
    with pytest.raises(DataError, match="not a complete audio file"):
        decode(f"a{suffix}", whole[: len(whole) * 2 // 3])


def test_films_and_playlists_are_no_sounds(tmp_path):
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 16
        for packet in (*stream.encode(av.VideoFrame(16, 16, "yuv420p")), *stream.encode(None)):
            container.mux(packet)
    (tmp_path / "b.wav").write_bytes(wav(tone(440, 8000, 0.1), 8000))
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/b.wav\n#EXT-X-ENDLIST\n".encode()
    for name, data, message in (("a.m4a", film.getvalue(), "no sound"), ("a.m4a", playlist, "not a complete"),
                                ("a.aac", playlist, "not a complete")):  # fmt: skip
        with pytest.raises(DataError, match=message):
            decode(name, data)


def test_unknown_codecs_are_refused():
    """Found by fuzzing: such a stream has no rate."""
    data = ffmpeg(noise(48000, 0.1), 48000, suffix=".m4a", codec="aac")
    kind = data.index(b"esds")
    unknown = data[:kind] + data[kind:].replace(b"\x17\x40\x15", b"\x17\x01\x15", 1)
    with pytest.raises(DataError, match="does not know"):
        decode("a.m4a", unknown)


def test_the_report_of_a_folder(tmp_path):
    # Oracle: the files that were written.
    left = tone(440, 8000, 0.1)
    files = {
        "a.wav": (left, 8000), "b.wav": (np.stack([left, -left], 1), 8000), "c.wav": (np.stack([left, left], 1), 8000),
        "d.wav": (np.zeros(800), 16000), "e.flac": (noise(16000, 2), 16000),
    }  # fmt: skip
    for name, (x, rate) in files.items():
        (tmp_path / name).write_bytes(wav(x, rate, suffix=Path(name).suffix))
    (tmp_path / "f.mid").write_bytes(b"")
    report = AudioModality(resolution=16000, rate=16000).source(tmp_path).report()
    assert report.ranges["rate"].low == 8000 and report.ranges["duration"].high == 2 and report.examined == 5
    text = "\n".join(report.lines())
    assert "not used: 1 .mid" in text
    assert "warning: 3 of 5 clips have fewer than the 16000 samples per second" in text
    assert "--rate 8000 --resolution 8000 takes all" in text
    assert "warning: 4 of 5 clips are shorter than the window of 1 s" in text and "--resolution 800 --rate 8000" in text
    assert "warning: 1 of 2 stereo clips nearly vanish" in text and "2 of 5 clips are stereo and are mixed" in text
    assert "2 of the 5 clips that were decoded are silent" in report.notes
    stereo = AudioModality(resolution=800, rate=8000, channels=2).source(tmp_path).report()
    assert not stereo.warnings and "stereo" not in "".join(stereo.notes)


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
