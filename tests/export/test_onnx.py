"""Exports to ONNX agree with the fields of their generator. Oracle: Field, in torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from inrgan import (
    AudioModality,
    Generator,
    ImageModality,
    OccupancyModality,
    SphericalModality,
    SurfaceModality,
    VideoModality,
)
from inrgan.cli import main
from inrgan.errors import ConfigError
from inrgan.export import ExportedField, export_onnx
from inrgan.export.check import refuse
from inrgan.export.runtime import session

for needed in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(needed)

ROOT = Path(__file__).parents[2]
SMALL = {"z_dim": 8, "w_dim": 8, "rank": 2}
STAGES = {"lattices": (4, 8), "widths": (12, 10, 9), "depths": (2, 2, 3)}


def generator(modality, **sizes):
    torch.manual_seed(0)
    G = Generator(modality, **{**SMALL, **sizes}).eval()
    with torch.no_grad():  # truncation toward 0 would hide a wrong mean
        G.mapping.w_mean.normal_()
    return G


def small_image(**more):
    return generator(
        ImageModality(resolution=8), labels=("cat", "dog"), lattices=(4,), widths=(10, 9), depths=(1, 3), **more
    )


class Opened:
    """An export on disk, with its sessions."""

    def __init__(self, G, folder):
        self.G, self.folder = G, folder
        self.about = json.loads((folder / "export.json").read_text())
        self.sessions = {name: session(folder / graph["file"]) for name, graph in self.about["graphs"].items()}

    def field(self, w):
        return ExportedField(self.about, self.sessions, w=w.numpy())


def run_export(run, *flags):
    """Folder of the export of a run, made by the command in a process of its own: tests check every annotation, and a
    tracer's sizes are no numbers to check."""
    out = run.parent / "exported"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "modalities")])}
    command = [sys.executable, "-m", "inrgan", "export", str(run), "--format", "onnx", "--out", str(out), *flags]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("largest difference from the generator: ")
    return out


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    G, top = small_image(), tmp_path_factory.mktemp("image")
    G.save_pretrained(top / "run")
    return Opened(G, run_export(top / "run"))


def close(a, b, *, bound=1e-5):
    assert a.shape == b.shape and np.abs(a - b).max() < bound


def test_onnx_labels_and_truncation(image):
    z = image.G.latents([0, 1, 2, 3])
    labels = torch.tensor([0, 1, 1, 0])
    for truncation in (1.0, 0.5, 0.0):
        given = {"z": z.numpy(), "label": labels.numpy(), "truncation": np.full(1, truncation, np.float32)}
        with torch.no_grad():
            expected = image.G.mapping.truncate(image.G.mapping(z, labels), truncation)
        close(image.sessions["mapping"].run(["w"], given)[0], expected.numpy())


@pytest.mark.parametrize("seeds", [[4], [0, 1, 2]])
def test_onnx_grid_and_points(image, seeds):
    w = image.G.sample_w(seeds)
    field, exported = image.G.field(w), image.field(w)
    for shape, region in (
        ((9, 5), None),
        ((1, 1), None),
        ((3, 40), (-9.0, 3.0, -8.9, 90.0)),
        ((4, 4), (0.3, 0.3, 0.3 + 2**-19, 0.3 + 2**-19)),
    ):
        view = image.G.modality.domain.grid(shape, region=region, dtype=torch.float64)
        with torch.no_grad():
            expected = field(view).numpy()
        axes = [x[0].numpy() for x in view.axes]
        close(exported.grid(axes, spacing=view.spacing[0, 0].numpy()), expected)
        points, spacing = view.coords[0].numpy(), view.spacing[0, 0].numpy()
        values = exported.points(points, spacing=spacing)
        close(values.transpose(0, 2, 1).reshape(expected.shape), expected)


def test_onnx_tiles_equal_the_whole(image):
    w = image.G.sample_w([5])
    exported, spacing = image.field(w), np.full(2, 2 / 24)
    x = (2 * np.arange(24) + 1) / 24 - 1
    full = exported.grid([x, x], spacing=spacing)
    for rows in (slice(0, 7), slice(7, 24)):
        for columns in (slice(0, 1), slice(1, 24)):
            tile = exported.grid([x[columns], x[rows]], spacing=spacing)
            close(tile, full[:, :, rows, columns], bound=2e-6)


def test_onnx_description(image):
    about = image.about
    assert about["modality"] == {"name": "image", "arguments": image.G.modality.arguments()}
    assert (about["labels"], about["z_dim"], about["spacing"]) == (["cat", "dog"], 8, [0.25, 0.25])
    assert about["domain"]["lower"] == [-1.0, -1.0] and about["latent_parts"] == []
    assert set(about["graphs"]) == {"mapping", "nodes", "grid", "points"}
    assert all(value <= about["error"]["bound"] for value in about["error"].values())
    for name, graph in about["graphs"].items():
        for side, entries in (
            ("inputs", image.sessions[name].get_inputs()),
            ("outputs", image.sessions[name].get_outputs()),
        ):
            assert [(x["name"], x["shape"]) for x in graph[side]] == [(x.name, x.shape) for x in entries]


def test_onnx_files_hold_no_paths_and_need_no_others(image):
    assert sorted(p.name for p in image.folder.iterdir()) == [
        "export.json", "grid.onnx", "mapping.onnx", "nodes.onnx", "points.onnx",
    ]  # fmt: skip
    local = {ROOT, image.folder, image.folder.parent, Path(sys.prefix), Path(torch.__file__).parent, Path.home()}
    names = [b"site-packages", b".py", b"stack_trace", *(str(p).encode() for p in local)]
    for path in image.folder.iterdir():
        content = path.read_bytes()
        assert [name for name in names if name in content] == []


def test_onnx_example_without_torch(image, tmp_path):
    """The example draws what torch draws, where torch and inrgan cannot be imported."""
    z = image.G.latents([3])
    np.save(tmp_path / "z.npy", z.numpy())
    blocked = (
        "import sys, runpy\n"
        "for name in ('torch', 'inrgan', 'inrgan_modalities', 'onnx', 'onnxscript'): sys.modules[name] = None\n"
        f"sys.argv[:] = ['example', {str(image.folder)!r}, '--latents', 'z.npy', '--truncation', '0.5', '--label', '1',"
        " '--size', '20', '--out', 'sample.npy']\n"
        f"runpy.run_path({str(ROOT / 'examples' / 'onnx_without_torch.py')!r}, run_name='__main__')\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", blocked], check=True, cwd=tmp_path, env=environment)
    with torch.no_grad():
        w = image.G.mapping.truncate(image.G.mapping(z, torch.tensor([1])), 0.5)
        view = image.G.modality.domain.grid((20, 20), dtype=torch.float64)
        close(np.load(tmp_path / "sample.npy"), image.G.field(w)(view)[0].numpy())


def test_onnx_refuses_what_differs():
    refuse({"w": 1.0, "points": 9e-5, "grid": 1e-6}, precision="fp32")
    for worst in (1.1e-4, float("nan")):
        with pytest.raises(ConfigError, match=r"differs.*\(grid\).*0\.0001.*nothing was written"):
            refuse({"w": 0.0, "points": 1e-6, "grid": worst}, precision="fp32")


def test_onnx_refusal_leaves_no_files(monkeypatch, tmp_path):
    import inrgan.export as room

    monkeypatch.setattr(room, "graphs_of", lambda G: ())
    monkeypatch.setattr(room, "measured_errors", lambda *args: {"w": 0.0, "points": 0.02})
    with pytest.raises(ConfigError, match=r"differs from the generator by 0\.02 \(points\)"):
        export_onnx(small_image(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_onnx_of_a_damaged_run_is_one_line(damage, tmp_path, capsys):
    if damage == "truncated":
        small_image().save_pretrained(tmp_path / "run")
        weights = tmp_path / "run" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(SystemExit) as stop:
        main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "out")])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.startswith("inrgan: ") and message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_onnx_is_the_only_format(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["export", "run", "--format", "web", "--out", str(tmp_path)])
    assert stop.value.code == 2 and "web" in capsys.readouterr().err


KINDS = {
    "image": lambda: generator(ImageModality(resolution=16), **STAGES),
    "image, wide, full": lambda: generator(ImageModality(resolution=16, aspect=(2, 1)), hypernetwork="full", **STAGES),
    "image, pointwise, style": lambda: generator(
        ImageModality(resolution=16), backbone="pointwise", hypernetwork="style", widths=(12,), depths=(3,)
    ),
    "image, polynomial": lambda: generator(
        ImageModality(resolution=16), backbone="polynomial", widths=(12,), depths=(3,)
    ),
    "audio": lambda: generator(
        AudioModality(resolution=512, rate=1000), labels=("a", "b"), lattices=(4, 16), widths=(12, 10), depths=(2, 2)
    ),
    "audio, multiscale": lambda: generator(AudioModality(resolution=512, rate=1000), backbone="multiscale", **STAGES),
    "video": lambda: generator(VideoModality(resolution=16, frames=8), **STAGES),
    "occupancy": lambda: generator(OccupancyModality(resolution=16), **STAGES),
    "spherical": lambda: generator(SphericalModality(resolution=16), **STAGES),
    "surface": lambda: generator(SurfaceModality(resolution=16, charts=4), **STAGES),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_onnx_agrees_with_fields(kind, tmp_path):
    """Errors that the export measured itself, and those of a batch, a grid and points of other sizes."""
    G = KINDS[kind]()
    G.save_pretrained(tmp_path / "run")
    opened, domain = Opened(G, run_export(tmp_path / "run")), G.modality.domain
    assert max(value for name, value in opened.about["error"].items() if name != "bound") < 1e-5
    w = G.sample_w([7])
    field, exported = G.field(w), opened.field(w)
    spacing = 2 * np.array(domain.spacings(G.modality.resolution))
    points = domain.sample(11, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.no_grad():
        close(
            exported.points(points.numpy(), spacing=spacing),
            field(points, spacing=torch.from_numpy(spacing)[None, None]).numpy(),
        )
        if "grid" in opened.about["graphs"]:
            view = domain.grid([3, 4, 9][: domain.coord_dim], dtype=torch.float64)
            values = exported.grid([x[0].numpy() for x in view.axes], spacing=view.spacing[0, 0].numpy())
            close(values, field(view).numpy())


@pytest.mark.slow
def test_onnx_half_precision(tmp_path):
    """Half the size, and a difference that is there, within the stated bound."""
    G = small_image(hypernetwork="full", w_dim=64)
    abouts, sizes = [], []
    for precision in ("fp32", "fp16"):
        G.save_pretrained(tmp_path / precision / "run")
        out = run_export(tmp_path / precision / "run", "--precision", precision)
        abouts.append(json.loads((out / "export.json").read_text()))
        sizes.append(sum((out / f"{name}.onnx").stat().st_size for name in ("mapping", "nodes")))
    single, half = (a["error"] for a in abouts)
    assert [a["precision"] for a in abouts] == ["fp32", "fp16"] and (single["bound"], half["bound"]) == (1e-4, 5e-3)
    worst = [max(value for name, value in e.items() if name != "bound") for e in (single, half)]
    assert worst[0] < 1e-5 < worst[1] <= 5e-3
    assert sizes[1] < 0.75 * sizes[0]
