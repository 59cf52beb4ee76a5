"""No loop over samples: time for batch 32 against batch 8, with the same number of points per sample.

python benchmarks/batch_scaling.py
"""

import torch
from throughput import timed

from inrgan import Generator, ImageModality


@torch.no_grad()
def seconds_of(G: Generator, batch: int) -> float:
    view, z = G.modality.domain.grid((32, 32)), torch.randn(batch, G.z_dim)
    return timed(lambda: G(z)(view), device="cpu", repeats=15)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for backbone in ("multiscale", "pointwise", "polynomial"):
        G = Generator(ImageModality(resolution=32), preset="tiny", backbone=backbone).eval()
        seconds = {batch: seconds_of(G, batch) for batch in (8, 32)}
        print(f"{backbone:<11} batch 8 {seconds[8] * 1e3:7.1f} ms  batch 32 {seconds[32] * 1e3:7.1f} ms  "
              f"ratio {seconds[32] / seconds[8]:.2f} (4 would be linear)")  # fmt: skip


if __name__ == "__main__":
    main()
