"""``inrgan convert``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, Suppress, arg, subcommand

from inrgan.cli._common import AbstractCommand, Device, peek
from inrgan.data import located
from inrgan.inrs import FitOptions, convert
from inrgan.modality import Modality
from inrgan.registry import modality_class
from inrgan.sizes import Backbone, Preset
from inrgan.training import pick_device


@dataclass(kw_only=True)
class Convert(AbstractCommand):
    """Fit a function with the generator's backbone to every item of a data set."""

    data: Positional[str | None] = None
    """Folder, zip or tar shards, as for train. Default: the built-in synthetic set."""
    follow_links: bool = False
    """Follow links in the data to folders, and to files outside."""
    to: Literal["inrs"]
    """What to convert the items to: functions (INRs)."""
    modality: str
    """Kind of signal, as in train MODALITY. Its own flags, such as --resolution, are listed by --modality M --help."""
    out: Path
    """Folder for the functions. The same command resumes after a stop."""
    preset: Preset = "tiny"
    """Sizes of the functions. Use the preset of train for functions like the generator's."""
    backbone: Backbone | None = None
    """Backbone of the functions. Default: the modality's."""
    count: int | None = None
    """Number of items, from the first on. Default: all."""
    fitting: FitOptions = field(default_factory=FitOptions)
    device: Device = "auto"
    """Device to compute on."""
    quiet: bool = False
    """No progress bar and no messages."""
    adapter: Annotated[Modality | None, Suppress] = None
    """Adapter with the values of its flags."""

    def run(self) -> None:
        """Fit, and print how well."""
        assert self.adapter is not None, "--modality is required, and convert_command adds its adapter"
        source = self.adapter.source(located(self.data, follow_links=self.follow_links), seed=self.fitting.seed)
        try:
            report = convert(
                source, self.out, modality=self.adapter,
                sizes=self.adapter.generator_sizes(self.preset, backbone=self.backbone), options=self.fitting,
                count=self.count, data="" if self.data is None else self.data, device=pick_device(self.device),
                progress=not self.quiet,
            ).to_plain()  # fmt: skip
        finally:
            source.close()
        mean, least = f"{report['psnr_mean']:.2f}", f"{report['psnr_min']:.2f}"
        print(
            f"{report['items']} functions of {report['numbers']} numbers: PSNR {mean} dB on average, at least {least} "
            f"({report['worst']}); {len(report['skipped'])} items skipped"
        )
        if not self.quiet:
            print(f"functions: {self.out}", file=sys.stderr)


@dataclass(kw_only=True)
class _Kind:
    """The flag that decides what other flags there are."""

    modality: str | None = None


def convert_command(args: Sequence[str]) -> Any:
    """The type of ``convert``, with the flags of the adapter that the arguments name."""
    name = peek(_Kind, args).modality if args[0] == "convert" else None
    if name is None:
        return Annotated[Convert, subcommand("convert")]
    cls = modality_class(name)
    kind = make_dataclass(
        "Convert", [("adapter", Annotated[cls, arg(name="")], field(default_factory=cls))], bases=(Convert,),
        kw_only=True,
    )  # fmt: skip
    kind.__doc__ = Convert.__doc__
    return Annotated[kind, subcommand("convert")]
