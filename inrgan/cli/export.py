"""``inrgan export``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from inrgan.cli._common import AbstractCommand
from inrgan.export import Precision, export_onnx
from inrgan.generator import Generator


@dataclass(kw_only=True)
class Export(AbstractCommand):
    """Write a generator for programs without torch, and compare it with the original."""

    model: Annotated[Positional[str], arg(name="run")]
    """Run directory, save_pretrained folder or Hub id."""
    out: Path
    """Folder for the files."""
    format: Literal["onnx"] = "onnx"
    """Format: graphs in ONNX, and export.json, which describes them."""
    precision: Precision = "fp32"
    """Precision in which parameters are stored: fp16 halves the files."""
    quiet: bool = False
    """No progress bar and no messages."""

    def run(self) -> None:
        """Export, and print how well the files agree with the generator."""
        errors = export_onnx(
            Generator.from_pretrained(self.model), self.out, precision=self.precision, quiet=self.quiet
        )
        worst = max(errors, key=lambda name: errors[name])
        size = sum(p.stat().st_size for p in self.out.glob("*.onnx"))
        print(f"largest difference from the generator: {errors[worst]:.2g} ({worst})")
        if not self.quiet:
            print(f"{size / 1e6:.1f} MB of graphs: {self.out}", file=sys.stderr)
