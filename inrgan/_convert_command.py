"""What ``inrgan convert`` does."""

import sys
from typing import TYPE_CHECKING

from inrgan.inrs import convert
from inrgan.modality import Modality
from inrgan.training import pick_device

if TYPE_CHECKING:
    from inrgan.cli import ConvertFlags


def run_convert(flags: "ConvertFlags", *, modality: Modality) -> None:
    """Fit, and print how well."""
    source = modality.source(flags.data, seed=flags.fitting.seed)
    try:
        report = convert(
            source, flags.out, modality=modality, sizes=modality.generator_sizes(flags.preset, backbone=flags.backbone),
            options=flags.fitting, count=flags.count, data="" if flags.data is None else flags.data,
            device=pick_device(flags.device), progress=not flags.quiet,
        ).to_plain()  # fmt: skip
    finally:
        source.close()
    print(
        f"{report['items']} functions of {report['numbers']} numbers: PSNR {report['psnr_mean']:.2f} dB on average, at "
        f"least {report['psnr_min']:.2f} ({report['worst']}); {len(report['skipped'])} items skipped"
    )
    if not flags.quiet:
        print(f"functions: {flags.out}", file=sys.stderr)
