"""Terms of the loss. Oracles: closed forms, windows of the whole, one sample at a time, training itself."""

import math

import pytest
import torch
from toy_modalities import BlobModality, BumpModality, ToneModality

from inrgan import Box, CriticSizes, Generator, GeneratorSizes, ImageModality, TrainConfig, Trainer
from inrgan.discriminators import PatchCritic
from inrgan.errors import ConfigError, DataError
from inrgan.losses import DensePatchTerm, LossOptions, gradient_penalty, terms
from inrgan.samplers import DensePatch, RandomResolution
from inrgan.training.reals import ItemCounts, Reals
from inrgan.views import product_view

TOYS = [ToneModality(), BumpModality(), BlobModality()]
LOSSES = {
    "full": {"losses": ("full",)},
    "random-resolution": {"losses": ("random-resolution",), "views": LossOptions(stretch=2, law="log")},
    "variable-density": {"losses": ("variable-density",), "views": LossOptions(foveation=0.5)},
    "shifted": {"losses": ("full",), "views": LossOptions(shift=0.5)},
    "dense-patch": {"losses": ("full", "dense-patch"), "views": LossOptions(patch=4, whole=4, patch_start=0)},
    "without context": {
        "losses": ("full", "dense-patch"),
        "views": LossOptions(patch=4, whole=4, patch_start=0, context=False),
    },
    "growing": {"losses": ("full", "random-resolution"), "views": LossOptions(grow_from=4, grow_kimg=0.02)},
}
SMALL = GeneratorSizes(z_dim=8, w_dim=8, rank=1, lattices=(2, 4), widths=(8, 8, 8), depths=(1, 1, 1))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def close(a, b, atol=1e-5):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


# --- training with every loss, in one, two and three dimensions ---


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("toy", TOYS, ids=lambda m: m.name)
def test_every_loss_trains_every_dimension(toy, loss, tmp_path):
    # Oracle: chance. By every term, critics learn within a few steps to tell items from an untrained generator's.
    config = TrainConfig(
        modality=toy, generator=SMALL, critic=CriticSizes(width=8, max_width=16), batch=8, gamma=0, kimg=1,
        device="cpu", critic_rate=1e-2, generator_rate=1e-9, **LOSSES[loss],
    )  # fmt: skip
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    before = [p.detach().clone() for p in trainer.G.parameters()]
    stats = [trainer.train_step().stats for _ in range(16)]
    trainer.close()
    for name in {n for n in stats[-1] if n.startswith("loss/critic/")}:
        last = sum(float(s[name]) for s in stats[-5:]) / 5
        assert last < math.log(2) - 0.1, f"{name} ends at {last:.3f}; by chance it is ln 2"
    moved = [not torch.equal(a, b) for a, b in zip(before, trainer.G.parameters(), strict=True)]
    assert any(moved)


@pytest.mark.parametrize("loss", ["dense-patch", "growing"])
def test_resume_equals_never_stopping(loss, tmp_path):
    def trained(folder, kimg, resume=None):
        config = TrainConfig(
            modality=BumpModality(), generator=SMALL, critic=CriticSizes(width=4, max_width=8), batch=4, kimg=0.032,
            device="cpu", **LOSSES[loss],
        )  # fmt: skip
        trainer = Trainer(config, outdir=folder, resume=resume, quiet=True)
        trainer.fit(kimg=kimg)
        trainer.close()
        return trainer

    straight, half = trained(tmp_path / "a", 0.032), trained(tmp_path / "b", 0.012)
    again = trained(tmp_path, 0.032, resume=half.run.path)
    for name in ("G", "D", "ema"):
        a, b = getattr(straight, name).state_dict(), getattr(again, name).state_dict()
        assert all(torch.equal(a[k], b[k]) for k in a), name


# --- dense patches ---


@pytest.mark.parametrize("box", [Box(1, lower=[0], upper=[2.5]), Box(2, aspect=(2, 1)), Box(3)])
def test_patches_lie_inside_at_places_and_densities_of_their_own(box):
    sampler = DensePatch(8, 64, coarsest=16)
    view = sampler.draw(box, batch=64, generator=rng())
    spacing = view.spacing[:, 0, 0]
    finest, coarsest = box.spacing(64), box.spacing(16)
    assert sampler.finest(box) == finest
    assert view.batch == 64 and view.shape == (8,) * box.coord_dim
    assert (spacing >= finest * (1 - 1e-6)).all() and (spacing <= coarsest * (1 + 1e-6)).all()
    # Log-uniform: as many below the geometric mean as above it, within 4 standard deviations of a coin's.
    assert abs(int((spacing < math.sqrt(finest * coarsest)).sum()) - 32) <= 16
    for d, axis in enumerate(view.axes):
        close(axis[:, 1:] - axis[:, :-1], spacing[:, None].expand(-1, 7), atol=1e-5)
        low, high = axis[:, 0] - spacing / 2, axis[:, -1] + spacing / 2
        assert (low >= box.lower[d] - 1e-6).all() and (high <= box.upper[d] + 1e-6).all()
        assert len(axis[:, 0].unique()) == 64
    only = sampler.at_most(16).draw(box, batch=4, generator=rng()).spacing
    close(only, torch.full_like(only, coarsest))


def test_a_patch_is_a_window_of_the_whole():
    # Oracle: real and field seen from a view of patches, against the window of one whole grid on which they lie.
    modality = ImageModality(resolution=32)
    item = modality.source(None)[0]
    whole = modality.domain.grid((32, 32))
    field = Generator(modality, preset="tiny").sample([5])
    starts = [(0, 0), (3, 17), (24, 9)]
    x, y = (torch.stack([whole.axes[d][0, s[1 - d] : s[1 - d] + 8] for s in starts]) for d in (0, 1))
    patches = product_view([x, y], spacing=whole.spacing[:, 0].expand(3, -1))
    seen, expected = modality.observe([item] * 3, patches), modality.observe([item], whole)[0]
    with torch.no_grad():
        fakes = [field(patches.row(i))[0] for i in range(3)]
        fake = field(whole)[0]
    for i, (r, c) in enumerate(starts):
        close(seen[i], expected[:, r : r + 8, c : c + 8])
        close(fakes[i], fake[:, r : r + 8, c : c + 8])


def test_a_field_sees_every_sample_from_its_own_place():
    modality = BumpModality()
    view = modality.domain.patches(6, torch.tensor([0.01, 0.05, 0.2]), generator=rng())
    field = Generator(modality, preset="tiny").sample([0, 1, 2])
    with torch.no_grad():
        together = field(view)
        for i in range(3):
            close(field[i](view.row(i))[0], together[i])


@pytest.mark.parametrize("box", [Box(1), Box(2, aspect=(2, 1)), Box(3)])
def test_carry_of_every_sample_at_once(box):
    # Oracle: one at a time; and a linear ramp is carried to itself away from the border.
    view = box.patches(6, torch.tensor([0.02, 0.05]), generator=rng())
    values = torch.randn(2, 2, *box.shape(8), generator=rng(1))
    together = box.carry(values, view)
    for i in range(2):
        close(box.carry(values[i : i + 1], view.row(i))[0], together[i])
    close(box.carry(2 * values, view), 2 * together)
    grid = box.grid(box.shape(64))
    ramp = grid.unflatten(grid.coords[..., :1])
    inner = box.grid((5,) * box.coord_dim, region=[-0.5] * box.coord_dim + [0.5] * box.coord_dim)
    close(box.carry(ramp, inner), inner.unflatten(inner.coords[..., :1]), atol=2e-2 * box.spacing(64) * 32)


def test_patches_that_do_not_fit():
    with pytest.raises(ConfigError, match="do not fit"):
        Box(2).patches(8, torch.tensor([0.3]), generator=rng())
    with pytest.raises(ConfigError, match="smaller patch"):
        DensePatch(64, 32, coarsest=64)
    with pytest.raises(ConfigError, match="add full"):
        terms(["dense-patch"], resolution=64, smallest=4)
    with pytest.raises(ConfigError, match="full density"):
        terms(["full", "dense-patch"], resolution=32, smallest=4, options=LossOptions(whole=64, patch=8))


def test_the_patch_term_ramps():
    # Oracle: zero, a straight line, one.
    term = DensePatchTerm(64, patch=16, whole=16, start=10, ramp=20, weight=2)
    assert [term.strength(k) for k in (0, 9.9, 10, 20, 30, 99)] == [0, 0, 0, 1, 2, 2]
    assert DensePatchTerm(64, patch=16, whole=16).strength(0) == 1


def test_without_context_no_whole_is_looked_at():
    term = DensePatchTerm(64, patch=16, whole=8, context=False)
    views = term.views(Box(2), batch=3, generator=rng(), resolution=64)
    assert [v.shape for v in views] == [(16, 16)]


def patch_critic(**changes):
    torch.manual_seed(0)
    return PatchCritic(Box(2), 2, patch=8, whole=8, width=4, max_width=8, **changes)


def patch_inputs(batch=3):
    view = Box(2).patches(8, torch.full((batch,), 0.05), generator=rng())
    return torch.randn(batch, 2, 8, 8, generator=rng(1)), view, torch.randn(batch, 2, 8, 8, generator=rng(2))


def test_the_context_counts_and_can_be_switched_off():
    patch, view, whole = patch_inputs()
    grid, elsewhere = Box(2).grid((8, 8)), Box(2).patches(8, torch.full((3,), 0.05), generator=rng(9))
    with_context, alone = patch_critic(), patch_critic(context=False)
    scores, plain = with_context(patch, view, whole, grid), alone(patch, view, None, None)
    assert not torch.allclose(with_context(patch, view, whole.flip(0), grid), scores)
    assert torch.equal(alone(patch, elsewhere, None, None), plain)  # not even the place
    flat = torch.zeros_like(whole)  # the same everywhere, so that only the place can tell
    assert not torch.allclose(with_context(patch, elsewhere, flat, grid), with_context(patch, view, flat, grid))
    for i in range(3):  # a score is its own sample's
        close(with_context(patch[i : i + 1], view.row(i), whole[i : i + 1], grid), scores[i : i + 1])


def test_the_patch_critic_is_twice_differentiable():
    patch, view, whole = (patch_inputs(2)[i] for i in range(3))
    critic, grid = patch_critic().double(), Box(2).grid((8, 8), dtype=torch.float64)
    double = Box(2).patches(8, torch.full((2,), 0.05, dtype=torch.float64), generator=rng())
    a, b = patch.double()[:, :, :8, :8].requires_grad_(), whole.double().requires_grad_()
    assert view.shape == double.shape
    score = critic(a, double, b, grid)
    slopes = torch.autograd.grad(score.sum(), (a, b), create_graph=True)
    assert all(s.abs().max() > 0 for s in slopes)
    # Oracle: finite differences of the score along a random direction.
    da, db = (torch.randn(x.shape, generator=rng(3), dtype=torch.float64) for x in (a, b))
    expected = sum(float((s * d).sum().detach()) for s, d in zip(slopes, (da, db), strict=True))
    with torch.no_grad():
        h = 1e-6
        difference = (critic(a + h * da, double, b + h * db, grid) - critic(a - h * da, double, b - h * db, grid)).sum()
    assert abs(float(difference) / (2 * h) - expected) < 1e-5 * abs(expected)
    (bend,) = torch.autograd.grad(sum(s.square().sum() for s in slopes), critic.score.weight)
    assert bend.abs().max() > 0


def test_a_penalty_on_two_views_adds_up():
    # Oracle: a linear critic, N Σ a² for each argument; an argument that is not looked at adds nothing.
    a, b = torch.randn(8, generator=rng()), torch.randn(6, generator=rng(1))
    views = [Box(1).grid((8,)), Box(1).grid((6,))]
    values = [torch.zeros(2, 1, 8), torch.zeros(2, 1, 6)]
    both = gradient_penalty(lambda x, y: (x[:, 0] @ a) + (y[:, 0] @ b), values, views)
    torch.testing.assert_close(both, 8 * a.square().sum() + 6 * b.square().sum())
    one = gradient_penalty(lambda x, y: x[:, 0] @ a, values, views)
    torch.testing.assert_close(one, 8 * a.square().sum())


# --- resolutions ---


@pytest.mark.parametrize("box", [Box(2), Box(2, aspect=(2, 1)), Box(3)])
def test_stretched_resolutions(box):
    # Oracle: never finer than the most, never coarser than the fewest, and as stretched as asked for.
    sampler = RandomResolution(16, 64, aspect=2)
    views = [sampler.draw(box, batch=1, generator=rng(s)) for s in range(200)]
    spacings = torch.stack([v.spacing[0, 0] for v in views])
    assert float(spacings.min()) >= sampler.finest(box) * (1 - 1e-6)
    assert all(n % 4 == 0 for v in views for n in v.shape)
    ratio = spacings.amax(dim=1) / spacings.amin(dim=1)
    assert 1.7 < float(ratio.max()) <= 2.4 and float(ratio.min()) < 1.1  # sizes are rounded to multiples of 4
    assert min(min(v.shape) for v in views) >= 16
    assert max(box.spacing(1) / float(v.spacing.max()) for v in views) <= 64.01


def test_views_too_small_for_the_critic_are_refused_at_once(tmp_path):
    config = TrainConfig(modality=BlobModality(), losses=("variable-density",), batch=2, kimg=1, device="cpu")
    with pytest.raises(ConfigError, match=r"3x3x3 samples.*--foveation"):
        Trainer(config, outdir=tmp_path, quiet=True)
    assert not list(tmp_path.iterdir())


def test_growing_opens_the_band():
    # Oracle: the logarithm of the resolution is a straight line, rounded down to multiples of 4.
    options = LossOptions(grow_from=8, grow_kimg=10)
    for kimg in (0, 1.7, 2.5, 5, 7.5, 9.99):
        exact = 8 * (128 / 8) ** (kimg / 10)
        assert exact - 4 < options.resolution_at(kimg, 128) <= exact
    assert [options.resolution_at(k, 128) for k in (10, 99)] == [128, 128]
    assert LossOptions().resolution_at(0, 128) == 128
    for term in terms(["full", "random-resolution", "dense-patch"], resolution=128, smallest=4):
        views = term.views(Box(2), batch=2, generator=rng(), resolution=16)
        limit = 64 if term.name == "dense-patch" else 16  # a patch has no sense coarser than the whole
        assert min(float(v.spacing.min()) for v in views) >= Box(2).spacing(limit) * (1 - 1e-6)


@pytest.mark.parametrize(
    "bad",
    [{"stretch": 0.5}, {"stretch": math.nan}, {"patch": -1}, {"grow_from": 8}, {"grow_kimg": 8}, {"lowest": -4},
     {"patch_start": math.inf}, {"patch_ramp": math.nan}],
)  # fmt: skip
def test_bad_options(bad):
    with pytest.raises(ConfigError):
        LossOptions(**bad)


def test_random_resolution_options_reach_the_sampler():
    options = LossOptions(lowest=16, law="log", stretch=2)
    (term,) = terms(["random-resolution"], resolution=64, smallest=4, options=options)
    assert (term.sampler.lowest, term.sampler.law, term.sampler.aspect, term.fixed) == (16, "log", 2, False)


# --- reals ---


def test_mirrored_alike_in_patch_and_whole():
    # Oracle: mirroring the pixels themselves.
    modality = ImageModality(resolution=16, mirror=True)
    plain = ImageModality(resolution=16)
    reals = Reals(modality.source(None), modality, batch=12, seed=0)
    unaugmented = Reals(modality.source(None), plain, batch=12, seed=0)
    views = [Box(2).patches(8, torch.full((12,), 0.1), generator=rng()), Box(2).grid((16, 16))]
    (patch, whole), _ = reals.draw(3, views)
    (_, straight), _ = unaugmented.draw(3, views)
    flipped = [not torch.allclose(a, b, atol=1e-4) for a, b in zip(whole, straight, strict=True)]
    assert 0 < sum(flipped) < 12
    for i, flip in enumerate(flipped):
        close(whole[i], straight[i].flip(-1) if flip else straight[i], atol=1e-4)
    # The whole, carried onto the patch, agrees with the patch up to what the whole cannot hold; a patch of the
    # unmirrored item would not.
    onto = Box(2).carry(whole, views[0])
    wrong = Box(2).carry(whole.flip(-1), views[0])
    assert float((onto - patch).square().mean()) < 0.25 * float((wrong - patch).square().mean())


def test_coarse_items_serve_coarse_patches_only():
    # Oracle: the spacing of each item served, against that of its own row.
    class Source(type(ToneModality().source(None))):
        def __getitem__(self, i):
            return super().__getitem__(i)[:, :: 1 if i % 2 else 4]

    source = Source(1, size=64, seed=0)
    reals = Reals(source, ToneModality(), batch=24, seed=0)
    spacing = torch.tensor([2 / 64, 2 / 16] * 12)
    counts = ItemCounts()
    reals.draw(0, [Box(1).patches(8, spacing, generator=rng())], name="dense-patch", counts=counts)
    assert counts.used == {"dense-patch/64-127": 12, "dense-patch/16-31": 12}
    assert 0 < counts.skipped["dense-patch/64-127"] <= 12 and "dense-patch/16-31" not in counts.skipped
    counts.clear()
    assert not counts.used and not counts.skipped
    with pytest.raises(DataError, match="128 samples"):
        reals.check(2 / 128)
