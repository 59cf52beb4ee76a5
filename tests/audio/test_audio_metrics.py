"""Metrics of audio. Oracles: closed forms of tones and noise, scipy, equal sets, the protocol."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from inrgan_modalities.audio import LogMelFeatures, SyntheticAudio, frechet_audio_distance, pitches
from inrgan_modalities.audio._metrics import wasserstein
from inrgan_modalities.audio._spectrogram import mel, mel_bands
from sounds import tone

from inrgan import AudioModality, Generator
from inrgan.errors import ConfigError, ShapeError
from inrgan.evaluation import score_generator
from inrgan.metrics import evaluate

RATE = 8000


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def tones(hertz, *, amplitude=0.3, seconds=0.5):
    rows = [tone(h, RATE, seconds, amplitude=amplitude, phase=0.7 * i) for i, h in enumerate(hertz)]
    return torch.from_numpy(np.stack(rows)).float()[:, None]


def noise(count, *, deviation=0.1, seed=0):
    return deviation * torch.randn(count, 1, 4000, generator=rng(seed))


def scores(real, fake, *names, seconds=0.5):
    m = AudioModality(resolution=4000, rate=RATE)
    assert m.seconds == seconds
    found = evaluate(real, fake, metrics=names, others=m.metrics(), features=m.features())
    return found[0] if len(names) == 1 else found


def test_mel_scale_and_bands():
    assert mel(1000) == pytest.approx(1000, abs=0.1) and mel(0) == 0
    bands = mel_bands(count=32, size=256, rate=RATE)
    torch.testing.assert_close(bands.sum(dim=1), torch.ones(32))
    middles = (bands * torch.arange(129)).sum(dim=1) * RATE / 256
    assert (middles.diff() >= 0).all() and middles[-1] > 3500


@pytest.mark.parametrize("hertz", [70, 110, 213.3, 440])
@pytest.mark.parametrize("partials", [1, 5])
def test_pitch_of_tones(hertz, partials):
    # Oracle: the pitch that the tone was made with, within a half per cent, though partials repeat more often.
    x = sum(tones([h * hertz], amplitude=0.3 / h) for h in range(1, partials + 1))
    found = pitches(x, rate=RATE)
    assert found.voiced.double().mean() > 0.95
    np.testing.assert_allclose(found.hertz[found.voiced].numpy(), hertz, rtol=5e-3)


def test_noise_and_silence_are_not_voiced():
    assert pitches(noise(8), rate=RATE).voiced.double().mean() < 0.1
    assert not pitches(torch.zeros(2, 1, 4000), rate=RATE).voiced.any()
    with pytest.raises(ShapeError, match="frame"):
        pitches(torch.zeros(1, 1, 100), rate=RATE)


def test_pitch_of_the_built_in_vowels():
    # Oracle: the factors that the sounds are made from: between the pitch at the onset and that at the end.
    source = SyntheticAudio(40, seconds=1.0, rate=RATE)
    vowels = [i for i in range(40) if source.label(i) == 1][:6]
    found = pitches(torch.stack([source[i].samples for i in vowels]), rate=RATE)
    for row, i in enumerate(vowels):
        f = source.factors(i)
        ends = sorted([f["pitch"], f["pitch"] * 2 ** f["bend"]])
        middle = found.hertz[row][found.voiced[row]].median().item()
        assert 0.97 * ends[0] < middle < 1.03 * ends[1]


def test_wasserstein_agrees_with_scipy():
    from scipy.stats import wasserstein_distance

    a, b = torch.randn(37, generator=rng()), torch.randn(20, generator=rng(1)) + 0.5
    assert wasserstein(a, b) == pytest.approx(wasserstein_distance(a.numpy(), b.numpy()), rel=1e-6)


def test_pitch_and_voiced_closed_forms():
    low, high = tones([110] * 8), tones([220] * 8)
    octave = scores(low, high, "pitch")
    assert octave.value == pytest.approx(1.0, abs=0.02) and octave.protocol["median_hz_fake"] == pytest.approx(
        220, 0.01
    )
    assert scores(low, low, "pitch").value == 0
    assert scores(low, noise(8) * 0, "pitch").value == pytest.approx(np.log2(500 / 60))
    half = torch.cat([tones([110] * 4), torch.zeros(4, 1, 4000)])
    voiced = scores(low, half, "voiced")
    assert voiced.value == pytest.approx(0.5, abs=0.03) and voiced.protocol["voiced_real"] > 0.95


def test_envelope_closed_form():
    # Oracle: half the amplitude is 6.02 dB less, everywhere.
    x = noise(16, deviation=0.2)
    assert scores(x, x / 2, "envelope").value == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_spectral_convergence_closed_form():
    # Oracle: scaling by s leaves |1 - s| of the spectrum's norm.
    x = noise(6)
    assert scores(x, 0.7 * x, "spectral-convergence").value == pytest.approx(0.3, abs=1e-6)


def test_log_mel_features():
    # Oracle: ten times the amplitude is 2 in units of 10 dB, in every mean and in no deviation.
    features, x = LogMelFeatures(1, seconds=0.5), noise(3, deviation=0.05)
    a, b = features(x), features(10 * x)
    assert a.shape == (3, features.size) == (3, 160)
    torch.testing.assert_close(
        b[:, :128] - a[:, :128], torch.full((3, 128), 2.0, dtype=torch.float64), rtol=0, atol=1e-3
    )
    torch.testing.assert_close(b[:, 128:], a[:, 128:], rtol=0, atol=1e-3)
    torch.testing.assert_close(features(x[1:2]), a[1:2])
    with pytest.raises(ShapeError):
        features(torch.zeros(3, 2, 4000))


def test_fad_is_honest():
    with pytest.raises(ConfigError, match="weights"):
        scores(noise(8), noise(8), "fad")
    embed = lambda v: torch.stack([v.std(dim=(1, 2)), v.abs().amax(dim=(1, 2))], dim=1)  # noqa: E731
    assert frechet_audio_distance(noise(40), noise(40), embed=embed) == pytest.approx(0, abs=1e-12)
    assert frechet_audio_distance(noise(40), noise(40, deviation=0.3), embed=embed) > 0.1


def test_scores_of_a_generator():
    m = AudioModality(resolution=1024, rate=4000)
    source = m.source(None)
    torch.manual_seed(0)
    G = Generator(m, preset="tiny", labels=source.label_names).eval()
    found = score_generator(G, source, metrics=(*m.default_metrics, "labels"), count=40)
    assert [s.name for s in found] == [*m.default_metrics, "labels"]
    assert all(np.isfinite(s.value) for s in found)
    assert found[0].protocol["filter"] == "kaiser-sinc" and found[0].protocol["extractor"].startswith("log-mel")
    # The built-in kinds are told apart by their log-mel features; an untrained generator knows nothing of them.
    assert found[-1].protocol["accuracy_of_other_reals"] > 0.8 and found[-1].value < 0.8
    with pytest.raises(ConfigError, match="labels"):
        score_generator(Generator(m, preset="tiny").eval(), source, metrics=["labels"], count=16)
