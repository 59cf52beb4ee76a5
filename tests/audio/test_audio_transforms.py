"""Transforms of audio. Oracles: closed forms of tones, scipy's Fourier transform, gradgradcheck."""

import math

import numpy as np
import pytest
import torch
from inrgan_modalities.audio import Clip
from inrgan_modalities.audio._transforms import Delay, Equalizer
from scipy import fft

from inrgan import AudioModality, Box
from inrgan.errors import ConfigError

RATE, COUNT = 1000, 400
VIEW = Box(1, lower=(0.0,), upper=(COUNT / RATE,), precision=torch.float64).grid((COUNT,), dtype=torch.float64)


def close(a, b, atol=1e-5):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def test_delay_brings_silence():
    # Oracle: a tone in closed form, from its beginning on; filtered reals are those of the tone but for its edge.
    modality = AudioModality(resolution=COUNT, rate=RATE)
    t = (torch.arange(COUNT, dtype=torch.float64) + 0.5) / RATE
    clip = Clip(torch.sin(2 * math.pi * 50 * t)[None].float(), rate=RATE)
    delay, drawn = Delay(modality.seconds), torch.tensor([[0.1013], [-0.1]])
    got = delay.change(modality.observe([clip, clip], delay.look(VIEW, drawn)), VIEW, drawn)
    later, earlier = t - 0.1013, t + 0.1
    close(got[0, 0, :101], torch.zeros(101), atol=0)
    close(got[0, 0, 140:360].double(), torch.sin(2 * math.pi * 50 * later)[140:360], atol=1e-3)
    close(got[1, 0, 40:260].double(), torch.sin(2 * math.pi * 50 * earlier)[40:260], atol=1e-3)
    close(got[1, 0, 300:], torch.zeros(100), atol=0)


def test_equalizer_changes_levels_by_frequency():
    # Oracle: scipy's transform, and gains interpolated by numpy over the logarithm of the frequency.
    x = torch.randn(2, 1, COUNT, generator=torch.Generator().manual_seed(0))
    drawn = torch.tensor([[12.0, -6.0, 3.0], [0.0, 0.0, 0.0]])
    got = Equalizer((20, 100, 400)).change(x, VIEW, drawn)
    hertz = np.maximum(fft.rfftfreq(COUNT, 1 / RATE), 1e-9)
    decibels = np.interp(np.log(hertz), np.log([20, 100, 400]), drawn[0].numpy())
    expected = fft.irfft(fft.rfft(x[0, 0].double().numpy()) * 10 ** (decibels / 20), n=COUNT)
    close(got[0, 0].double(), torch.from_numpy(expected), atol=1e-4)
    close(got[1], x[1])


def test_crop_and_decimated_whole_hear_one_filter():
    # Oracle: a tone is only made louder; by as much at another rate.
    equalizer, drawn = Equalizer((20, 100, 400)), torch.tensor([[12.0, -6.0, 3.0]])
    ratios = []
    for step in (1, 2):
        view = Box(1, lower=(0.0,), upper=(COUNT / RATE,)).grid((COUNT // step,))
        tone = torch.sin(2 * math.pi * 50 * view.coords[..., 0])[:, None]
        ratios.append(float(equalizer.change(tone, view, drawn).norm() / tone.norm()))
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-3)
    assert 20 * math.log10(ratios[0]) == pytest.approx(12 - 18 * math.log(2.5) / math.log(5), abs=0.01)


def test_twice_differentiable():
    x = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    equalizer = Equalizer((20, 100, 400))
    drawn = equalizer.draw(2, generator=torch.Generator().manual_seed(1))
    view = Box(1).grid((16,))
    assert torch.autograd.gradgradcheck(lambda v: equalizer.change(v, view, drawn) ** 3, x)


def test_zeros_leave_sounds_alone():
    x = torch.randn(2, 1, COUNT)
    for transform in AudioModality(resolution=COUNT, rate=RATE).transforms():
        none = torch.zeros_like(transform.draw(2, generator=torch.Generator()))
        close(transform.look(VIEW, none).coords, VIEW.coords.expand(2, -1, -1)[: transform.look(VIEW, none).batch])
        close(transform.change(x, VIEW, none), x, atol=1e-5)


def test_knots_rise():
    with pytest.raises(ConfigError, match="rising"):
        Equalizer((100, 50))
