"""The parts of the studies. Oracles: closed forms, hand-made generators and codecs, what was put in."""

import dataclasses
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "studies"))

import abrupt  # noqa: E402
import compression  # noqa: E402
import derivatives  # noqa: E402
import editing  # noqa: E402
import irregular  # noqa: E402
import mixed_sizes  # noqa: E402
import stability  # noqa: E402
from _benchmarks import stable_rate  # noqa: E402

from inrgan import Box, ImageModality, recipes  # noqa: E402
from inrgan.analysis import Stages  # noqa: E402
from inrgan.inr import LayerWeights  # noqa: E402
from inrgan.views import scattered  # noqa: E402


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def plain(sizes):
    return json.loads(json.dumps(dataclasses.asdict(sizes)))


# --- settings ---


def test_abrupt_changes_one_thing_at_a_time():
    def settings(arm):
        modality, change = abrupt.ARMS[arm]
        config = change(recipes.tiny(modality)).to_json()
        sizes = config.pop("generator") or plain(modality.generator_sizes("tiny"))
        return {**config, **sizes}

    for arm, baseline in abrupt.STUDY.compare[:-1]:
        own, before = settings(arm), settings(baseline)
        other_data = type(abrupt.ARMS[arm][0]) is not type(abrupt.ARMS[baseline][0])
        assert sum(own[name] != before[name] for name in before) + other_data == 1, arm
    bent = settings("audio, predicted waves")["modality"]["arguments"]
    assert bent["bend"] == 1 and bent | {"bend": 0.0} == settings("audio, fixed waves")["modality"]["arguments"]
    discs, _ = abrupt.ARMS["discs only"]
    source = discs.source(None)
    assert {source.label(i) for i in range(len(source))} == {0} and len(source) > 1000
    few, _ = abrupt.ARMS["four images"]
    source, other = few.source(None), few.source(None, seed=5)
    different = torch.stack([source[i] for i in range(len(source))]).unique(dim=0)
    assert len(different) == 4 and len(source) == 1024 and torch.equal(source[1], other[1])


def test_stable_rates_are_sought_for_what_they_say():
    sizes = {}
    for arm in stability.ARMS:
        usual, free = (stability.config_of(arm, limit=limit) for limit in stability.LIMITS.values())
        assert usual.max_update == recipes.tiny(ImageModality(resolution=16)).max_update and free.max_update == 0
        assert usual.generator == free.generator
        assert ("demodulated" in arm) == usual.generator.demodulated
        assert (usual.generator.rank == 16) == ("rank 16" in arm)
        sizes[arm] = str(plain(usual.generator))
    assert len(set(sizes.values())) == len(sizes)


@pytest.mark.parametrize("stable", [0, 1, 8, 64, 1000])
def test_the_highest_rate_is_found_from_above(stable, monkeypatch):
    # Oracle: a training that is healthy up to a known multiple.
    tried = []

    def training(usual, *, multiple, steps):
        tried.append(multiple)
        return {"healthy": multiple <= stable}

    monkeypatch.setattr(stable_rate, "tried", training)
    assert stability.highest(None, most=64, steps=1) == min(stable, 64)
    assert tried == [m for m in (64, 32, 16, 8, 4, 2, 1) if m >= min(stable, 64)]


# --- data ---


def test_what_is_seen_of_pictures_is_what_is_there():
    complete, seen, filled = (
        irregular.PartialImages(resolution=16, what=what).source(None) for what in ("complete", "seen", "filled")
    )
    shares = []
    for i in range(12):
        whole, own, full = complete[i], seen[i], filled[i]
        assert whole.shape == own.shape == full.shape == (256, 6) and (whole[:, -1] == 1).all()
        known = own[own[:, -1] > 0]
        where = torch.cdist(known[:, :2], whole[:, :2]).argmin(dim=1)
        assert torch.allclose(known[:, :5], whole[where, :5], atol=1e-6)
        assert torch.allclose(full[where, 2:5], whole[where, 2:5], atol=1e-3)  # where it was seen, it was not made up
        assert not torch.allclose(full[:, 2:5], whole[:, 2:5], atol=0.1)
        shares.append(len(known) / 256)
    assert 0.15 < np.mean(shares) < 0.5 and len(set(shares)) > 3
    assert torch.equal(seen[3], seen[3])


def test_stations_of_skies_are_their_own():
    modality = irregular.PartialSkies(resolution=16, what="seen")
    source = modality.source(None)
    tables = [source[i] for i in range(3)]
    view = modality.observation_view(tables, scattered(torch.zeros(3, 64, 3), spacing=0.1))
    assert torch.equal(view.coords, torch.stack(tables)[..., :3]) and torch.equal(view.weights, torch.ones(3, 64))
    assert torch.equal(modality.observe(tables, view), torch.stack(tables)[..., 3:6].transpose(1, 2))
    assert torch.allclose(view.coords.norm(dim=2), torch.ones(3, 64), atol=1e-5)
    assert not torch.allclose(tables[0][:, :3], tables[1][:, :3])


def test_sizes_are_mixed_as_said():
    mixed, enlarged, large = (
        mixed_sizes.MixedShapes(resolution=32, what=what).source(None) for what in ("all", "enlarged", "large")
    )
    sizes = [mixed[i].shape[-1] for i in range(60)]
    assert [s for s in sizes if s >= 32] == [64] * 6 and min(sizes) >= 16 and len(set(sizes)) > 8
    assert all(enlarged[i].shape[-1] in (32, 64) for i in range(20)) and len(large) == len(mixed) // 10
    assert torch.equal(large[1], mixed[10])
    assert mixed[3].float().mean() == pytest.approx(float(enlarged[3].float().mean()), rel=0.02)


# --- derivatives ---


def wave(x):
    """Moves along x at 3, and along y at 1.5, per second."""
    return torch.stack([torch.sin(2 * x[:, 0] + x[:, 1] - 7.5 * x[:, 2])] * 2, dim=1)[None]


def test_derivatives_of_a_wave():
    x = torch.rand(50, 3, generator=rng(), dtype=torch.float64)
    slope = torch.cos(2 * x[:, 0] + x[:, 1] - 7.5 * x[:, 2])[:, None]
    right = slope * torch.tensor([2.0, 1.0, -7.5], dtype=torch.float64)
    assert torch.allclose(derivatives.gradient(wave, x), right)
    assert torch.allclose(derivatives.differences(wave, x, torch.full((3,), 1e-4)), right, atol=1e-6)
    assert derivatives.error(right, right, "video") == 0
    faster = right * torch.tensor([1.0, 1.0, 1.1])
    assert derivatives.error(faster, right, "video") == pytest.approx(0.1)


@pytest.mark.parametrize("dims", [2, 3])
def test_errors_are_angles(dims):
    one, other = torch.zeros(4, dims), torch.zeros(4, dims, dtype=torch.float64)
    one[:, 0], other[:, 0], other[:, 1] = 2.0, math.cos(math.radians(30)), math.sin(math.radians(30))
    assert derivatives.error(one, other, "shape") == pytest.approx(30, abs=1e-5)


# --- compression ---


def test_quantised_latents():
    likely = torch.randn(500, 6, generator=rng())
    for bits in (4, 8):
        within = likely.clamp(-3, 3)
        back = compression.quantized(within, likely, bits=bits)
        level = 8 * likely.std(dim=0) / (2**bits - 1)
        assert ((back - within).abs() <= level / 2 + 1e-5).all()
        assert all(len(column.unique()) <= 2**bits for column in back.T)
    far = compression.quantized(torch.full((1, 6), 99.0), likely, bits=8)
    assert torch.allclose(far, likely.mean(dim=0) + 4 * likely.std(dim=0))


def test_the_least_bytes_that_are_good_enough():
    values = np.zeros((1, 4))

    def codec(_):
        yield from ((size, np.full((1, 4), error)) for size, error in ((9, 0.1), (5, 0.2), (3, 0.4), (2, 0.9)))

    assert compression.at_most(codec, values, mse=0.2**2 + 1e-9)[0] == 5
    assert compression.at_most(codec, values, mse=1.0)[0] == 2
    assert compression.at_most(codec, values, mse=1e-6) == (9, pytest.approx(0.01))


def test_codecs_hand_back_what_they_were_given():
    values = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16)).astype(np.float32)
    size, error = compression.at_most(compression.CODECS["images"]["PNG"], values, mse=1.0)
    assert size > 16 * 16 * 3 and error <= (1 / 255) ** 2
    tone = np.random.default_rng(1).uniform(-1, 1, (1, 2048)).astype(np.float32)
    tries = list(compression.CODECS["audio"]["FLAC at the error of w in 8 bits"](tone))
    errors = [float(np.square(back - tone).mean()) for _, back in tries]
    assert errors[0] < 1e-9 and errors == sorted(errors) and tries[-1][0] < tries[0][0] / 2
    assert compression.psnr(0.04) == pytest.approx(20)


# --- editing ---


def test_a_generator_whose_latent_is_its_pixels_is_edited_inside_alone():
    stages = Stages(
        z_dim=16, mapping=lambda z: z, weights=lambda w: [LayerWeights(w[:, :, None], torch.zeros(len(w), 16))],
        signal=lambda weights, view: weights[0].weight.reshape(-1, 1, *view.shape),
    )  # fmt: skip
    view, w = Box(2).grid((4, 4)), 0.5 * torch.rand(2, 16, generator=rng())
    inside = torch.zeros(2, 1, 4, 4) > 0
    inside[:, :, :2] = True
    before = w.reshape(2, 1, 4, 4)
    target = torch.where(inside, -before, before)
    for space, steps in (("w", 120), ("θ", 800)):
        after = editing.edited(stages, w, target, inside, view, space=space, held=0.0, steps=steps)
        assert editing.rms(after - before, ~inside) == 0
        assert editing.rms(after - target, inside) < 0.02 < 0.4 < editing.rms(before - target, inside)


def test_a_generator_that_knows_one_level_moves_everywhere_unless_it_is_held():
    stages = Stages(
        z_dim=1, mapping=lambda z: z, weights=lambda w: [LayerWeights(w[:, :, None], torch.zeros(len(w), 1))],
        signal=lambda weights, view: weights[0].weight.reshape(-1, 1, 1, 1).expand(-1, 1, *view.shape),
    )  # fmt: skip
    view, w = Box(2).grid((4, 4)), torch.full((1, 1), 0.5)
    inside = torch.zeros(1, 1, 4, 4) > 0
    inside[..., 0] = True  # a quarter
    target = torch.where(inside, -0.5, 0.5)
    free, held = (
        editing.edited(stages, w, target, inside, view, space="w", held=x, steps=300).mean() for x in (0.0, 1.0)
    )
    # The mean of the target over what counts: closed form of the least squares.
    assert float(free) == pytest.approx(-0.5, abs=0.02) and float(held) == pytest.approx(0.25, abs=0.02)
