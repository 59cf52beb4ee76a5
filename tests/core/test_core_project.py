"""Inversion and files of latents. Oracles: the generator's own samples, files read back, numpy."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from toy_modalities import BumpModality

from inrgan import Generator, ImageModality
from inrgan.analysis import Observations, observe_item, probe_view, project, read_observations, stages_of
from inrgan.checkpoint import load_latents, save_latents
from inrgan.cli import main
from inrgan.errors import CheckpointError, ConfigError, DataError
from inrgan.registry import modality_class, modality_names


@pytest.fixture(scope="module")
def G():
    torch.manual_seed(0)
    small = {"lattices": (4,), "widths": (24, 24), "depths": (1, 1), "rank": 2}
    return Generator(BumpModality(), preset="tiny", z_dim=8, w_dim=8, mapping_rate=1.0, **small).eval()


def of_itself(G, *, seen=None):
    """Observations of a sample of the generator, all or some of them usable."""
    view = G.modality.domain.grid((16, 16))
    with torch.no_grad():
        values = G.sample([77])(view)[0]
    return Observations(view=view, values=values, seen=torch.ones(16, 16) > 0 if seen is None else seen)


@pytest.mark.parametrize("part", ["all", "half", "scattered"])
def test_a_sample_of_the_generator_is_found_again(G, part):
    # Oracle: the generator can make it, so that the error goes to 0, also where nothing was seen.
    seen = torch.ones(16, 16) > 0
    if part == "half":
        seen[:, 8:] = False
    if part == "scattered":
        seen = torch.rand(16, 16, generator=torch.Generator().manual_seed(0)) < 0.2
    observed = of_itself(G, seen=seen)
    found = project(stages_of(G), observed, prior=0)
    variance = float(observed.values.var())
    assert found.errors["w"]["seen"] < min(0.01 * variance, 0.5 * found.errors["start"]["seen"])
    assert ("hidden" in found.errors["w"]) == (part != "all")
    assert part == "all" or found.errors["w"]["hidden"] < 0.05 * variance
    # Oracle: the error by numpy, of the function that the latent makes.
    with torch.no_grad():
        made = G.field(found.w)(observed.view)[0]
    expected = np.square((made - observed.values).numpy())[0][seen.numpy()].mean()
    assert found.errors["w"]["seen"] == pytest.approx(expected, rel=1e-3)


def test_tuning_reaches_what_the_generator_cannot(G):
    source = G.modality.source(None)
    observed = observe_item(source[0], G.modality)
    before = {name: x.clone() for name, x in G.state_dict().items()}
    found = project(stages_of(G), observed, steps=20, tune=60, starts=4)
    assert found.errors["weights"]["seen"] < 0.7 * found.errors["w"]["seen"]
    assert all(torch.equal(x, before[name]) for name, x in G.state_dict().items())
    assert all(p.grad is None for p in G.parameters())


def test_many_samples_are_drawn(G, monkeypatch):
    # The same search where not all samples are looked at in every step.
    monkeypatch.setattr("inrgan.fitting.MAX_POINTS", 100)
    observed = of_itself(G)
    found = project(stages_of(G), observed, steps=240, starts=1, prior=0)
    assert found.errors["w"]["seen"] < 0.1 * found.errors["start"]["seen"]


def test_scattered_observations_from_a_file(G, tmp_path):
    view = probe_view(G.modality, points=80)
    with torch.no_grad():
        values = G.sample([5])(view)[0]
    np.savez(tmp_path / "s.npz", coords=view.coords[0].numpy(), values=values.T.numpy())
    observed = read_observations(tmp_path / "s.npz", G.modality)
    torch.testing.assert_close(observed.values, values)
    torch.testing.assert_close(observed.view.coords, view.coords)
    found = project(stages_of(G), observed, steps=120, starts=1, prior=0)
    assert found.errors["w"]["seen"] < 0.05 * found.errors["start"]["seen"]


def test_restrictions_add_up():
    modality = ImageModality(resolution=16)
    item = modality.source(None)[0]
    mask = np.zeros((16, 16))
    mask[4:] = 1
    seen = observe_item(item, modality, mask=mask, region=(-1, -1, 0, 1)).seen
    expected = np.zeros((16, 16), bool)
    expected[4:, :8] = True
    np.testing.assert_array_equal(seen, expected)
    few = observe_item(item, modality, mask=mask, region=(-1, -1, 0, 1), points=10).seen
    assert few.sum() == 10 and not (few & ~seen).any()


def test_bad_observations(tmp_path):
    modality = ImageModality(resolution=16)
    item = modality.source(None)[0]
    for bad in ({"points": 0}, {"points": 999}, {"region": (0, 0, 0, 1)}, {"region": (2, 2, 3, 3)},
                {"mask": np.ones((3, 3))}, {"mask": np.zeros((16, 16))}):  # fmt: skip
        with pytest.raises(ConfigError):
            observe_item(item, modality, **bad)
    with pytest.raises(DataError, match="coarser"):
        observe_item(item, modality, resolution=999)
    coords, values = np.zeros((4, 2)), np.zeros((4, 3))
    files = {
        "shapes": {"coords": coords, "values": values[:3]}, "channels": {"coords": coords, "values": values[:, :2]},
        "range": {"coords": coords, "values": values + 2}, "nan": {"coords": coords * np.nan, "values": values},
        "spacing": {"coords": coords, "values": values, "spacing": coords[:2]}, "nothing": {"x": coords},
        "objects": {"coords": coords, "values": np.array([[None] * 3] * 4)},
    }  # fmt: skip
    for name, arrays in files.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)
        with pytest.raises(DataError):
            read_observations(tmp_path / f"{name}.npz", modality)
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(DataError, match="npz"):
        read_observations(tmp_path / "junk.npz", modality)


def test_latents_come_back(G, tmp_path):
    w = G.sample_w([1, 2])
    save_latents(tmp_path / "w.safetensors", w, generator=G)
    torch.testing.assert_close(load_latents(tmp_path / "w.safetensors", G).render((8, 8)), G.field(w).render((8, 8)))
    field = G.field(w[:1])
    weights = [dataclasses.replace(x, bias=x.bias + 0.1) for x in field.weights]
    save_latents(tmp_path / "t.safetensors", w[:1], weights=weights, generator=G)
    back = load_latents(tmp_path / "t.safetensors", G)
    for got, expected in zip(back.weights, weights, strict=True):
        assert torch.equal(got.weight, expected.weight) and torch.equal(got.bias, expected.bias)


def test_bad_latents(G, tmp_path):
    other = Generator(BumpModality(), preset="tiny", z_dim=8, w_dim=16)
    thinner = Generator(BumpModality(), preset="tiny", z_dim=8, w_dim=8, widths=(8, 8, 8))
    save_latents(tmp_path / "w", G.sample_w([0]), generator=G)
    save_latents(tmp_path / "t", G.sample_w([0]), weights=G.sample([0]).weights, generator=G)
    save_latents(tmp_path / "nan", G.sample_w([0]) * torch.nan, generator=G)
    (tmp_path / "junk").write_bytes(b"junk")
    for name, own in (("w", other), ("t", thinner), ("nan", G), ("junk", G), ("missing", G)):
        with pytest.raises(CheckpointError):
            load_latents(tmp_path / name, own)


SMALL = {"audio": {"resolution": 2048, "rate": 4000}, "video": {"resolution": 16, "frames": 8, "fps": 8}}


@pytest.mark.parametrize("name", sorted(modality_names()))
def test_every_modality(name):
    torch.manual_seed(0)
    G = Generator(modality_class(name)(**SMALL.get(name, {"resolution": 16})), preset="tiny").eval()
    source = G.modality.source(None)
    observed = observe_item(source[0], G.modality, points=200)
    found = project(stages_of(G), observed, steps=2, tune=1, starts=2)
    assert found.errors["w"]["seen"] <= found.errors["start"]["seen"]
    assert np.isfinite(found.errors["weights"]["hidden"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("project")
    modality = ImageModality(resolution=16)
    Generator(modality, preset="tiny").save_pretrained(folder / "run")
    modality.write(modality.observe([modality.source(None)[3]], modality.domain.grid((32, 32))), folder / "one.png")
    return folder / "run"


def test_command(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    picture = str(run.parent / "one.png")
    main(
        [
            "project",
            str(run),
            picture,
            "--steps",
            "3",
            "--tune",
            "2",
            "--starts",
            "2",
            "--points",
            "50",
            "--sheet",
            "sheet.png",
        ]
    )
    report = json.loads((tmp_path / "one.json").read_text())
    assert set(report["errors"]) == {"start", "w", "weights"} and report["protocol"]["seen"] == 50
    assert "psnr_hidden" in capsys.readouterr().out and (tmp_path / "sheet.png").exists()
    main(["sample", str(run), "--latents", "one.safetensors", "--resolution", "24", "--out", "a.npy"])
    G = Generator.from_pretrained(run)
    expected = load_latents("one.safetensors", G).render((24, 24))[0]
    np.testing.assert_allclose(np.load("a.npy"), expected, atol=1e-6)
    main(["render", str(run), "--latents", "one.safetensors", "--resolution", "24", "--quiet", "--out", "a.zarr"])
    import zarr

    np.testing.assert_allclose(np.asarray(zarr.open(tmp_path / "a.zarr", mode="r")["0"]), expected, atol=1e-6)
    # What render writes of scattered points is what project reads.
    main(
        [
            "render",
            str(run),
            "--density",
            "gradient",
            "--points",
            "60",
            "--resolution",
            "24",
            "--quiet",
            "--out",
            "p.npz",
        ]
    )
    main(["project", str(run), "p.npz", "--steps", "2", "--starts", "2", "--out", "p.safetensors"])
    assert json.loads((tmp_path / "p.json").read_text())["protocol"]["samples"] == 60


@pytest.mark.parametrize(
    "flags",
    [
        ["nowhere.png"], ["one.png", "--item", "3"], ["one.png", "--out", "x.png"], ["one.png", "--steps", "-1"],
        ["one.png", "--mask", "nowhere.npy"], ["one.png", "--prior", "nan"], ["one.png", "--region", "1,2"],
        ["junk.png"],
    ],
)  # fmt: skip
def test_bad_flags(flags, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(run.parent)
    (run.parent / "junk.png").write_bytes(b"junk")
    with pytest.raises(SystemExit) as stop:
        main(["project", str(run), *flags])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith("inrgan: ") and err.count("\n") == 1, err
