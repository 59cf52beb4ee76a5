"""``inrgan shard``."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from inrgan.cli._common import AbstractCommand
from inrgan.data import FollowLinks, open_archive, write_shards
from inrgan.errors import ConfigError


@dataclass(kw_only=True)
class Shard(AbstractCommand):
    """Write the files of a folder or zip to tar shards in WebDataset layout, all or nothing."""

    data: Positional[Path]
    """Folder or zip, or existing shards to repack."""
    out: Positional[Path]
    """Folder to create; nothing is overwritten."""
    follow_links: bool = False
    """Follow links in the data to folders, and to files outside."""
    labels: bool | str = False
    """Also write the class of each item as KEY.cls, and the class names to classes.txt. Classes are defined as for
    train."""
    shard_mb: float = 256.0
    """Largest size of a shard in MiB, unless one item is larger."""
    seed: int = 0
    """Seed of the order in which files are written."""
    quiet: bool = False
    """No progress bar and no messages."""

    def run(self) -> None:
        """Write shards of every file that is not hidden."""
        if not math.isfinite(self.shard_mb) or self.shard_mb <= 0:
            raise ConfigError(f"--shard-mb is {self.shard_mb}; expected a positive number of MiB")
        archive = open_archive(FollowLinks(self.data) if self.follow_links else self.data, suffixes=("",))
        made = write_shards(
            archive, self.out, labels=self.labels, shard_bytes=math.ceil(self.shard_mb * 2**20), seed=self.seed,
            progress=not self.quiet,
        )  # fmt: skip
        if not self.quiet:
            print(f"{len(archive.names)} files in {len(made)} shards in {self.out}", file=sys.stderr)
