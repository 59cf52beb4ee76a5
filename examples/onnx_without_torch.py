"""Draw a sample of an export with numpy and onnxruntime alone, without torch and without inrgan.

    inrgan export RUN --format onnx --out exported
    python examples/onnx_without_torch.py exported --seed 3 --out sample.npy
    python examples/onnx_without_torch.py exported --out zoomed.npy --region 0,0,0.01,0.01 --size 256

A seed is one of numpy's generator. The latents of ``inrgan sample --seeds`` are those of torch's generator, which numpy
does not have: pass them as a file of shape (number, z_dim) with --latents, from
``np.save("z.npy", G.latents([3]).cpu().numpy())``.

The result is an array (channels, ..., y, x) with values from -1 to 1; images of 1 or 3 channels also go to .png or
.jpg, which needs Pillow.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

AXES = ("x", "y", "z")
CHUNK = 4096  # points at a time, on a sphere or a surface


class Export:
    """Graphs of a folder that ``inrgan export`` wrote."""

    def __init__(self, folder):
        self.about = json.loads((Path(folder) / "export.json").read_text(encoding="utf-8"))
        if self.about["format"] != "inrgan-export" or self.about["version"] != 1:
            raise SystemExit(f"{folder} is no export of version 1")
        self.graphs = self.about["graphs"]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.sessions = {
            name: onnxruntime.InferenceSession(
                str(Path(folder) / graph["file"]), options, providers=["CPUExecutionProvider"]
            )
            for name, graph in self.graphs.items()
        }

    def w(self, z, *, truncation=1.0, label=None):
        """Mapped latents; ``label`` is the number of a class, or one for each latent."""
        given = {"z": z.astype(np.float32), "truncation": np.full(1, truncation, np.float32)}
        if self.about["labels"]:
            given["label"] = np.broadcast_to(np.int64(0 if label is None else label), len(z)).copy()
        return self._run("mapping", given, {})["w"]

    def grid(self, w, axes, *, spacing):
        """Values (number, channels, ..., y, x) at all combinations of positions along each coordinate of a box."""
        positions = {name: np.asarray(x, np.float64) for name, x in zip(AXES, axes, strict=False)}
        given = {"w": w, "spacing": np.asarray(spacing, np.float64), **positions}
        given |= self._run("nodes", given, positions)
        return self._run("grid", given, positions)["values"]

    def points(self, w, points, *, spacing):
        """Values (number, N, channels) at points (N, D)."""
        given = {"w": w, "spacing": np.asarray(spacing, np.float64), "points": np.asarray(points, np.float64)}
        positions = {}
        for name, x in zip(AXES, given["points"].T, strict=False):
            positions[name], index = np.unique(x, return_inverse=True)
            given[f"{name}_index"] = index.astype(np.int64)
        nodes = self._run("nodes", positions | given, positions)
        return self._run("points", given | nodes, positions)["values"]

    def _run(self, name, given, positions):
        """Run a graph; node numbers that it asks for follow from the positions."""
        at, inputs = dict(positions), {}
        for entry in self.graphs[name]["inputs"]:
            if "covers" in entry:  # all lattice nodes around these positions
                p = (at[entry["covers"]] - entry["origin"]) / entry["cell"] - 0.5
                numbers = np.arange(int(np.floor(p.min())) - 1, int(np.floor(p.max())) + 3, dtype=np.int64)
                at[entry["name"]] = entry["origin"] + (numbers + 0.5) * entry["cell"]
                inputs[entry["name"]] = numbers
            else:
                inputs[entry["name"]] = given[entry["name"]]
        names = [x["name"] for x in self.graphs[name]["outputs"]]
        return dict(zip(names, self.sessions[name].run(names, inputs), strict=True))


def cell_centers(lower, upper, count):
    """Middles of equal cells from ``lower`` to ``upper``."""
    return lower + (np.arange(count) + 0.5) * (upper - lower) / count


def draw(export, w, *, size=None, region=None):
    """The whole domain of a box or a sphere, or a region of a box."""
    domain, shape = export.about["domain"], export.about["shape"]
    if domain["kind"] == "box":
        dim = domain["coordinates"]
        corners = region or [*domain["lower"], *domain["upper"]]
        scale = 1 if size is None else size / min(shape)
        counts = [max(1, round(n * scale)) for n in reversed(shape)]  # x first
        axes = [cell_centers(corners[d], corners[dim + d], counts[d]) for d in range(dim)]
        spacing = [(corners[dim + d] - corners[d]) / counts[d] for d in range(dim)]
        return export.grid(w, axes, spacing=spacing)[0]
    if domain["kind"] == "sphere" and region is None:
        rows = size or shape[0]
        latitude = cell_centers(np.pi / 2, -np.pi / 2, rows)[:, None]
        longitude = cell_centers(-np.pi, np.pi, 2 * rows)[None]
        directions = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
        points = np.stack([np.broadcast_to(x, (rows, 2 * rows)) for x in directions], axis=-1).reshape(-1, 3)
        parts = np.array_split(points, -(-len(points) // CHUNK))
        spacing = [np.pi / rows] * 3
        values = np.concatenate([export.points(w, part, spacing=spacing)[0] for part in parts])
        return values.T.reshape(-1, rows, 2 * rows)
    raise SystemExit(f"no grid for a {domain['kind']} here; use Export.points with points of your own")


def main():
    parser = argparse.ArgumentParser(description="Draw a sample of an export with numpy and onnxruntime alone.")
    parser.add_argument("folder", help="folder that inrgan export wrote")
    parser.add_argument("--seed", type=int, default=3, help="seed of numpy's generator (default: 3)")
    parser.add_argument("--latents", help="npy file of latents (number, z_dim), of which the first is drawn")
    parser.add_argument("--truncation", type=float, default=0.7, help="1 for the full distribution (default: 0.7)")
    parser.add_argument("--label", type=int, help="number of the class of a conditional model (default: 0)")
    parser.add_argument("--size", type=int, help="samples along the shorter side (default: the training's)")
    parser.add_argument("--region", help="lower corner, then upper corner, x first (default: the whole domain)")
    parser.add_argument("--out", default="sample.npy", help=".npy, or .png or .jpg for images (default: sample.npy)")
    args = parser.parse_args()
    export = Export(args.folder)
    if args.latents:
        z = np.load(args.latents)[:1]
    else:
        z = np.random.default_rng(args.seed).standard_normal((1, export.about["z_dim"]))
    w = export.w(z, truncation=args.truncation, label=args.label)
    region = [float(x) for x in args.region.split(",")] if args.region else None
    values = draw(export, w, size=args.size, region=region)
    if args.out.endswith(".npy"):
        np.save(args.out, values)
        return
    from PIL import Image

    picture = np.clip(np.rint((values + 1) * 127.5), 0, 255).astype(np.uint8)
    Image.fromarray(picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)).save(args.out)


if __name__ == "__main__":
    main()
