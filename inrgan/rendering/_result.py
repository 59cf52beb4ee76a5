"""From finished tiles to the file, which appears whole or not at all."""

import os
import shutil
from pathlib import Path

from inrgan.errors import ConfigError
from inrgan.process import progress_bar
from inrgan.rendering._pyramid import Pyramid
from inrgan.rendering._writers import AbstractWriter, Place


def check_free(path: Path, writer: AbstractWriter) -> None:
    """See whether a result has room under its names: a file is replaced, a folder or one of several files is not.

    Raises:
        ConfigError: something is in the way.
    """
    names = writer.names(path.name)
    for name in names:
        there = path.with_name(name)
        if there.is_dir() or (there.exists() and (len(names) > 1 or not there.is_file())):
            raise ConfigError(f"{there} is there already; move or delete it, or render to another name")


def assemble(pyramid: Pyramid, writer: AbstractWriter, folder: Path, name: str, *, place: Place, quiet: bool) -> None:
    """Make the result in ``folder/finished``, which is there when it is whole."""
    writing = folder / "writing"
    if writing.exists():
        shutil.rmtree(writing)
    writing.mkdir()
    total = sum(pyramid.count(level) for level in range(len(pyramid.shapes)))
    try:
        with progress_bar(total, unit="tile", quiet=quiet) as bar:
            bar.set_description_str(f"writing {name}", refresh=False)
            writer.write(pyramid, writing, name, place=place, tick=bar.update)
        for made in writer.names(name):
            if (writing / made).is_file():
                with open(writing / made, "rb") as file:
                    os.fsync(file.fileno())
    except BaseException:  # half a result is of no use, and the disk may be full of it
        shutil.rmtree(writing, ignore_errors=True)
        raise
    os.replace(writing, folder / "finished")


def publish(finished: Path, path: Path, writer: AbstractWriter) -> None:
    """Move the result to where it belongs; what was moved before a stop is no longer in the folder."""
    for name in writer.names(path.name):
        if (finished / name).exists():
            os.replace(finished / name, path.with_name(name))
