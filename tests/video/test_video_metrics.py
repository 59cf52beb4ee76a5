"""Metrics of videos. Oracles: closed forms, the periodogram of scipy, known motion, the general distances."""

import math

import numpy as np
import pytest
import torch
from inrgan_modalities.video import (
    FVD_PROTOCOL,
    frechet_video_distance,
    peak_prominence,
    temporal_spectrum,
    warping_error,
)
from inrgan_modalities.video._metrics import video_metrics
from scipy.signal import periodogram

from inrgan import Generator, VideoModality
from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import Comparison, evaluate, frechet_distance


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def textured(shifts, *, size=32, seed=0):
    """Videos of a smooth texture that moves along x by ``shifts``, in pixels."""
    x = np.arange(size)
    out = np.zeros((len(shifts), size, size))
    for k, shift in enumerate(shifts):
        for i in range(8):
            g_i = np.random.default_rng([seed, i])
            fx, fy, phase = g_i.integers(-3, 4), g_i.integers(-3, 4), g_i.uniform(0, 2 * np.pi)
            out[k] += np.sin(2 * np.pi * (fx * (x[None] - shift) + fy * x[:, None]) / size + phase)
    return torch.from_numpy(0.8 * out / np.abs(out).max()).float().expand(1, 3, -1, -1, -1)


def test_temporal_spectrum_against_scipy():
    values = torch.randn(3, 2, 16, 4, 5, generator=rng())
    _, power = periodogram(values.double().numpy(), window="hann", detrend="constant", scaling="density", axis=2)
    mean = power.mean(axis=(0, 1, 3, 4))
    mean[1:-1] /= 2  # scipy's is one-sided
    np.testing.assert_allclose(temporal_spectrum(values).numpy(), 10 * np.log10(mean)[1:], atol=1e-6)


def test_a_swing_is_a_peak():
    t = torch.arange(64) / 64
    swing = torch.sin(2 * math.pi * 9 * t + torch.rand(6, 1, generator=rng()) * 6).reshape(6, 1, 64, 1, 1)
    found = temporal_spectrum(swing)
    assert int(found.argmax()) == 8 and peak_prominence(found) > 40
    walk = torch.randn(64, 1, 64, 2, 2, generator=rng()).cumsum(dim=2) / 8
    assert peak_prominence(temporal_spectrum(walk)) < 3  # power falls with the square of the frequency
    assert torch.equal(temporal_spectrum(torch.ones(1, 1, 8, 2, 2)), torch.full((4,), -100.0, dtype=torch.float64))
    assert peak_prominence(torch.tensor([0.0, -6.0, -3.0, -12.0, -4.0, -20.0])) == 8
    assert peak_prominence(torch.tensor([3.0, 2.0, 1.0])) == 0
    for bad in (torch.zeros(1, 1, 3, 2, 2), torch.zeros(0, 1, 8, 2, 2), torch.zeros(8, 2, 2)):
        with pytest.raises(ShapeError):
            temporal_spectrum(bad)


@torch.no_grad()
def test_untrained_motion_does_not_swing():
    # Oracle: the same measure on the same films where a swing of a tenth of their size was added.
    m = VideoModality(resolution=16, frames=16, fps=8)
    for seed in range(3):
        torch.manual_seed(seed)
        field = Generator(m, preset="tiny").eval().sample(range(8))
        shape, region = m.window(rate=8, seconds=8.0)  # four windows
        films = field.render(shape, region=region)
        own = peak_prominence(temporal_spectrum(films))
        sway = torch.sin(2 * math.pi * 12 * torch.arange(shape[0]) / shape[0]).reshape(1, 1, -1, 1, 1)
        swung = peak_prominence(temporal_spectrum(films + 0.1 * films.std() * sway))
        assert own < 1.5 and swung > own + 3, (own, swung)


def test_warping_error_knows_motion():
    # Oracle: what a translation explains, what nothing explains, and the mean difference where nothing moves.
    moving = warping_error(textured([0, 1, 2, 3]))
    plain = float((textured([0]) - textured([1])).abs().mean())
    noise = warping_error(torch.rand(1, 3, 4, 32, 32, generator=rng()) * 2 - 1)
    assert moving < 0.25 * plain and noise > 5 * moving
    assert warping_error(textured([0, 0, 0])) < 0.01 * plain  # flow is only nearly 0
    grey = warping_error(textured([0, 1, 2, 3])[:, :1])
    assert grey == pytest.approx(moving, rel=0.3)
    for bad in (torch.zeros(1, 3, 1, 8, 8), torch.zeros(0, 3, 4, 8, 8), torch.zeros(3, 4, 8, 8)):
        with pytest.raises(ShapeError):
            warping_error(bad)


def test_frechet_video_distance():
    real, fake = torch.randn(40, 3, 4, 8, 8, generator=rng()), torch.randn(20, 3, 4, 8, 8, generator=rng(1)) + 0.5
    sizes = []

    def embed(films):
        sizes.append(len(films))
        return films.mean(dim=(2, 3))[:, 0]

    # Oracle: the Fréchet distance of the embeddings.
    expected = frechet_distance(*(x.mean(dim=(2, 3))[:, 0] for x in (real, fake)))
    assert frechet_video_distance(real, fake, embed=embed) == pytest.approx(expected, rel=1e-6)
    assert sizes == [16, 16, 8, 16, 4] and {"frames", "stride", "clips", "resize"} <= set(FVD_PROTOCOL)


def test_scores_rank_films():
    # Films of one motion, other films of that motion, films that stand still, films whose frames are shuffled.
    m = VideoModality(resolution=16, frames=8, fps=8)
    g = np.random.default_rng(0)
    films = lambda kind, seed: torch.cat([  # noqa: E731
        textured(kind(g.uniform(1.0, 2.5)), size=16, seed=100 * seed + i) for i in range(24)
    ])  # fmt: skip
    real, same = films(lambda v: v * np.arange(8), 0), films(lambda v: v * np.arange(8), 1)
    still = films(lambda v: 0 * np.arange(8), 2)
    shuffled = same[:, :, torch.tensor([0, 5, 2, 7, 4, 1, 6, 3])]
    names = ["swd", "frame-swd", "temporal-spectrum", "warping", "frechet", "frame-frechet"]

    def scores(fake):
        return {
            s.name: s for s in evaluate(real, fake, metrics=names, others=m.metrics(), features=m.features(), seed=0)
        }

    found = {name: scores(x) for name, x in (("same", same), ("still", still), ("shuffled", shuffled))}
    for name in ("swd", "temporal-spectrum"):
        assert found["same"][name].value < min(found[k][name].value for k in ("still", "shuffled")), name
    assert found["shuffled"]["warping"].value > 2 * found["same"]["warping"].value
    assert found["still"]["warping"].value < found["same"]["warping"].protocol["of_reals"]
    # Scores of frames know nothing of their order.
    assert found["shuffled"]["frame-swd"].value < 1.5 * found["same"]["frame-swd"].value
    assert found["same"]["temporal-spectrum"].protocol["highest_hz"] == 4.0


def test_metrics_without_weights_say_so():
    with pytest.raises(ConfigError, match="I3D"):
        video_metrics(1.0)["fvd"].measure(Comparison(torch.zeros(1, 3, 4, 8, 8), torch.zeros(1, 3, 4, 8, 8)))
