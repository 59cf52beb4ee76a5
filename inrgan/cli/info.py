"""``inrgan info``."""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from typing import Annotated, Any

import torch
from tyro.conf import Positional, Suppress, arg, subcommand

import inrgan
from inrgan.capabilities import DescribesData
from inrgan.cli._common import AbstractCommand, peek
from inrgan.data import DataReport, located
from inrgan.errors import ConfigError, InrganError
from inrgan.modality import Modality
from inrgan.process import wait_policy
from inrgan.registry import modality_class, modality_names


@dataclass(kw_only=True)
class Info(AbstractCommand):
    """Print versions, devices, and which adapters are usable and why not; with --modality, what a data set holds."""

    data: Positional[str | None] = None
    """Folder, zip or tar shards, as for train. Default with --modality: the built-in synthetic set."""
    modality: str | None = None
    """Kind of signal, as in train MODALITY. Its own flags, such as --resolution, are listed by --modality M --help."""
    follow_links: bool = False
    """Follow links in the data to folders, and to files outside."""
    labels: bool | str = False
    """Classes of the items, as for train."""
    json: bool = False
    """Print the whole report on a data set as JSON, as in a run's data.json."""
    adapter: Annotated[Modality | None, Suppress] = None
    """Adapter with the values of its flags."""

    def run(self) -> None:
        """Print it."""
        if self.adapter is not None:
            self._report(self.adapter)
        elif self.data is not None or self.json or self.labels:
            raise ConfigError("a report on data was asked for; add --modality image, or the name of another modality")
        else:
            _environment()

    def _report(self, adapter: Modality) -> None:
        """Print what the data set holds."""
        data = located(self.data, follow_links=self.follow_links)
        if data is not None and isinstance(adapter, DescribesData):
            self._print(adapter.describe(data, labels=self.labels))
            return
        source = adapter.source(data, labels=self.labels)
        try:
            self._print(source.report())
        finally:
            source.close()

    def _print(self, report: DataReport) -> None:
        print(json.dumps(report.to_plain(), indent=2) if self.json else "\n".join(report.lines()))


@dataclass(kw_only=True)
class _Kind:
    """The flag that decides what other flags there are."""

    modality: str | None = None


def info_command(args: Sequence[str]) -> Any:
    """The type of ``info``, with the flags of the adapter that the arguments name."""
    name = peek(_Kind, args).modality if args[0] == "info" else None
    if name is None:
        return Annotated[Info, subcommand("info")]
    cls = modality_class(name)
    kind = make_dataclass(
        "Info", [("adapter", Annotated[cls, arg(name="")], field(default_factory=cls))], bases=(Info,), kw_only=True
    )
    kind.__doc__ = Info.__doc__
    return Annotated[kind, subcommand("info")]


def _environment() -> None:
    print(f"inrgan {inrgan.__version__}, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"CPU threads: {torch.get_num_threads()}; wait policy: {wait_policy()}")
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            print(f"GPU {i}: {torch.cuda.get_device_name(i)}")
    else:
        print("GPU: none that torch sees")
    if torch.backends.mps.is_available():
        print("GPU: mps")
    for name, target in sorted(modality_names().items()):
        try:
            missing = modality_class(name).missing()
            state = "usable" if not missing else f'needs {", ".join(missing)}: pip install "inrgan[{name}]"'
        except (InrganError, ImportError) as error:
            state = f"not usable: {error}"
        print(f"modality {name:<12} {state}  ({target})")
