"""SurfaceModality as users meet it. Oracles: geometry, functions of the point, files read back."""

import json
import math

import numpy as np
import pytest
import torch
import trimesh
from inrgan_modalities.surface import at_vertices, camera_view, look_at, shaded
from inrgan_modalities.surface._synthetic import SyntheticTexture
from PIL import Image
from surface_meshes import ball, square, surface

from inrgan import CriticSizes, Generator, Surface, SurfaceModality
from inrgan.cli import main
from inrgan.domains import TriangleMesh
from inrgan.errors import ConfigError, DataError, NonFiniteError, ShapeError
from inrgan.testing import check_modality


@pytest.fixture(scope="module")
def ball_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mesh") / "ball.ply"
    v, f = ball(3)
    trimesh.Trimesh(v.numpy(), f.numpy(), process=False).export(path)
    return path


@pytest.fixture(scope="module")
def of_ball(ball_file):
    return SurfaceModality(resolution=16, mesh=str(ball_file), charts=6)


def test_contract():
    check_modality(SurfaceModality(resolution=16, channels=1))


def test_a_saved_generator_needs_its_mesh_no_more(ball_file, tmp_path):
    mesh = tmp_path / "moved.ply"
    mesh.write_bytes(ball_file.read_bytes())
    torch.manual_seed(0)
    G = Generator(SurfaceModality(resolution=16, mesh=str(mesh)), preset="tiny")
    G.save_pretrained(tmp_path / "model")
    mesh.unlink()
    again = Generator.from_pretrained(tmp_path / "model")
    assert again.modality == G.modality
    view = G.modality.domain.vertices()
    torch.testing.assert_close(again.sample([0])(view), G.sample([0])(view), rtol=0, atol=0)


def test_a_damaged_mesh_in_a_checkpoint_is_refused(of_ball, tmp_path):
    text = of_ball.mesh
    for broken in (text[:-40], text[:60] + "!" + text[61:], text.replace("mesh:", "mesh:9", 1), "mesh:", "mesh:1:1:"):
        with pytest.raises(ConfigError, match="mesh in the arguments"):
            SurfaceModality(mesh=broken)
    assert len(repr(of_ball)) < 100


def test_builtin_textures_are_functions_of_the_point():
    # Oracle: a coarser view shows the same means by area; another resolution only sharpens edges.
    m = SurfaceModality(resolution=32)
    items = [m.source(None)[i] for i in range(6)]
    means = []
    for n in (16, 32):
        view = m.domain.grid(m.domain.shape(n))
        means.append((m.observe(items, view).flatten(2) * view.weights).mean(dim=2))
    torch.testing.assert_close(means[0], means[1], rtol=0, atol=0.03)
    other = [SurfaceModality(resolution=64).source(None)[i] for i in range(6)]
    assert float((m.observe(other, view) - m.observe(items, view)).abs().mean()) < 0.03
    assert {m.source(None).label(i) for i in range(20)} == {0, 1}


def test_a_critic_counts_by_area_and_takes_any_size(of_ball):
    domain = of_ball.domain
    critic = of_ball.critic(CriticSizes(width=8, max_width=16))
    for n in (4, 16, 29):
        view = domain.grid(domain.shape(n))
        assert critic(torch.zeros(2, 3, *view.shape), view).shape == (2,)


def test_dense_patches_train(tmp_path):
    main(["train", "surface", "--resolution", "16", "--batch", "4", "--kimg", "0.008", "--losses", "full,dense-patch",
          "--patch-start", "0", "--patch", "8", "--whole", "12", "--outdir", str(tmp_path), "--quiet"])  # fmt: skip
    (run,) = tmp_path.iterdir()
    main(["sample", str(run), "--seeds", "0", "--resolution", "24", "--out", str(tmp_path / "a.glb")])
    mesh = trimesh.load(tmp_path / "a.glb", force="mesh", process=False)
    assert mesh.visual.vertex_colors.shape[0] == len(mesh.vertices) > 1000
    for view in ("camera:20,40", "patch:1,0,0,0.7", "chart:3"):
        main(["sample", str(run), "--seeds", "0,1", "--resolution", "24", "--view", view, "--out",
              str(tmp_path / "v.png")])  # fmt: skip
        with Image.open(tmp_path / "v.png") as picture:
            assert picture.size == (50, 24)
    main(["interpolate", str(run), "--frames", "3", "--resolution", "12", "--out", str(tmp_path / "walk.gif")])
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 3
    json.loads((run / "config.json").read_text())


def test_a_camera_sees_the_near_side():
    # Oracle: of the unit sphere from the x axis, pixels in the disc show (√(1 - y² - z²), y, z).
    domain = surface("ball")
    sight = look_at(domain.mesh, 64, azimuth=0, elevation=0)
    t = ((torch.arange(64).double() + 0.5) - 32) * sight.pixel
    z, y = torch.meshgrid(-t, t, indexing="ij")
    assert (sight.hit == (torch.hypot(y, z) < 1)).float().mean() > 0.98
    p = domain.mesh.positions(sight.face, sight.inside)
    torch.testing.assert_close(p[:, 1:], torch.stack([y[sight.hit], z[sight.hit]], dim=-1), rtol=0, atol=1e-3)
    inner = p[:, 1:].norm(dim=1) < 0.9
    torch.testing.assert_close(p[inner, 0], (1 - p[inner, 1] ** 2 - p[inner, 2] ** 2).sqrt(), rtol=0, atol=0.01)
    view = camera_view(domain, 32, azimuth=0, elevation=90)
    assert float(view.weights[0, 0]) == 0 and view.shape == (32, 32)


def test_pictures_of_charts_and_of_vertices_agree():
    # Oracle: a smooth function of the point, given either way.
    domain = surface("ball")
    f = lambda p: torch.stack([p[..., 0], p[..., 1] * p[..., 2], 0.5 * p[..., 2]])[None]  # noqa: E731
    at_all = f(domain.mesh.vertices).float()
    view = domain.grid(domain.shape(32))
    on_charts = f(view.coords[0]).unflatten(2, view.shape)
    assert float((at_vertices(on_charts, surface=domain) - at_all).abs().max()) < 0.05
    a, b = (shaded(domain, x, size=48) for x in (at_all, on_charts))
    assert float((a - b).abs().max()) < 0.1 and float(a[0, :, 0, 0].min()) == 1


@pytest.mark.parametrize("suffix", [".ply", ".glb", ".obj"])
def test_meshes_are_read_as_they_were_written(of_ball, tmp_path, suffix):
    V = len(of_ball.domain.mesh.vertices)
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.integers(0, 256, (3, 1, 3, V)).astype(np.float32)) / 127.5 - 1
    for i, v in enumerate(values):
        of_ball.write(v, tmp_path / f"set/{i}{suffix}")
    source = of_ball.source(tmp_path / "set")
    assert len(source) == 3
    for i in range(3):
        torch.testing.assert_close(source[i], values[i, 0], rtol=0, atol=1e-6)


def test_arrays_are_read_as_they_were_written(of_ball, tmp_path):
    V = len(of_ball.domain.mesh.vertices)
    values = torch.rand(5, 3, V) * 2 - 1
    of_ball.write(values, tmp_path / "five.npy")
    assert np.load(tmp_path / "five.npy").shape == (5, V, 3)
    source = of_ball.source(tmp_path / "five.npy")
    assert len(source) == 5 and torch.equal(source[3], values[3]) and source.name(3) == "five.npy[3]"
    grey = SurfaceModality(resolution=16, mesh=of_ball.mesh, channels=1)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder/a.npy", (np.arange(V) % 256).astype(np.uint8))
    assert grey.source(tmp_path / "folder")[0].shape == (1, V)


def test_meshes_with_corners_at_infinity(tmp_path):
    """Found by fuzzing: such a mesh was taken as it was."""
    corners = "0 0 0\n1 0 0\n0 {} 0\n0 0 1\n"
    for y, error, says in (
        ("inf", NonFiniteError, "1 vertices that are NaN"),
        ("nan", NonFiniteError, "NaN"),
    ):
        (tmp_path / "x.off").write_text(f"OFF\n4 1 0\n{corners.format(y)}3 0 1 2\n")
        with pytest.raises(error, match=says):
            SurfaceModality(mesh=str(tmp_path / "x.off"))


def test_errors(of_ball, tmp_path):
    with pytest.raises(DataError, match="no mesh at"):
        SurfaceModality(mesh="nowhere.glb")
    (tmp_path / "bad.ply").write_text("ply\nnonsense")
    with pytest.raises(DataError, match="cannot be read as a mesh"):
        SurfaceModality(mesh=str(tmp_path / "bad.ply"))
    (tmp_path / "dots.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    with pytest.raises(DataError):
        SurfaceModality(mesh=str(tmp_path / "dots.obj"))
    for kwargs in ({"resolution": 4}, {"channels": 0}, {"charts": 1}):
        with pytest.raises(ConfigError):
            SurfaceModality(**kwargs)
    np.save(tmp_path / "other.npy", np.zeros((4, 7, 3), np.float32))
    with pytest.raises(DataError, match=r"\(4, 7, 3\).*--mesh"):
        of_ball.source(tmp_path / "other.npy")
    V = len(of_ball.domain.mesh.vertices)
    np.save(tmp_path / "loud.npy", np.full((2, V, 3), 7, np.float32))
    with pytest.raises(DataError, match="expected -1 to 1"):
        of_ball.source(tmp_path / "loud.npy")[0]
    with pytest.raises(ConfigError, match="labels"):
        of_ball.source(tmp_path / "loud.npy", labels=True)
    with pytest.raises(DataError, match="channels"):
        SurfaceModality(channels=5).source(None)
    with pytest.raises(ShapeError, match="full surface"):
        of_ball.write(torch.zeros(1, 3, 8, 9), tmp_path / "a.glb")
    with pytest.raises(ShapeError, match="nothing"):
        of_ball.write(torch.zeros(0, 3, 8, 8), tmp_path / "a.png")
    with pytest.raises(ConfigError, match="suffix"):
        of_ball.write(torch.zeros(1, 3, V), tmp_path / "a.wav")
    five = SurfaceModality(resolution=16, mesh=of_ball.mesh, channels=5)
    with pytest.raises(ShapeError, match="npy"):
        five.write(torch.zeros(1, 5, V), tmp_path / "a.ply")
    for view in ("nowhere", "camera:1", "camera:0,100", "patch:a,b", "chart:99", "patch:0,0,0,99", "vertices:1"):
        with pytest.raises(ConfigError):
            of_ball.named_view(view, resolution=16)


def test_real_meshes_too_coarse_are_refused_not_upsampled(tmp_path):
    v, f = square(4)
    trimesh.Trimesh(v.numpy(), f.numpy(), process=False).export(tmp_path / "coarse.ply")
    m = SurfaceModality(resolution=32, mesh=str(tmp_path / "coarse.ply"))
    # Oracle: 32 right triangles over an area of 4: two of them make a cell of side ½.
    assert m.item_spacing(torch.zeros(3, 25)) == pytest.approx(0.5)
    assert m.domain.spacing(32) == pytest.approx(2 / 32)
    assert math.isclose(m.source(None)[0].spacing, 2 / 64, rel_tol=0.01)


def test_reals_on_triangles_larger_than_the_samples(tmp_path):
    # Oracle: a square of two triangles is the same surface as one of 512; reals on it are the closed form's means.
    corners = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    square = TriangleMesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    fine = square.split().split().split().split()
    colours = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    axis = torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)
    seen = []
    for mesh in (square, fine):
        domain = Surface(mesh.vertices, mesh.faces)
        item = SyntheticTexture(colours, 0.9 * domain.spacing(64), axis=axis)
        view = Surface(square.vertices, square.faces).grid(Surface(square.vertices, square.faces).shape(16))
        seen.append(domain.observe([item], view))
    assert bool(torch.isfinite(seen[0]).all())
    assert float((seen[0] - seen[1]).abs().mean()) < 0.05
