"""Items per second from a folder, a zip and tar shards, as bytes and decoded, and the time to open each.

Every kind is read in the same random order, in a process of its own, by one thread, without the cache of decoded items.
The benchmark creates the files and reads them once before, so that they are in system memory: it measures finding and
decoding, not the disk. Meshes (``--kind off``) are read to triangles, without the distances that are computed once and
cached; CPU times are less affected by other work than wall times.

With ``--videos``, a folder of videos is read as well, or one of your own: the time to index it, and clips per second of
three frames each at random times, as a step reads them.

    python benchmarks/loading.py --items 4000 --side 64
    python benchmarks/loading.py --items 0 --videos clips
    python benchmarks/loading.py --kind off --items 400 --side 32
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from inrgan.data import ArchiveSource, FolderArchive, epoch_indices, open_archive, write_shards
from inrgan.images import read_image, write_image


def make(root: Path, *, items: int, side: int, kind: str) -> None:
    """Write smooth images with some noise, or meshes of a torus, to a folder, a zip and shards."""
    g = torch.Generator().manual_seed(0)
    if kind == "off":
        _make_meshes(root / "folder", items=items, side=side, generator=g)
        _pack(root, kind)
        return
    for i in range(items):
        x = torch.nn.functional.interpolate(torch.rand(1, 3, 6, 6, generator=g), size=(side, side), mode="bicubic")[0]
        x = 2 * x - 1 + 0.05 * torch.randn(3, side, side, generator=g)
        write_image(x.clamp(-1, 1), root / "folder" / f"{i % 10}" / f"{i:07d}.jpg")
    _pack(root, kind)


def _make_meshes(folder: Path, *, items: int, side: int, generator: torch.Generator) -> None:
    from inrgan_modalities.occupancy import Torus, extract, write_meshes

    for i in range(items):
        ring, tube = 0.4 + 0.2 * torch.rand(2, generator=generator) * torch.tensor([1.0, 0.5])
        path = folder / f"{i % 10}" / f"{i:07d}.off"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_meshes([extract(Torus(ring=float(ring), tube=float(tube) / 2).distance, side)], path)


def _pack(root: Path, kind: str) -> None:
    with zipfile.ZipFile(root / "zip.zip", "w") as file:
        for path in sorted((root / "folder").rglob(f"*.{kind}")):
            file.write(path, path.relative_to(root / "folder"))
    write_shards(FolderArchive(root / "folder", suffixes=(f".{kind}",)), root / "shards", shard_bytes=8 << 20)


def _decoder(kind: str) -> Callable[[str, bytes], torch.Tensor]:
    if kind == "jpg":
        return read_image
    from inrgan_modalities.occupancy._mesh_read import read_mesh

    return lambda name, data: torch.from_numpy(read_mesh(name, data).vertices)


def measure(path: Path, *, repeats: int, kind: str) -> dict[str, float | str]:
    began = time.perf_counter()
    archive = open_archive(path, suffixes=(f".{kind}",))
    opened = time.perf_counter() - began
    n = len(archive.names)
    order = epoch_indices(n, batch=n, step=0, seed=0)
    for i in order:
        archive.read(archive.names[i])

    def best(read, clock=time.perf_counter) -> float:
        seconds = []
        for _ in range(repeats):
            began = clock()
            for i in order:
                read(i)
            seconds.append(clock() - began)
        return n / min(seconds)

    source = ArchiveSource(archive, decode=_decoder(kind), labels=False)
    return {
        "kind": path.stem,
        "items": n,
        "open_ms": round(1000 * opened, 1),
        "read_per_s": round(best(lambda i: archive.read(archive.names[i]))),
        "decoded_per_s": round(best(lambda i: source[i])),
        "decoded_per_cpu_s": round(best(lambda i: source[i], time.process_time)),
    }


def measure_videos(path: Path, *, repeats: int) -> dict[str, float | str]:
    from inrgan import VideoModality

    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache  # where the index is stored
        began = time.perf_counter()
        source = VideoModality(short="hold").source(path)
        indexed = time.perf_counter() - began
    rng, seconds = random.Random(0), []
    wanted = [(i, [rng.random() for _ in range(3)]) for i in rng.choices(range(len(source)), k=100)]
    clips: list[Any] = [source[i] for i in range(len(source))]
    clips[0].frames([0])  # which starts the reader
    for _ in range(repeats):
        began = time.perf_counter()
        for i, times in wanted:
            clips[i].frames(sorted({int(t * clips[i].count) for t in times}))
        seconds.append(time.perf_counter() - began)
    return {
        "kind": "videos", "items": len(source), "index_ms": round(1000 * indexed, 1),
        "clips_per_s": round(len(wanted) / min(seconds), 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("jpg", "off"), default="jpg")
    parser.add_argument("--items", type=int, default=4000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--videos", type=Path, help="folder of videos")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.videos is not None:
        print(json.dumps(measure_videos(args.videos, repeats=args.repeats)), flush=True)
        if args.items == 0:
            return
    if args.one is not None:
        print(json.dumps(measure(args.one, repeats=args.repeats, kind=args.kind)))
        return
    root = Path(tempfile.mkdtemp(prefix="inrgan-loading-"))
    try:
        make(root, items=args.items, side=args.side, kind=args.kind)
        for name in ("folder", "zip.zip", "shards"):
            command = [sys.executable, __file__, "--one", str(root / name), "--repeats", str(args.repeats)]
            command += ["--kind", args.kind]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
