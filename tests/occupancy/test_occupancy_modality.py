"""The adapter of 3D shapes. Oracles: the public contract, closed forms, files read back, numpy's gradient."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from inrgan_modalities.occupancy import Ball, Cuboid, sample_grid

from inrgan import Box, CriticSizes, Generator, OccupancyModality, Trainer, recipes
from inrgan.augmentation import symmetric_views
from inrgan.capabilities import WritesFields
from inrgan.cli import main
from inrgan.discriminators import fold, slope_channels
from inrgan.errors import ConfigError
from inrgan.losses import LossOptions
from inrgan.testing import check_modality


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "fields", [{}, {"signal": "occupancy", "mirror": True, "normals": False, "turns": "any"}], ids=str
)
def test_contract(fields):
    check_modality(OccupancyModality(resolution=16, **fields))


@pytest.mark.parametrize(
    "fields",
    [{"resolution": 4}, {"truncation": 0.0}, {"margin": 1.0}, {"faces": 3}],
    ids=str,
)
def test_bad_arguments(fields):
    with pytest.raises(ConfigError):
        OccupancyModality(**fields)


def test_slopes_are_numpys():
    view = Box(3).grid((5, 6, 7))
    x = torch.rand(2, 1, 5, 6, 7, generator=rng(), dtype=torch.float64)
    got = slope_channels(x, view, soft=0.5)
    steps = [2 / 7, 2 / 6, 2 / 5]
    for i in range(2):
        z, y, xs = np.gradient(x[i, 0].numpy(), *reversed(steps))
        slope = np.stack([xs, y, z])
        expected = slope / np.sqrt((slope**2).sum(axis=0) + 0.25)
        np.testing.assert_allclose(got[i, 1:].numpy(), expected, rtol=1e-5)
    assert torch.equal(got[:, :1], x)
    torch.autograd.gradcheck(lambda v: slope_channels(v, view, soft=0.5), x[:1].requires_grad_())


def test_slopes_of_patches_know_their_spacing():
    # Oracle: a plane has one normal, at any density.
    spacing = torch.tensor([0.05, 0.2])
    view = Box(3).patches(8, spacing, generator=rng())
    direction = torch.tensor([2.0, -1.0, 0.5])
    values = view.unflatten((view.coords @ direction)[..., None])
    got = slope_channels(values, view, soft=1e-6)[:, 1:].flatten(2)
    torch.testing.assert_close(got, (direction / direction.norm())[None, :, None].expand_as(got), atol=1e-3, rtol=0)


def test_fold_is_a_rearrangement():
    x = torch.arange(2 * 3 * 4 * 6 * 8.0).reshape(2, 3, 4, 6, 8)
    got = fold(x, 2)
    assert got.shape == (2, 24, 2, 3, 4)
    block = x[1, 2, 2:4, 4:6, 6:8].flatten()
    assert torch.equal(got[1, 16:, 1, 2, 3], block)
    assert fold(torch.zeros(1, 1, 5, 5), 2).shape == (1, 4, 3, 3)


def test_observe_at_any_place():
    # Oracle: the closed form at the views' own points, where it is smooth.
    m = OccupancyModality(resolution=16)
    solid = Ball(0.6, (0.1, -0.1, 0.2))
    item = torch.from_numpy((sample_grid(solid, 64) / 0.2).clip(-1, 1)).float()[None]
    for view in (m.domain.grid((32,) * 3), m.domain.patches(8, torch.full((2,), 0.05), generator=rng(3))):
        seen = m.observe([item] * max(1, view.batch), view)
        for i in range(len(seen)):
            exact = solid.distance(view.coords[min(i, view.batch - 1)].double().numpy()) / 0.2
            near = np.abs(exact) < 0.6
            assert np.abs(seen[i].flatten().numpy() - exact)[near].max(initial=0) < 0.03


def test_mirror_flips_left_and_right():
    m = OccupancyModality(resolution=16, mirror=True)
    view = m.domain.grid((16,) * 3)
    item = torch.from_numpy((sample_grid(Cuboid((0.2, 0.3, 0.4), (0.4, 0.1, 0.0)), 16) / 0.2).clip(-1, 1)).float()[None]
    (mirrored,) = symmetric_views(m.symmetries(), [view], batch=16, generator=rng())
    seen = m.observe([item] * 16, mirrored)
    kinds = [torch.allclose(s, item, atol=1e-4) for s in seen]
    assert 2 < sum(kinds) < 14
    for s, same in zip(seen, kinds, strict=True):
        torch.testing.assert_close(s, item if same else item.flip(-1), atol=1e-4, rtol=0)


def closed(solid, n):
    return torch.from_numpy((sample_grid(solid, n) / 0.2).clip(-1, 1)).float()[None]


def test_transforms_move_solids():
    # Oracle: the closed form of the moved solid; everywhere as to what is inside.
    m = OccupancyModality(resolution=16, margin=0.1)
    flip, _, _, shift = m.transforms()
    ball = Ball(0.7, (0.2, 0.1, -0.2))  # reaches the margin on three sides
    view = m.domain.grid((32,) * 3)
    moves = shift.draw(8, generator=rng())
    assert moves.abs().max() <= 0.1 and moves.abs().min() > 0 and moves.std() > 0.03
    seen = m.observe([closed(ball, 64)] * 8, shift.look(view, moves))
    mirrored = m.observe([closed(ball, 64)], flip.look(view, torch.ones(1, 1)))
    centers = [*(torch.tensor(ball.center) + moves).tolist(), (-0.2, 0.1, -0.2)]
    for values, center in zip([*seen, *mirrored], centers, strict=True):
        exact = closed(Ball(0.7, tuple(center)), 32)
        within = (view.coords[0].abs().amax(dim=1) < 0.9).reshape(1, 32, 32, 32)  # beyond, it is that of the border
        assert (values - exact)[within].abs().max() < 0.1
        assert torch.equal(values[exact.abs() > 0.1] < 0, exact[exact.abs() > 0.1] < 0)
    assert len(OccupancyModality(margin=0.0).transforms()) == 3


def test_solids_are_scaled():
    # Oracle: the closed form of a larger and of a smaller ball, of which each distance is that factor of the old one.
    m = OccupancyModality(resolution=16)
    _, _, scale, _ = m.transforms()
    drawn = torch.tensor([[0.2] * 3, [-0.3] * 3])
    seen = m.observe([closed(Ball(0.5), 64)] * 2, scale.look(m.domain.grid((32,) * 3), drawn))
    for values, octaves in zip(seen, (0.2, -0.3), strict=True):
        size = 2**octaves
        exact = torch.from_numpy((sample_grid(Ball(0.5 * size), 32) / (0.2 * size)).clip(-1, 1)).float()
        near = exact.abs() < 0.6
        assert (values[0] - exact)[near].abs().max() < 0.05


@pytest.mark.parametrize("turns", ["quarter", "any"])
@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 24, 32), None], ids=["cube", "uneven", "patches"])
def test_solids_are_turned_about_the_vertical_axis(turns, shape):
    # Oracle: the closed form of the turned block, which sides tell apart, off the middle, all inside the cube.
    m = OccupancyModality(resolution=16, turns=turns)
    turn = m.transforms()[1]
    turns_ = torch.tensor([0.0, 1.0, 2.0, 3.0])[:, None]
    drawn = turns_ if turns == "quarter" else turns_ * np.pi / 2 + torch.tensor([0.0, 0.3, -0.2, 0.7])[:, None]
    view = m.domain.patches(12, torch.full((4,), 1 / 16), generator=rng()) if shape is None else m.domain.grid(shape)
    item = closed(Cuboid((0.45, 0.5, 0.2), (0.2, 0.1, 0.1)), 64)
    seen = turn.change(m.observe([item] * 4, turn.look(view, drawn)), view, drawn)
    assert seen.shape == (4, 1, *view.shape)
    for values, k, points in zip(
        seen, drawn[:, 0].tolist(), view.coords.double().expand(4, -1, -1).numpy(), strict=True
    ):
        if turns == "quarter":
            k = k if shape != (16, 24, 32) else 2.0 * (k >= 2)  # uneven grids are turned by half turns alone
        angle = k * np.pi / 2 if turns == "quarter" else k
        # A turn takes x towards z.
        x, z = 0.2 * np.cos(angle) - 0.1 * np.sin(angle), 0.2 * np.sin(angle) + 0.1 * np.cos(angle)
        exact = Cuboid((0.45, 0.5, 0.2), (x, 0.1, z), turn=-angle).distance(points) / 0.2
        near = np.abs(exact) < 0.4
        off = np.abs(values.flatten().numpy() - exact)
        assert near.sum() > 50 and off[near].mean() < 0.02 and off[near].max() < 0.2
        assert ((values.flatten().numpy() < 0) == (exact < 0))[np.abs(exact) > 0.15].all()


def test_critic_of_patches_looks_at_the_context():
    m = OccupancyModality(resolution=16)
    sizes = CriticSizes(width=4, max_width=8)
    patch, whole = torch.rand(2, 1, 8, 8, 8, generator=rng()), torch.rand(2, 1, 8, 8, 8, generator=rng(1))
    view, coarse = m.domain.patches(8, torch.full((2,), 0.125), generator=rng()), m.domain.grid((8,) * 3)
    torch.manual_seed(0)
    critic = m.patch_critic(sizes, patch=8, whole=8, context=True)
    a, b = critic(patch, view, whole, coarse), critic(patch, view, whole.flip(0), coarse)
    assert a.shape == (2,) and not torch.allclose(a, b)
    alone = m.patch_critic(sizes, patch=8, whole=8, context=False)
    assert alone(patch, view, None, None).shape == (2,)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("occupancy")
    m = OccupancyModality(resolution=16)
    config = replace(
        recipes.tiny(m), kimg=0.016, batch=8, device="cpu", losses=("full", "dense-patch"),
        views=LossOptions(patch_start=0, patch_ramp=0, patch_near=0.5),
    )  # fmt: skip
    trainer = Trainer(config, outdir=folder / "runs", quiet=True)
    path = trainer.fit()
    trainer.close()
    return path


def test_train(run):
    names = {p.name for p in run.iterdir()}
    assert {"reals.png", "reals.gif", "fakes-00000.016.png", "fakes-00000.016.gif"} <= names
    stats = json.loads((run / "stats.jsonl").read_text().splitlines()[-1])
    assert {"loss/critic/full", "loss/critic/dense-patch"} <= set(stats)
    assert Generator.from_pretrained(run).modality == OccupancyModality(resolution=16)


def test_sample_files(run, tmp_path):
    G = Generator.from_pretrained(run)
    seeds = [s for s in range(30) if (G.sample([s]).render((16,) * 3) < 0).float().mean() > 0.02][:2]
    text = ",".join(map(str, seeds))
    for out in ("a.glb", "a.obj", "a.png", "a.gif", "a.npy"):
        main(["sample", str(run), "--seeds", text, "--resolution", "20", "--out", str(tmp_path / out)])
    mesh = trimesh.load_scene(tmp_path / "a.glb").to_mesh()
    mesh.merge_vertices(merge_norm=True)
    assert mesh.is_watertight and mesh.volume > 0
    values = np.load(tmp_path / "a.npy")
    assert values.shape == (2, 1, 20, 20, 20)
    # Oracle: the share of samples inside, of what the mesh encloses.
    inside = sum((v < 0).sum() for v in values) * (2 / 20) ** 3
    assert mesh.volume == pytest.approx(inside, rel=0.1)
    main(["interpolate", str(run), "--seeds", text, "--frames", "3", "--out", str(tmp_path / "w.gif")])
    assert (tmp_path / "w.gif").stat().st_size > 0


def test_a_walk_of_meshes(tmp_path):
    m = OccupancyModality(resolution=16, faces=200)
    values = torch.stack([torch.from_numpy(sample_grid(Ball(r), 16) / 0.2).clamp(-1, 1).float()[None]
                          for r in (0.4, 0.5, 0.6)])  # fmt: skip
    m.write_interpolation(values, tmp_path / "walk.glb", rate=4)
    volumes = []
    for i in range(3):
        mesh = trimesh.load_scene(tmp_path / f"walk-{i:04d}.glb").to_mesh()
        mesh.merge_vertices(merge_norm=True)
        assert len(mesh.faces) <= 200
        volumes.append(mesh.volume)
    assert volumes == pytest.approx([4 / 3 * np.pi * r**3 for r in (0.4, 0.5, 0.6)], rel=0.08)
    with pytest.raises(ConfigError, match="step 1"):
        m.write_interpolation(torch.stack([values[0], torch.ones_like(values[0])]), tmp_path / "gone.glb", rate=4)
    assert not list(tmp_path.glob("gone*"))


def test_evaluate(run, capsys):
    main(["evaluate", str(run), "--count", "8", "--metrics", "mmd,one-piece"])
    assert "chamfer" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [["--out", "a.glb", "--resolution", "8x8x9"], ["--out", "a.glb", "--region=-1,-1,-1,0,0,0"], ["--out", "a.wav"],
     ["--out", "a.glb", "--view", "front"]],
    ids=" ".join,
)  # fmt: skip
def test_bad_flags_are_one_line(run, tmp_path, flags, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sample", str(run), flags[0], str(tmp_path / flags[1]), *flags[2:]])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith("inrgan: ") and err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_images_write_no_fields():
    from inrgan import ImageModality

    assert isinstance(OccupancyModality(), WritesFields) and not isinstance(ImageModality(), WritesFields)
