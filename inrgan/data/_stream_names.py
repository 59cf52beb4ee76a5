"""What ``--data`` says of a stream: a command, an address, or local shards that are to be read one after the other."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from inrgan.data._names import slug
from inrgan.errors import DataError

_RANGE = re.compile(r"\{(\d{1,12})\.\.(\d{1,12})\}")
_MOST_SHARDS = 100_000
_LOCAL, _COMMAND, _WEB = "stream:", "pipe:", ("http://", "https://")


def is_stream(data: str | Path | None) -> bool:
    """Whether data are read as a stream.

    Example:
        >>> is_stream("pipe:cat x.tar"), is_stream("x.tar")
        (True, False)
    """
    return str(data).startswith((_LOCAL, _COMMAND, *_WEB))


def reaches_out(data: str | None) -> bool:
    """Whether reading data runs a command or asks another machine, which no file may bring about by itself.

    Example:
        >>> reaches_out("pipe:cat x.tar"), reaches_out("stream:x.tar")
        (True, False)
    """
    return str(data).startswith((_COMMAND, *_WEB))


def has_range(text: str) -> bool:
    """Whether a pattern such as ``{0000..0012}`` is in a text."""
    return _RANGE.search(text) is not None


def without_range(text: str) -> str:
    """A text without its patterns."""
    return _RANGE.sub("", text)


def expanded(pattern: str) -> Iterator[str]:
    """The texts that a pattern with ranges like {0000..0012} stands for, padded as its first number is.

    Raises:
        DataError: a range is empty, or there are too many.

    Example:
        >>> list(expanded("a-{08..10}.tar"))
        ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    texts, ranges, total = _RANGE.split(pattern)[::3], [], 1
    for first, last in _RANGE.findall(pattern):
        low, high = int(first), int(last)
        total *= max(0, high - low + 1)
        if not 0 < total <= _MOST_SHARDS:
            raise DataError(
                f"The pattern {pattern} runs from {first} to {last}; expected 1 to {_MOST_SHARDS} shards. Correct it."
            )
        ranges.append([str(n).zfill(len(first)) for n in range(low, high + 1)])
    for numbers in itertools.product(*ranges):
        yield "".join(itertools.chain(*zip(texts, numbers, strict=False))) + texts[-1]


def stream_shards(data: str) -> list[str]:
    """The shards that a stream is made of: absolute paths, ``pipe:`` commands or addresses.

    Raises:
        DataError: the pattern stands for no shard, or a local one is missing.

    Example:
        >>> stream_shards("https://example.org/a-{0..1}.tar")
        ['https://example.org/a-0.tar', 'https://example.org/a-1.tar']
    """
    kind = _COMMAND if data.startswith(_COMMAND) else ""
    texts = list(expanded(data.removeprefix(_LOCAL)))
    if data.startswith((_COMMAND, *_WEB)):
        if not data.removeprefix(kind).strip():
            raise DataError("pipe: names no command; expected one that writes a tar file, such as pipe:cat a.tar")
        return texts
    paths = [Path(text).expanduser().absolute() for text in texts]
    if len(paths) == 1 and paths[0].is_dir():
        paths = sorted(p for p in paths[0].iterdir() if p.suffix.lower() == ".tar" and not p.name.startswith("."))
        if not paths:
            raise DataError(f"{data} names a folder without .tar files; expected shards. Write some with inrgan shard.")
    for path in paths:
        if not path.is_file():
            state = "is no plain file" if path.exists() else "is missing"
            raise DataError(f"The shard {path} {state}; expected a .tar file. Check the path.")
    return [str(path) for path in paths]


def stream_slug(data: str) -> str:
    """A short name for a stream, fit for the name of a folder."""
    if data.startswith(_COMMAND):
        return "pipe"
    return slug(Path(without_range(data)).stem)
