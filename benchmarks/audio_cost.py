"""Multiplications for one second at 16 kHz: the presets against the generator of WaveGAN, both counted by torch.

python benchmarks/audio_cost.py
"""

import itertools

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inrgan import AudioModality, Generator


class WaveGANSizes(nn.Module):
    """A network with the layer sizes of the generator of WaveGAN (Donahue et al. 2019, table 3), for counting only."""

    def __init__(self):
        super().__init__()
        widths = (1024, 512, 256, 128, 64, 1)
        self.dense = nn.Linear(100, 16 * widths[0])
        self.layers = nn.Sequential(
            *(
                nn.ConvTranspose1d(a, b, 25, stride=4, padding=11, output_padding=1)
                for a, b in itertools.pairwise(widths)
            )
        )

    def forward(self, z):
        return self.layers(self.dense(z).unflatten(1, (1024, 16)))


@torch.no_grad()
def gmac(run) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 2e9


def main() -> None:
    torch.manual_seed(0)
    other = WaveGANSizes()
    assert other(torch.zeros(1, 100)).shape == (1, 1, 16384)
    print(f"WaveGAN    {gmac(lambda: other(torch.zeros(1, 100))):.3f} GMAC")
    modality = AudioModality()
    view = modality.domain.grid((16384,))
    for backbone in ("harmonic-bank", "multiscale"):
        for preset in ("tiny", "base", "large"):
            G = Generator(modality, preset=preset, backbone=backbone).eval()
            cost = gmac(lambda G=G: G(torch.zeros(1, G.z_dim))(view))
            # Sines, and products of waves and amplitudes, are not matrix products and are not counted.
            print(f"{backbone:<10} {preset:<6} {cost:.3f} GMAC, {sum(p.numel() for p in G.parameters()) / 1e6:.1f} M")


if __name__ == "__main__":
    main()
