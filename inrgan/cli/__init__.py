"""The command line: ``inrgan COMMAND``, one file per command with its flags and its ``run``."""

import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Union

from tyro.conf import subcommand

from inrgan.cli._common import AbstractCommand, parse, reported
from inrgan.cli.analyze import Analyze
from inrgan.cli.convert import convert_command
from inrgan.cli.evaluate import Evaluate
from inrgan.cli.export import Export
from inrgan.cli.info import info_command
from inrgan.cli.interpolate import Interpolate
from inrgan.cli.project import Project
from inrgan.cli.render import Render
from inrgan.cli.sample import Sample, with_part_seeds
from inrgan.cli.shard import Shard
from inrgan.cli.train import train_command

__all__ = ["main"]

_COMMANDS: tuple[type[AbstractCommand], ...] = (Sample, Render, Interpolate, Evaluate, Analyze, Project, Export, Shard)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; user errors are one line on stderr and exit code 2."""
    args = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if args[0] == "sample":
        args = with_part_seeds(args)
    with reported():
        try:
            command: AbstractCommand = parse(_commands(args), args)
        except SystemExit:  # help was printed
            return
        command.run()


def _commands(args: Sequence[str]) -> Any:
    """All commands; of ``train``, ``convert`` and ``info`` the flags depend on the modality that the arguments name."""
    plain = (Annotated[cls, subcommand(cls.__name__.lower())] for cls in _COMMANDS)
    return Union[(train_command(args), convert_command(args), info_command(args), *plain)]
