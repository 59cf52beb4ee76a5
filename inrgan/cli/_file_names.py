"""One file for each sample: paths with ``{seed}`` or ``{index}``."""

import string
from collections.abc import Sequence
from pathlib import Path

from inrgan.errors import ConfigError

_KNOWN = ("seed", "index")


def is_pattern(path: Path) -> bool:
    """Whether a path names one file for each sample.

    Example:
        >>> is_pattern(Path("samples/{seed:04d}.png"))
        True
    """
    return any(f"{{{name}" in str(path) for name in _KNOWN)


def file_names(path: Path, *, seeds: Sequence[int] | None, count: int) -> list[Path]:
    """Paths of all samples.

    Args:
        path: Path with ``{seed}`` or ``{index}``, which may have a format such as ``{seed:04d}``.
        seeds: Seeds of the samples; None where they have none.
        count: Number of samples.

    Raises:
        ConfigError: The path has another name in braces, or two samples would have the same file.

    Example:
        >>> file_names(Path("samples/{seed:02d}.png"), seeds=[3, 14], count=2)
        [PosixPath('samples/03.png'), PosixPath('samples/14.png')]
    """
    known = {"index": range(count)} if seeds is None else {"index": range(count), "seed": seeds}
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(str(path)) if name is not None}
        if not names <= set(known):
            expected = " or ".join(f"{{{name}}}" for name in known)
            raise ConfigError(f"--out {path} has {{{min(names - set(known))}}}; expected {expected}")
        paths = [Path(str(path).format(**{name: known[name][i] for name in names})) for i in range(count)]
    except (ValueError, IndexError) as error:
        raise ConfigError(f"--out {path} is no pattern of file names: {error}; use such as {{seed:04d}}") from None
    if len(set(paths)) < count:
        raise ConfigError(f"--out {path} gives several samples the same file; use {{index}}, or each seed once")
    return paths
