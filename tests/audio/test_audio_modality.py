"""The audio adapter. Oracles: the public contract, closed forms, scipy, the full render, files read back."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).parent))
from inrgan_modalities.audio import Clip, SyntheticAudio
from sounds import tone, wav

from inrgan import AudioModality, Generator, GeneratorSizes
from inrgan.augmentation import symmetric_views
from inrgan.cli import main
from inrgan.errors import ConfigError, ShapeError
from inrgan.field import Field
from inrgan.inr import LayerWeights
from inrgan.testing import check_modality

SMALL = GeneratorSizes(
    z_dim=8, w_dim=16, rank=2, backbone="harmonic-bank", lattices=(8, 32), widths=(16, 16), depths=(1, 1)
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "m",
    [
        AudioModality(resolution=1024, rate=8000, bend=1.0),
        AudioModality(resolution=512, rate=4000.5, channels=2),
    ],
    ids=["mono-bent", "stereo"],
)
def test_contract_holds(m):
    check_modality(m)


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"channels": 7},
        {"trim": -1.0},
        {"loudness": 3.0},
        {"bend": -1.0},
    ],
    ids=str,
)
def test_bad_numbers(changes):
    with pytest.raises(ConfigError):
        AudioModality(**changes)


def test_built_in_sounds_are_pure_and_do_not_know_their_rate():
    low, high = (SyntheticAudio(9, seconds=0.5, rate=r, seed=2) for r in (16000, 48000))
    for i in range(6):
        assert torch.equal(low[i].samples, SyntheticAudio(30, seconds=0.5, rate=16000, seed=2)[i].samples)
        # Sample k of the low rate lies at sample 3k + 1 of three times the rate: (k + ½)/r = (3k + 1 + ½)/3r.
        torch.testing.assert_close(low[i].samples, high[i].samples[:, 1::3], rtol=0, atol=1e-6)
        assert low[i].samples.std() > 0.02 and low[i].samples.abs().max() <= 0.95
    assert {low.label(i) for i in range(9)} == {0, 1, 2} and low.name(3).startswith(low.label_names[low.label(3)])
    stereo = SyntheticAudio(3, seconds=0.1, rate=8000, channels=2)[0].samples
    assert np.linalg.matrix_rank(stereo.numpy(), tol=1e-3) == 1  # one sound, from one side
    with pytest.raises(IndexError):
        low[9]
    with pytest.raises(ConfigError):
        SyntheticAudio(rate=0)


def test_pitch_of_the_built_in_sounds():
    # Oracle: numpy's spectrum of a pluck peaks at a multiple of the pitch it was made with.
    source = SyntheticAudio(40, seconds=1.0, rate=16000)
    for i in [i for i in range(40) if source.label(i) == 0][:4]:
        spectrum = np.abs(np.fft.rfft(source[i].samples[0].numpy() * np.hanning(16000)))
        ratio = np.argmax(spectrum) / source.factors(i)["pitch"]
        assert abs(ratio - round(ratio)) < 0.02


def sine_clip(hertz, rate, seconds):
    return Clip(torch.from_numpy(tone(hertz, rate, seconds).astype(np.float32))[None], rate=float(rate))


def test_observe_is_anti_aliased():
    # Oracle: the closed form where a view carries the wave, silence (-70 dB) where it cannot.
    m = AudioModality(resolution=8192, rate=16000)
    for hertz, kept in ((500, True), (1400, True), (2100, False), (3900, False), (5000, False)):
        seen = m.observe([sine_clip(hertz, 16000, 0.512)], m.domain.grid((2048,)))[0, 0]  # 4 kHz
        expected = tone(hertz, 4000, 0.512) * kept
        assert np.abs(seen.numpy() - expected)[100:-100].max() < 0.5 * 10 ** (-70 / 20)


def test_observe_agrees_with_scipy():
    # Oracle: the cubic spline of a smooth wave, at places between its samples.
    from scipy.interpolate import CubicSpline

    m, rate = AudioModality(resolution=4000, rate=8000), 8000
    clip = sine_clip(220, rate, 0.5)
    patch = m.domain.patches(64, torch.full((3,), 1 / 7000), generator=rng(3))
    t = (np.arange(4000) + 0.5) / rate
    expected = CubicSpline(t, clip.samples[0].double().numpy())(patch.axes[0].double().numpy())
    inside = (patch.axes[0] > 0.005) & (patch.axes[0] < 0.495)
    got = m.observe([clip] * 3, patch)[:, 0]
    assert (got.double() - torch.from_numpy(expected))[inside].abs().max() < 1e-4


def test_short_clips_are_followed_by_silence_long_ones_cut():
    m = AudioModality(resolution=800, rate=8000)
    view = m.domain.grid((800,))
    short = m.observe([sine_clip(400, 8000, 0.03)], view)[0, 0]
    assert short[300:].abs().max() < 1e-6 and short[:200].std() > 0.3
    ramp = Clip(torch.linspace(-0.5, 0.5, 8000)[None], rate=8000.0)  # tells where one is
    middle = m.observe([ramp], view)[0, 0]
    assert middle[400].item() == pytest.approx(0, abs=1e-3)
    places = torch.rand(64, generator=rng()).tolist()
    starts = m.observe([m.excerpt(ramp, at) for at in places], view)[:, 0, 400]
    # Oracle: even draws over the 0.9 s in which the window can start.
    assert starts.min() < -0.35 and starts.max() > 0.35 and starts.std().item() == pytest.approx(0.9 / 12**0.5, rel=0.2)


def test_excerpts_begin_and_end_with_the_clip():
    m = AudioModality(resolution=800, rate=8000)
    ramp = Clip(torch.linspace(-0.5, 0.5, 8000)[None], rate=8000.0)
    first, last = m.observe([m.excerpt(ramp, 0.0), m.excerpt(ramp, 1.0)], m.domain.grid((800,)))[:, 0]
    torch.testing.assert_close(first[30:-30], ramp.samples[0, 30:770], rtol=0, atol=1e-3)
    torch.testing.assert_close(last[30:-30], ramp.samples[0, 7230:7970], rtol=0, atol=1e-3)


def test_symmetries_are_a_shift_below_a_sample():
    m = AudioModality(resolution=4096, rate=8000)
    view, clip = m.domain.grid((4096,)), sine_clip(1000, 8000, 0.512)
    window = view.window((slice(64, 128),))
    turned, part = symmetric_views(m.symmetries(), [view, window], batch=8, generator=rng())
    seen = m.observe([clip] * 8, turned)[:, 0]
    # Oracle: the phase that numpy finds against the unshifted wave, at most half a sample of 1/8 turn.
    reference = np.exp(2j * np.pi * 1000 * view.axes[0][0, 500:3500].double().numpy())
    phases = np.angle(seen[:, 500:3500].double().numpy() @ reference.conj()) + np.pi / 2 - 0.3
    turns = phases / (2 * np.pi)
    assert np.abs(turns).max() <= 0.5 / 8 + 1e-3 and turns.std() > 0.02
    # A patch and the whole of one step are shifted alike.
    assert torch.equal(part.axes[0], turned.axes[0][:, 64:128])


def quiet(field, factor):
    """The same clips with less amplitude: heads are the last linear maps, of amplitudes and then of levels."""
    count = field.inr.channels * field.inr.carriers.size
    weights = []
    for w, spec in zip(field.weights, field.inr.layers, strict=True):
        factors = torch.where(torch.arange(spec.outputs) < count, factor, 1.0)
        head = LayerWeights(w.weight * factors[:, None], w.bias * factors)
        weights.append(head if spec.name.endswith("head") else w)
    return Field(field.inr, weights, domain=field.domain)


def band(values, rate, *, below, count):
    """The spectrum of a render below a frequency, with cell centres as the origin of phase."""
    x = values.double().numpy()
    spectrum = np.fft.rfft(x * np.kaiser(x.shape[-1], 14)) / x.shape[-1]
    hertz = np.fft.rfftfreq(x.shape[-1], 1 / rate)
    kept = (hertz < below)[:count]
    return (spectrum * np.exp(-1j * np.pi * hertz / rate))[..., :count][..., kept]


@torch.no_grad()
@pytest.mark.parametrize("bounded", [False, True])
def test_rates_agree(bounded):
    # Oracle: decimation by numpy's Fourier transform. 8 kHz carries 3/4 of its Nyquist frequency whole: 3 kHz. What
    # the backbone makes agrees at any level; the soft limit at full scale leaves alone what stays below half of it.
    m = AudioModality(resolution=8192, rate=16000)
    torch.manual_seed(0)
    field = Generator(m, preset="tiny").eval().sample([0, 1])
    views = [m.domain.grid((n,), dtype=torch.float64) for n in (8192, 4096)]
    if bounded:
        field = quiet(field, 0.45 / field.inr(views[0], field.weights).abs().max().item())
        assert 0.4 < field.render((8192,)).abs().max().item() < 0.5
        fine, coarse = (field(v)[:, 0] for v in views)
    else:
        fine, coarse = (field.inr(v, field.weights)[..., 0] for v in views)
    a, b = band(fine, 16000, below=3000, count=2048), band(coarse, 8000, below=3000, count=2048)
    assert np.square(np.abs(a)).sum() > 0
    decibels = 10 * np.log10(np.square(np.abs(a - b)).sum() / np.square(np.abs(a)).sum())
    assert decibels < -60


def test_ten_minutes_in_windows_equal_the_whole():
    # Oracle: a long stretch that windows are cut from, over a border of the render's blocks, and scattered points.
    # Both in double precision: single precision has 16384 places in the tenth minute for every second.
    m = AudioModality(resolution=1024, rate=8000)
    field = Generator(m, sizes=SMALL).eval().sample([0])
    shape, region = m.window(seconds=600)
    assert shape == (4_800_000,) and region == (0.0, 600.0)
    first = 4_700_000
    long = field.render(shape, region=region, window=(slice(first, shape[0]),))
    assert long.std() > 0.01
    for start in (first + 18_000, shape[0] - 1000):
        window = (slice(start, start + 1000),)
        part = field.render(shape, region=region, window=window)
        assert torch.equal(part, long[..., start - first : start - first + 1000])
    t = (torch.arange(first, first + 500, dtype=torch.float64) + 0.5)[:, None] / 8000
    with torch.no_grad():
        points = field(t, spacing=1 / 8000)[0, :, 0]
    torch.testing.assert_close(points, long[0, 0, :500], rtol=0, atol=1e-5)


def test_write_and_read_back(tmp_path):
    m = AudioModality(resolution=800, rate=8000)
    values = torch.from_numpy(np.stack([tone(300, 8000, 0.1), tone(700, 8000, 0.1)])[:, None]).float()
    for suffix in (".wav", ".flac"):
        m.write(values, tmp_path / f"a{suffix}")
        got, rate = soundfile.read(tmp_path / f"a{suffix}", dtype="float32")
        assert rate == 8000 and len(got) == 800 + 2000 + 800  # a quarter of a second between
        np.testing.assert_allclose(got[:800], values[0, 0].numpy(), atol=1e-4)
        np.testing.assert_allclose(got[2800:], values[1, 0].numpy(), atol=1e-4)
        assert np.abs(got[800:2800]).max() == 0
    m.write(values, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), values.numpy())
    m.write(torch.nn.functional.interpolate(values, size=1600), tmp_path / "b.wav")  # the domain at twice the rate
    assert soundfile.info(tmp_path / "b.wav").samplerate == 16000
    AudioModality(resolution=800, rate=8000, channels=2).write(values.expand(2, 2, 800), tmp_path / "c.wav")
    assert soundfile.info(tmp_path / "c.wav").channels == 2
    m.write_interpolation(values, tmp_path / "w.wav", rate=4)
    assert soundfile.info(tmp_path / "w.wav").frames == 1600
    with pytest.raises(ConfigError, match=r"\.wav \.flac"):
        m.write(values, tmp_path / "a.mid")
    with pytest.raises(ShapeError):
        m.write(values[:0], tmp_path / "none.wav")
    with pytest.raises(ConfigError, match="whole numbers"):
        AudioModality(resolution=800, rate=8000.5).write(values, tmp_path / "odd.wav")
    assert not list(tmp_path.glob("odd*")) and not list(tmp_path.glob("none*"))


def test_pictures(tmp_path):
    # Oracle: where a tone lies in the picture: row by frequency, and the louder the lighter.
    from inrgan_modalities.audio._spectrogram import clip_image, power_spectrogram
    from PIL import Image

    x = torch.from_numpy(tone(1000, 8000, 0.5, amplitude=1.0)).float()[None, None]
    power = power_spectrogram(x, size=256, hop=64)[0, 0]
    assert power[:, 20].argmax().item() == 32 and power[32, 20].item() == pytest.approx(0.25, rel=1e-3)
    picture = clip_image(x, height=96, width=160)[0]
    assert picture.shape == (3, 144, 160) and picture.abs().max() <= 1
    light = picture[:, 48:].mean(dim=0)[:, 80]
    assert abs(light.argmax().item() - 96 * 0.75) <= 2  # a quarter of the band, from the bottom
    m = AudioModality(resolution=4000, rate=8000)
    m.write(x.expand(3, 1, 4000), tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (2 * 160 + 4, 2 * 144 + 4)
    m.write_interpolation(x.expand(3, 1, 4000), tmp_path / "s.gif", rate=5)
    with Image.open(tmp_path / "s.gif") as film:
        assert film.n_frames in (1, 3)  # equal frames are joined


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    data = folder / "clips"
    data.mkdir()
    for i in range(12):
        samples = tone(200 + 50 * i, 16000, 0.2)
        (data / f"{'ab'[i % 2]}_{i}.wav").write_bytes(wav(samples, 16000 if i % 3 else 8000))
    main(
        ["train", "audio", "--data", str(data), "--resolution", "512", "--rate", "4000", "--kimg", "0.016", "--batch",
         "8", "--labels", "{label}_*", "--quiet", "--device", "cpu", "--outdir", str(folder / "runs")]
    )  # fmt: skip
    return folder / "runs" / "00000-audio-clips-tiny"


def test_train(run):
    config = json.loads((run / "config.json").read_text())
    assert config["labels"] == "{label}_*"
    assert config["modality"]["arguments"]["rate"] == 4000
    names = {p.name for p in run.iterdir()}
    assert {"reals.png", "reals.wav", "fakes-00000.016.png", "fakes-00000.016.wav"} <= names
    assert Generator.from_pretrained(run).labels == ("a", "b")


def test_tensorboard_plays_the_very_sounds(run):
    # Oracle: tensorboard's own reader, against the files and soundfile.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run)).Reload()
    assert {"reals", "fakes"} == set(events.Tags()["audio"]) == set(events.Tags()["images"])
    last, file = events.Audio("fakes")[-1], run / "fakes-00000.016.wav"
    info = soundfile.info(file)
    assert last.step == 16 and last.encoded_audio_string == file.read_bytes() and last.content_type == "audio/wav"
    assert (last.sample_rate, last.length_frames) == (info.samplerate, info.frames) == (4000, info.frames)


def test_sample_at_any_rate(run, tmp_path):
    for rate, seconds in ((8000, None), (44100, 0.05), (4000, 1.0)):
        out = tmp_path / "a.wav"
        more = [] if seconds is None else ["--seconds", str(seconds)]
        main(["sample", str(run), "--seeds", "0", "--rate", str(rate), "--out", str(out), *more])
        info = soundfile.info(out)
        assert info.samplerate == rate and info.frames == round(rate * (seconds or 0.128))
    main(["render", str(run), "--rate", "8000", "--seconds", "9", "--out", str(tmp_path / "r.wav"), "--quiet"])
    got, rate = soundfile.read(tmp_path / "r.wav", dtype="int16")
    expected = Generator.from_pretrained(run).sample([0]).render((72_000,), region=(0, 9))[0, 0]
    assert rate == 8000 and np.array_equal(got, (expected.clamp(-1, 1) * 32767).round().numpy())
    main(["interpolate", str(run), "--frames", "3", "--rate", "4000", "--out", str(tmp_path / "w.wav")])
    assert soundfile.info(tmp_path / "w.wav").frames == 3 * 512


@pytest.mark.parametrize(
    "flags",
    [
        ["--rate", "0"],
        ["--seconds", "-1"],
        ["--rate", "8000", "--resolution", "512"],
        ["--rate", "8000.5"],
        ["--seconds", "1", "--region=0,1"],
    ],
    ids=" ".join,
)
def test_bad_flags_are_one_line(run, tmp_path, flags, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sample", str(run), "--out", str(tmp_path / "x.wav"), *flags])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith("inrgan: ") and err.count("\n") == 1


def test_images_have_no_rate(tmp_path, capsys):
    from inrgan import ImageModality

    Generator(ImageModality(resolution=16), preset="tiny").save_pretrained(tmp_path / "g")
    with pytest.raises(SystemExit):
        main(["sample", str(tmp_path / "g"), "--rate", "8000", "--out", str(tmp_path / "x.png")])
    assert "has no time" in capsys.readouterr().err


def test_siren_stays_below_an_eighth_of_nyquist():
    # Oracle: the closed form 3000 / 2π periods in half a clip, of 8192 samples.
    m = AudioModality(resolution=16384, rate=16000, waves="siren")
    frequencies = m.encoding(1 / 16000).frequencies.abs()
    assert 0.11 < frequencies.max().item() / 8000 < 0.125
    assert 0.9 < AudioModality().encoding(1 / 16000).frequencies.max().item() / 8000 <= 15 / 16


@pytest.mark.slow
def test_one_field_holds_a_whole_sound():
    # Oracle: the signal-to-noise ratio of the sound itself, all of its band: a generator that could not reach 30 dB
    # with any weights could not make the data. The weights of one field are fitted, without a hypernetwork.
    from inrgan.hypernetwork import demodulate

    torch.manual_seed(0)
    m = AudioModality(resolution=16384, rate=16000)
    inr, source = Generator(m, preset="base").inr, m.source(None)
    view = m.domain.grid((16384,))
    wanted = m.observe([source[next(i for i in range(50) if source.label(i) == 1)]], view)
    weights = [torch.randn(1, s.outputs, s.inputs, requires_grad=True) for s in inr.layers]
    biases = [torch.zeros(1, s.outputs, requires_grad=True) for s in inr.layers]
    optimizer, steps = torch.optim.Adam([*weights, *biases], lr=1e-2, betas=(0.9, 0.99)), 800
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    error = torch.ones(())
    for _ in range(steps):
        layers = [LayerWeights(demodulate(w), b) for w, b in zip(weights, biases, strict=True)]
        error = (Field(inr, layers, domain=m.domain)(view) - wanted).square().mean() / wanted.square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        schedule.step()
    assert -10 * np.log10(error.item()) > 30


_MEMORY = """
import resource, sys, torch
from inrgan import AudioModality, Generator, GeneratorSizes
sizes = GeneratorSizes(
    z_dim=8, w_dim=16, rank=2, backbone="harmonic-bank", lattices=(64, 512), widths=(16, 16), depths=(1, 1)
)
m = AudioModality()
field = Generator(m, sizes=sizes).eval().sample([0])
shape, region = m.window(seconds=float(sys.argv[1]))
for start in range(0, shape[0], 1 << 16):
    field.render(shape, region=region, window=(slice(start, min(start + (1 << 16), shape[0])),))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""


@pytest.mark.slow
def test_memory_of_ten_minutes_is_that_of_ten_seconds():
    # Oracle: peak memory of processes of their own. The list of times itself has 8 bytes a sample and some copies.
    import subprocess

    few, many = (
        float(subprocess.run([sys.executable, "-c", _MEMORY, s], capture_output=True, text=True, check=True).stdout)
        for s in ("10", "600")
    )
    assert many - few < 8 * 8 * 9.6e6 / 2**20 + 100
