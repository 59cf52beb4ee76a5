"""Transforms of reals and fakes. Oracles: numpy's padding, flips and turns of arrays, closed forms, gradgradcheck."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from toy_modalities import ToneModality

from inrgan import Box, CriticSizes, GeneratorSizes, ImageModality, TrainConfig, Trainer
from inrgan.augmentation import (
    Affine,
    Augmentation,
    AugmentStrength,
    Flip,
    Polarity,
    QuarterTurn,
    Rotation,
    Scale,
    Shift,
    Tint,
)
from inrgan.errors import ConfigError
from inrgan.losses import NonSaturatingLoss, RelativisticLoss
from inrgan.resampling import resample
from inrgan.samplers import VariableDensity
from inrgan.views import scattered

BOX = Box(2)
SMALL = GeneratorSizes(z_dim=8, w_dim=8, rank=1, lattices=(2, 4), widths=(8, 8, 8), depths=(1, 1, 1))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def close(a, b, atol=1e-5):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def picture(size=12, batch=2):
    return torch.rand(batch, 3, size, size, generator=rng(7)) - 0.5


def seen(values, transform, drawn, box=BOX):
    """Images through a transform, at their own samples."""
    view = transform.look(box.grid(values.shape[2:]), torch.tensor(drawn))
    return resample(values, view, lower=box.lower, upper=box.upper)


# --- moves, against arrays ---


def test_flip_is_that_of_the_array():
    x = picture()
    close(seen(x, Flip(BOX, axis=0), [[1.0], [0.0]]), torch.stack([x[0].flip(-1), x[1]]))
    close(seen(x, Flip(BOX, axis=1), [[1.0], [1.0]]), x.flip(-2))


@pytest.mark.parametrize("pixels", [(3, 0), (-5, 2), (12, -30)])
def test_whole_shifts_are_numpys_symmetric_padding(pixels):
    # Oracle: the array padded by mirrors at its border, and cut out elsewhere.
    x, n = picture(), 12
    got = seen(x, Shift(BOX), [[pixels[0] * 2 / n, pixels[1] * 2 / n]])
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (40, 40), (40, 40)], mode="symmetric")
    top, left = 40 - pixels[1], 40 - pixels[0]
    close(got, torch.from_numpy(padded[:, :, top : top + n, left : left + n].copy()))


def test_parts_of_a_sample_are_moved_too():
    # Oracle: a wave far below the band's limit, moved in closed form, away from the border. A twentieth of a sample
    # would be an error of 0.005.
    view = BOX.grid((64, 64))
    x = torch.sin(3 * view.coords[..., 0]).reshape(1, 1, 64, 64)
    got = seen(x, Shift(BOX), [[0.37 * 2 / 64, 0.0]])
    expected = torch.sin(3 * (view.coords[..., 0] - 0.37 * 2 / 64)).reshape(1, 1, 64, 64)
    close(got[..., 4:-4], expected[..., 4:-4], atol=5e-3)


def test_quarter_turns_are_those_of_the_array():
    x = picture()
    turned = seen(x, Rotation(BOX), [[math.pi / 2], [math.pi]])
    # y goes down, so that a positive angle from x to y turns clockwise as one looks at it.
    close(turned, torch.stack([torch.rot90(x[0], -1, (1, 2)), torch.rot90(x[1], 2, (1, 2))]), atol=1e-4)


def test_turns_of_a_wave():
    # Oracle: the closed form, on the disk that a turn keeps within the box. Half a degree would be an error of 0.03.
    view = BOX.grid((64, 64))
    x, y = view.coords[0].T
    wave = torch.sin(4 * x).reshape(1, 1, 64, 64)
    got = seen(wave, Rotation(BOX), [[0.6]])
    expected = torch.sin(4 * (math.cos(0.6) * x + math.sin(0.6) * y)).reshape(1, 1, 64, 64)
    disk = (x.square() + y.square() < 0.8).reshape(64, 64)
    close(got[..., disk], expected[..., disk], atol=5e-3)


def test_smaller_signals_are_filtered_and_larger_ones_not_finer():
    view = BOX.grid((16, 16))
    looked = Scale(BOX).look(view, torch.tensor([[-1.0, 1.0]]))  # half as wide, twice as high
    close(looked.spacing, view.spacing * torch.tensor([2.0, 1.0]))
    x, y = looked.axes
    close(y, view.axes[1] / 2)
    inner = (view.axes[0] * 2).abs() <= 1
    close(x[inner], (view.axes[0] * 2)[inner])
    assert float(x.abs().max()) <= 1


def test_moves_agree_on_lists_and_points():
    # Oracle: the same coordinates, held as a product and one by one.
    product = BOX.grid((6, 9))
    points = dataclasses.replace(product, axes=None, points=product.coords)
    for move in (Flip(BOX, axis=1), Shift(BOX, most=(1.0, 0.2)), Scale(BOX), Rotation(BOX)):
        drawn = move.draw(3, generator=rng())
        close(move.look(product, drawn).coords, move.look(points, drawn).coords)


def test_points_and_products_are_seen_alike():
    # Oracle: the product grid's own filter, at samples closer and up to twice as far apart as the data's.
    x = picture()
    for shape in ((12, 12), (30, 20), (8, 6)):
        product = BOX.grid(shape)
        points = scattered(product.coords, spacing=product.spacing)
        close(*(resample(x, v, lower=(-1, -1.5), upper=(1, 1)).flatten(2) for v in (product, points)))


@pytest.mark.parametrize("size", [40, 200])
def test_fine_data_are_seen_at_points_as_on_products(size):
    # Oracle: the product grid's own filter. Data far finer than the view are brought to twice its density first, which
    # the second filter leaves within 2% of one filter alone.
    x = torch.nn.functional.interpolate(picture(20), size=(size, size), mode="bicubic").clamp(-1, 1)
    product = BOX.grid((16, 16))
    points = scattered(product.coords, spacing=product.spacing)
    a, b = (resample(x, v, lower=(-1, -1), upper=(1, 1)).flatten(2) for v in (product, points))
    assert float((a - b).square().mean().sqrt() / a.std()) < 0.02


@pytest.mark.parametrize("plane", [(0, 1), (0, 2), (2, 1)])
def test_turned_grids_of_a_solid_are_seen_as_their_points(plane):
    # Oracle: the same points without an order, of which each is filtered by itself along all coordinates.
    x = torch.rand(2, 2, 9, 10, 11, generator=rng(3)) - 0.5
    grid = Scale(Box(3), beyond="border").look(Box(3).grid((6, 8, 7)), 0.2 * torch.randn(2, 3, generator=rng()))
    turned = Rotation(Box(3), plane=plane, beyond="border").look(grid, torch.tensor([[0.4], [0.0]]))
    got = resample(x, turned, lower=(-1, -1, -1), upper=(1, 1, 1))
    points = scattered(turned.coords, spacing=turned.spacing)
    close(got.flatten(2), resample(x, points, lower=(-1, -1, -1), upper=(1, 1, 1)))
    assert got.shape == (2, 2, 6, 8, 7)


def test_beyond_the_border():
    # Oracle: the nearest point of the box; the mirror's image is another one.
    view = scattered(torch.tensor([[[0.9, 0.0], [-0.5, 0.95]]]))
    drawn = torch.tensor([[-0.3, 0.2]])
    close(Shift(BOX, beyond="border").look(view, drawn).coords[0], torch.tensor([[1.0, -0.2], [-0.2, 0.75]]))
    close(Shift(BOX).look(view, drawn).coords[0], torch.tensor([[0.8, -0.2], [-0.2, 0.75]]))


@pytest.mark.parametrize("plane", [(0, 1), (1, 0), (0, 2)])
def test_quarter_turns_of_grids(plane):
    # Oracle: numpy's turn of the array, with axes in its order; the rotation by that angle. The box is off the origin.
    box = Box(3, lower=(1, 2, -1), upper=(3, 4, 1))
    x, view = torch.rand(4, 1, 6, 6, 6, generator=rng()), box.grid((6, 6, 6))
    drawn, turn = torch.arange(4.0)[:, None], QuarterTurn(box, plane=plane)
    looked = turn.look(view, drawn)
    assert looked.axes is not None
    got = turn.change(resample(x, looked, lower=box.lower, upper=box.upper), view, drawn)
    axes = [2 - d for d in plane]  # of the array: x is the last
    for k in range(4):
        close(got[k, 0], torch.from_numpy(np.rot90(x[k, 0].numpy(), k, axes).copy()))
    rotated = Rotation(box, plane=plane).look(view, drawn * math.pi / 2)
    close(got, resample(x, rotated, lower=box.lower, upper=box.upper), atol=1e-4)
    # Points are turned by themselves, and what is seen there stays in its order.
    points = scattered(view.coords, spacing=view.spacing)
    flat = turn.change(resample(x, turn.look(points, drawn), lower=box.lower, upper=box.upper), points, drawn)
    close(flat.flatten(2), got.flatten(2))
    assert torch.equal(turn.look(view, torch.zeros(4, 1)).coords, view.coords.expand(4, -1, -1))


def test_quarter_turns_carry_spacing_and_weights():
    # Oracle: the list of points: a sample's spacing, weight and place go together.
    view = VariableDensity(24, strength=3.0).draw(Box(2), batch=1, generator=rng())
    drawn = torch.arange(4.0)[:, None]
    looked = QuarterTurn(BOX).look(view, drawn)
    order = torch.arange(view.count).reshape(view.shape)
    for k in range(4):
        points = dataclasses.replace(view, axes=None, points=view.coords)
        back = Rotation(BOX).look(points, drawn[k : k + 1] * math.pi / 2)
        arranged = order.T.flatten() if k % 2 else order.flatten()
        close(looked.coords[k], back.coords[0, arranged], atol=1e-5)
        spacing = view.spacing[0, arranged]
        close(looked.spacing.expand(4, -1, -1)[k], spacing.flip(-1) if k % 2 else spacing)
        close(looked.weights.expand(4, -1)[k], view.weights[0, arranged])


def test_uneven_grids_are_turned_by_half_turns():
    x, view, turn = picture(12), BOX.grid((12, 9)), QuarterTurn(BOX)
    got = turn.change(resample(x, turn.look(view, torch.tensor([[1.0], [3.0]])), lower=(-1, -1), upper=(1, 1)), view,
                      torch.tensor([[1.0], [3.0]]))  # fmt: skip
    straight = resample(x, view, lower=(-1, -1), upper=(1, 1))
    close(got, torch.stack([straight[0], straight[1].flip(1, 2)]))
    drawn = turn.draw(4000, generator=rng())
    counts = torch.stack([(drawn == k).sum() for k in range(4)])
    assert (counts - 1000).abs().max() < 5 * (4000 * 3 / 16) ** 0.5
    with pytest.raises(ConfigError, match="right angles"):
        QuarterTurn(Box(2, aspect=(2, 1)))


def test_points_do_not_depend_on_others_of_a_batch():
    # Oracle: each sample alone; spacings of the samples lie octaves apart.
    x = picture(100, batch=3)
    drawn = torch.tensor([[0.0, 0.0], [-1.5, -1.5], [-0.1, 0.2]])
    view = Rotation(BOX).look(Scale(BOX).look(BOX.grid((16, 16)), drawn), torch.tensor([[0.3], [0.1], [2.0]]))
    together = resample(x, view, lower=(-1, -1), upper=(1, 1))
    alone = [resample(x[i : i + 1], view.row(i), lower=(-1, -1), upper=(1, 1)) for i in range(3)]
    close(together, torch.cat(alone), atol=1e-6)


def test_a_patch_and_its_whole_are_moved_alike():
    # Oracle: the map of one point does not depend on the view that it is part of.
    aug = Augmentation([Flip(BOX, axis=0), Shift(BOX), Scale(BOX), Rotation(BOX)])
    drawn = aug.draw(4, probability=1.0, generator=rng())
    whole = BOX.grid((8, 8))
    patch = whole.window((slice(2, 5), slice(3, 7)))
    moved = aug.look(whole, drawn).coords.unflatten(1, (8, 8))[:, 2:5, 3:7].flatten(1, 2)
    close(moved, aug.look(patch, drawn).coords)
    close(aug.look(patch, drawn).center, patch.center)  # the critic is told where it looks


def test_order_of_moves():
    # Oracle: a flip, then a shift to the right by 2 samples, of the array.
    x = picture()
    aug = Augmentation([Flip(BOX, axis=0), Shift(BOX)])
    view = aug.look(BOX.grid((12, 12)), (torch.ones(1, 1), torch.tensor([[2 * 2 / 12, 0.0]])))
    got = resample(x, view, lower=(-1, -1), upper=(1, 1))
    close(got[..., 2:], x.flip(-1)[..., :-2])


# --- values ---


def test_colours():
    view, x = BOX.grid((2, 2)), picture(2)
    third = torch.tensor([[0.0, 2 * math.pi / 3]] * 2)
    close(Tint().change(x, view, third), x.roll(1, dims=1))  # red to green, green to blue
    grey = torch.full((1, 3, 2, 2), 0.3)
    close(Tint().change(grey, view, torch.tensor([[2.0, 1.0]])), grey)
    faint = Tint().change(x, view, torch.tensor([[-30.0, 0.0]] * 2))
    close(faint, x.mean(dim=1, keepdim=True).expand_as(x))
    four = torch.cat([x, torch.ones(2, 1, 2, 2)], dim=1)
    close(Tint().change(four, view, third)[:, 3], torch.ones(2, 2, 2))
    close(Affine().change(x, view, torch.tensor([[1.0, 0.25], [0.0, 0.0]])), torch.stack([2 * x[0] + 0.25, x[1]]))
    close(Polarity().change(x, view, torch.tensor([[1.0], [0.0]])), torch.stack([-x[0], x[1]]))


@pytest.mark.parametrize("transform", [Affine(), Polarity(), Tint(), QuarterTurn(BOX)], ids=lambda t: t.name)
def test_twice_differentiable(transform):
    drawn = (
        transform.draw(2, generator=rng(1)) + 0.1 if transform.name != "quarter-turn-01" else torch.tensor([[1.0], [2]])
    )
    x = picture(2).double().requires_grad_()
    # A cube behind it, so that second derivatives are not all zero.
    assert torch.autograd.gradgradcheck(lambda v: transform.change(v, BOX.grid((2, 2)), drawn) ** 3, x)


# --- chance ---


@pytest.mark.parametrize("transform", [*ImageModality().transforms()], ids=lambda t: t.name)
def test_zeros_leave_signals_alone(transform):
    view, x = BOX.grid((5, 5)), picture(5)
    none = torch.zeros_like(transform.draw(2, generator=rng()))
    close(transform.look(view, none).coords, view.coords.expand(transform.look(view, none).coords.shape), atol=0)
    close(transform.change(x, view, none), x, atol=1e-7)


def test_chance():
    # Oracle: the binomial law, within five standard deviations; every transform by a chance of its own.
    aug = Augmentation([Shift(BOX), Scale(BOX), Affine()])
    drawn = aug.draw(4000, probability=0.3, generator=rng())
    taken = torch.stack([d.abs().amax(dim=1) > 0 for d in drawn]).double()
    assert bool(((taken.mean(dim=1) - 0.3).abs() < 5 * math.sqrt(0.21 / 4000)).all())
    both = (taken[0] * taken[1]).mean()
    assert abs(both - 0.09) < 5 * math.sqrt(0.09 * 0.91 / 4000)
    view, x = BOX.grid((4, 4)), picture(4, batch=4)
    never = aug.draw(4, probability=0.0, generator=rng())
    assert aug.look(view, never) is view and aug.change(x, view, never) is x


def test_strength_follows_the_critic():
    # Oracle: the rule by hand: 4 steps of 10 items are 0.04 of 1 kimg.
    strength = AugmentStrength("adaptive", probability=0.1, target=0.5, kimg=1.0)
    told = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.9]
    seen = []
    for t in told:
        strength.update(torch.tensor(t), items=10)
        seen.append(round(strength.probability, 6))
    assert seen == [0.1, 0.1, 0.1, 0.14, 0.14, 0.14, 0.14, 0.1, 0.1]
    other = AugmentStrength("adaptive", probability=0.0, target=0.5, kimg=1.0)
    other.load_state_dict(strength.state_dict())
    for _ in range(3):
        strength.update(torch.tensor(1.0), items=10)
        other.update(torch.tensor(1.0), items=10)
    assert other.probability == strength.probability == pytest.approx(0.14)
    for kind, expected in (("none", 0.0), ("fixed", 0.1)):
        fixed = AugmentStrength(kind, probability=0.1, target=0.5, kimg=0.001)
        for _ in range(8):
            fixed.update(torch.tensor(1.0), items=10)
        assert fixed.probability == expected


def test_strength_stays_within_bounds():
    strength = AugmentStrength("adaptive", probability=0.5, target=0.5, kimg=0.001)
    for _ in range(4):
        strength.update(torch.tensor(1.0), items=10)
    assert strength.probability == 0.85
    for _ in range(4):
        strength.update(torch.tensor(0.0), items=10)
    assert strength.probability == 0.0


def test_real_fake_sign():
    real, fake = torch.tensor([1.0, 5.0, -1.0, 2.0]), torch.tensor([0.0, 6.0, -2.0, 2.0])
    assert float(RelativisticLoss().real_fake_sign(real, fake)) == 0.25
    assert float(NonSaturatingLoss().real_fake_sign(real, fake)) == 0.5


# --- in training ---


def test_critics_see_transformed_fields_from_untransformed_views(tmp_path):
    # Oracle: the field at the moved coordinates, point by point, and values changed by hand.
    modality = ImageModality(resolution=16)
    config = TrainConfig(
        modality=modality, generator=SMALL, critic=CriticSizes(width=4, max_width=8), batch=4, kimg=1, device="cpu",
        augment="fixed", augment_p=0.7,
    )  # fmt: skip
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    (part,) = trainer.batches.at(0, probability=0.7)[0]
    fakes, _, _ = trainer.training_step.generate(part)
    view = modality.domain.grid((16, 16))
    close(part.views[0].coords, view.coords)
    from inrgan._random import step_generator

    augmentation = trainer.batches.augmentation
    drawn = augmentation.draw(4, probability=0.7, generator=step_generator(0, purpose="transform-fakes", step=0))
    assert all(bool(d.any()) for d in drawn[1:])
    z = torch.randn(4, 8, generator=step_generator(0, purpose="z", step=0))
    field = trainer.G(z)
    coords = augmentation.look(view, drawn)
    plain = field(scattered(coords.coords, spacing=coords.spacing)).reshape(4, 3, 16, 16)
    close(fakes[0], augmentation.change(plain, view, drawn), atol=1e-4)
    untouched = Trainer(dataclasses.replace(config, augment="none"), outdir=tmp_path, quiet=True)
    (before,) = untouched.batches.at(0, probability=0.0)[0]
    assert (before.reals[0] - part.reals[0]).abs().amax(dim=(1, 2, 3)).gt(1e-3).sum() >= 2
    trainer.close()
    untouched.close()


def test_patches_train_with_transforms(tmp_path):
    from inrgan.losses import LossOptions

    config = TrainConfig(
        modality=ImageModality(resolution=16), generator=SMALL, critic=CriticSizes(width=4, max_width=8), batch=4,
        kimg=1, device="cpu", augment="adaptive", augment_p=0.5, losses=("full", "dense-patch"),
        views=LossOptions(patch=8, whole=8, patch_start=0, patch_ramp=0),
    )  # fmt: skip
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    stats = trainer.train_step().stats
    trainer.close()
    assert all(bool(torch.isfinite(v)) for v in stats.values())
    assert {"real_fake_sign/full", "real_fake_sign/dense-patch"} <= set(stats)


def test_bad_options():
    with pytest.raises(ConfigError, match="tone has no transforms"):
        TrainConfig(modality=ToneModality(), augment="adaptive")
    with pytest.raises(ConfigError, match="augment_p is 2"):
        TrainConfig(modality=ImageModality(), augment="fixed", augment_p=2)
    with pytest.raises(ConfigError, match="3 shifts"):
        Shift(BOX, most=(1, 2, 3))


def test_large_pictures_are_turned_too():
    # Oracle: the same picture held whole.
    from inrgan.data import AbstractLargeItem

    x = picture(32, batch=1)[0]

    class Whole(AbstractLargeItem):
        shape, levels = (3, 32, 32), 1

        def read(self, level, window):
            return x[(slice(None), *window)]

    modality = ImageModality(resolution=16)
    view = Rotation(BOX).look(BOX.grid((16, 16)), torch.tensor([[0.5]]))
    close(modality.observe([Whole()], view), modality.observe([x], view))
