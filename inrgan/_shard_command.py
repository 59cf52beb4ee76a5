"""What ``inrgan shard`` does."""

import math
import sys
from typing import TYPE_CHECKING

from inrgan._commands import labels_asked
from inrgan.data import open_archive, write_shards
from inrgan.errors import ConfigError

if TYPE_CHECKING:
    from inrgan.cli import Shard


def shard(flags: "Shard") -> None:
    """Write shards of every file that is not hidden."""
    if not math.isfinite(flags.shard_mb) or flags.shard_mb <= 0:
        raise ConfigError(f"--shard-mb is {flags.shard_mb}; expected a positive number of MiB")
    archive = open_archive(flags.data, suffixes=("",))
    made = write_shards(
        archive, flags.out, labels=labels_asked(flags.labels), shard_bytes=math.ceil(flags.shard_mb * 2**20),
        seed=flags.seed, progress=not flags.quiet,
    )  # fmt: skip
    if not flags.quiet:
        print(f"{len(archive.names)} files in {len(made)} shards in {flags.out}", file=sys.stderr)
