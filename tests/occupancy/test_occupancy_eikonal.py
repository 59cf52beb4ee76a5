"""The eikonal term. Oracles: closed forms, central differences, gradcheck."""

from dataclasses import replace

import pytest
import torch
from inrgan_modalities.occupancy._eikonal import eikonal_loss

from inrgan import Generator, OccupancyModality, Trainer, recipes
from inrgan.errors import ConfigError


def ball(scale):
    return lambda p: scale * (p.norm(dim=-1, keepdim=True) - 0.5) / 0.2


def test_a_distance_has_none_and_others_have_theirs():
    points = 2 * torch.rand(3, 2000, 3, generator=torch.Generator().manual_seed(0)) - 1
    assert eikonal_loss(ball(1.0), points, reach=0.2).item() < 1e-8
    for scale in (0.5, 3.0):  # a slope of so much, everywhere
        assert eikonal_loss(ball(scale), points, reach=0.2).item() == pytest.approx((scale - 1) ** 2, rel=1e-3)
    assert eikonal_loss(lambda p: 0 * p[..., :1] + 1, points, reach=0.2).item() == 0  # no surface


def test_its_gradient():
    points = 2 * torch.rand(2, 20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    scale = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(
        lambda s: eikonal_loss(lambda p: 0.3 * (s * p).square().sum(-1, keepdim=True) - 0.2, points, reach=1.0),
        scale, atol=1e-4, rtol=1e-3,  # lengths are in single precision
        eps=1e-3,
    )  # fmt: skip


def test_fields_agree_with_central_differences():
    m = OccupancyModality(resolution=16, eikonal=0.5)
    field, h, spacing = Generator(m, preset="tiny").sample([0, 1]), 1e-2, 2 / 16
    generator = torch.Generator().manual_seed(3)
    view = m.field_loss_view(2, generator=generator)
    assert view is not None
    got = m.field_loss(field, view)
    points = m.domain.sample(2 * 256, generator=torch.Generator().manual_seed(3)).reshape(2, 256, 3)
    with torch.no_grad():
        slope = torch.stack([(field(points + h * e, spacing=spacing) - field(points - h * e, spacing=spacing))[..., 0]
                             for e in torch.eye(3)], dim=-1) / (2 * h)  # fmt: skip
        near = field(points, spacing=spacing)[..., 0].abs() < 0.9
    expected = 0.5 * ((0.2 * slope.norm(dim=-1) - 1).square()[near]).mean()
    assert got.item() == pytest.approx(float(expected), rel=0.02)


def test_it_trains(tmp_path):
    m = OccupancyModality(resolution=16, eikonal=0.1)
    trainer = Trainer(replace(recipes.tiny(m), batch=4, device="cpu"), outdir=tmp_path, quiet=True)
    result = trainer.train_step()
    trainer.close()
    assert 0 < float(result.stats["loss/field"]) < 10


def test_bad_weights():
    for fields in ({"eikonal": -1.0}, {"eikonal": 0.1, "signal": "occupancy"}):
        with pytest.raises(ConfigError, match="eikonal"):
            OccupancyModality(**fields)
