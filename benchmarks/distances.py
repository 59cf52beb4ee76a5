"""Time of the distances from a 64³ grid to closed meshes, by libigl and by open3d, and how far they agree.

The points are those near the surface, at which a training needs exact distances. Every size and number of threads has a
process of its own. CPU seconds are those of the whole process, including the building of the tree; wall seconds are
affected by other work on the machine. open3d's own signs are compared with libigl's winding number.

    python benchmarks/distances.py
"""

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

_SIDE, _REACH = 64, 0.2 + 3**0.5 / 16


def measure(name: str, faces: int, *, threads: int, repeats: int) -> dict[str, float | str]:
    import igl
    import open3d
    from inrgan_modalities.occupancy import Ball, chair, extract, sample_grid
    from inrgan_modalities.occupancy._shapes import grid_points

    shape = Ball(0.8) if name == "ball" else chair(width=0.5, depth=0.5, seat=-0.1, back=0.8, leg=0.08, thick=0.08)
    samples = 16
    while len((mesh := extract(shape.distance, samples)).faces) < faces:
        samples = max(samples + 1, int(samples * (faces / max(len(mesh.faces), 1)) ** 0.5))
    triangles = mesh.faces.astype(np.int64)
    points = grid_points(_SIDE)[np.abs(sample_grid(shape, _SIDE).reshape(-1)) < _REACH]

    def by_igl() -> np.ndarray:
        return np.sqrt(np.asarray(igl.point_mesh_squared_distance(points, mesh.vertices, triangles)[0]))

    def scene():
        made = open3d.t.geometry.RaycastingScene(nthreads=threads)
        made.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
        return made

    def by_open3d() -> np.ndarray:
        return scene().compute_distance(points.astype(np.float32), nthreads=threads).numpy()

    def best(function) -> tuple[float, float]:
        times = []
        for _ in range(repeats):
            cpu, wall = time.process_time(), time.perf_counter()
            function()
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
        return min(t[0] for t in times), min(t[1] for t in times)

    turns = np.asarray(igl.fast_winding_number(mesh.vertices, triangles, points))
    signed = scene().compute_signed_distance(points.astype(np.float32), nthreads=threads).numpy()
    (igl_cpu, igl_wall), (open3d_cpu, open3d_wall) = best(by_igl), best(by_open3d)
    return {
        "shape": name, "faces": len(mesh.faces), "threads": threads, "points": len(points),
        "libigl_cpu_s": round(igl_cpu, 2), "open3d_cpu_s": round(open3d_cpu, 2),
        "libigl_wall_s": round(igl_wall, 2), "open3d_wall_s": round(open3d_wall, 2),
        "largest_difference": float(f"{np.abs(by_igl() - by_open3d()).max():.1e}"),
        "other_signs": int((np.sign(signed) != np.where(np.abs(turns) > 0.5, -1, 1)).sum()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=[1_000, 10_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measure(args.one[0], int(args.one[1]), threads=args.threads[0], repeats=args.repeats)))
        return
    for name in ("ball", "chair"):
        for faces in args.faces:
            for threads in args.threads:
                counts = {k: str(threads) for k in ("IGL_NUM_THREADS", "OMP_NUM_THREADS")}
                command = [sys.executable, __file__, "--one", name, str(faces), "--threads", str(threads)]
                done = subprocess.run(
                    [*command, "--repeats", str(args.repeats)], check=True, capture_output=True, text=True,
                    env={**os.environ, **counts},
                )  # fmt: skip
                print(done.stdout, end="", flush=True)


if __name__ == "__main__":
    main()
