"""The critic of crops. Oracles: parts left out are gone, context matters where shown, penalties have slopes."""

import pytest
import torch

from inrgan import AudioModality, CriticSizes, GeneratorSizes, TrainConfig, Trainer
from inrgan.errors import ConfigError
from inrgan.losses import LossOptions, gradient_penalty

SIZES = CriticSizes(width=4, max_width=8)
SMALL = {
    "generator": GeneratorSizes(
        z_dim=8, w_dim=16, rank=2, backbone="harmonic-bank", lattices=(8, 32), widths=(16, 16), depths=(1, 1)
    ),
    "critic": SIZES,
}  # fmt: skip


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def setting(*, context=True, classes=0, **fields):
    m = AudioModality(resolution=2048, rate=8000, **fields)
    torch.manual_seed(0)
    sizes = CriticSizes(width=4, max_width=8, classes=classes)
    D = m.patch_critic(sizes, patch=512, whole=512, context=context)
    view = m.domain.patches(512, torch.full((3,), 1 / 8000), generator=rng())
    patch, whole = 0.2 * torch.randn(3, 1, 512, generator=rng(1)), 0.2 * torch.randn(3, 1, 512, generator=rng(2))
    return D, patch, view, whole, m.domain.grid((512,))


@pytest.mark.parametrize("fields", [{}, {"periods": ()}, {"frames": ()}, {"periods": (), "frames": ()}], ids=str)
@pytest.mark.parametrize("context", [True, False])
def test_parts_can_be_left_out(fields, context):
    D, patch, view, whole, whole_view = setting(context=context, **fields)
    kinds = [type(p).__name__ for p in D.parts]
    assert kinds.count("PeriodTrunk") == (0 if "periods" in fields else 5)
    assert kinds.count("SpectrumTrunk") == (0 if "frames" in fields else 2)
    scores = D(patch, view, whole, whole_view)
    assert scores.shape == (3,) and len({round(s, 5) for s in scores.tolist()}) == 3
    other = D(patch, view, 0.1 * whole.flip(0), whole_view)
    assert torch.equal(scores, other) != context
    one = D(patch[1:2], view.row(1), whole[1:2], whole_view)
    torch.testing.assert_close(one, scores[1:2], rtol=0, atol=1e-4)


def test_penalties_reach_every_part():
    D, patch, view, whole, whole_view = setting()
    gradient_penalty(lambda a, b: D(a, view, b, whole_view), (patch, whole), (view, whole_view)).backward()
    for i, part in enumerate(D.parts):
        slopes = [p.grad for p in part.parameters() if p.grad is not None]
        assert slopes and all(torch.isfinite(g).all() for g in slopes) and any(g.abs().max() > 0 for g in slopes), i
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in D.encoder.parameters())


def test_labels_enter():
    D, patch, view, whole, whole_view = setting(classes=2)
    a, b = (D(patch, view, whole, whole_view, torch.full((3,), k)) for k in (0, 1))
    assert not torch.allclose(a, b)


def test_bad_parts():
    for fields in ({"periods": (0,)}, {"frames": (16,)}, {"frames": (130,)}):
        with pytest.raises(ConfigError):
            AudioModality(**fields)


@pytest.mark.parametrize("losses", [("full", "dense-patch"), ("random-resolution",)], ids=",".join)
def test_trains(losses, tmp_path):
    # Oracle: two steps change weights and leave them finite; sizes of views are the modality's where none are given.
    m = AudioModality(resolution=2048, rate=8000)
    config = TrainConfig(
        modality=m, kimg=0.008, batch=4, losses=losses, views=LossOptions(patch_start=0, patch_ramp=0), **SMALL
    )
    assert (config.view_options.patch, config.view_options.whole, config.view_options.lowest) == (512, 512, 512)
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    before = [p.detach().clone() for p in trainer.D.parameters()]
    trainer.fit()
    trainer.close()
    after = list(trainer.D.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) > len(before) / 2
