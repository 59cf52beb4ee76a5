"""The shards of a stream: what ``--data`` names, and each shard read from its first byte to its last."""

import contextlib
import io
import itertools
import re
import shlex
import tarfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, final

from inrgan.data.archive import has_suffix, is_visible, refuse_climbing, slug
from inrgan.data.links import DataPath
from inrgan.data.shards import TAR_FAULTS, key_of
from inrgan.errors import DataError, MissingDependency
from inrgan.files import user_path

_RANGE = re.compile(r"\{(\d{1,12})\.\.(\d{1,12})\}")
_MAX_SHARDS = 100_000
_LOCAL, _COMMAND, _WEB = "stream:", "pipe:", ("http://", "https://")
_MAX_BYTES = 1 << 30
"""Largest size of a member."""
_SLACK = 16 << 20
"""Largest size of the headers between two members, and of the padding behind the last one."""
_MAX_CLASS_BYTES = 1 << 20
_CURL = "exec curl -fsSL --proto =http,https --proto-redir =http,https --connect-timeout 30 --retry 10 --retry-delay 2"
_REASONS = {6: "the machine is not known", 7: "nothing answers there", 22: "the server refuses, as with 404",
            127: "there is no such program"}  # fmt: skip


@dataclass(frozen=True)
class Blob:
    """An item before it is decoded."""

    name: str
    data: bytes
    label: str | None
    """Text of the item's class file."""


def is_stream(data: DataPath | None) -> bool:
    """Whether data are read as a stream.

    Example:
        >>> is_stream("pipe:cat x.tar"), is_stream("x.tar")
        (True, False)
    """
    return str(data).startswith((_LOCAL, _COMMAND, *_WEB))


def reaches_out(data: str | None) -> bool:
    """Whether reading data runs a command or contacts another machine, which no file may cause by itself.

    Example:
        >>> reaches_out("pipe:cat x.tar"), reaches_out("stream:x.tar")
        (True, False)
    """
    return str(data).startswith((_COMMAND, *_WEB))


def has_range(text: str) -> bool:
    """Whether a text has a pattern such as ``{0000..0012}``."""
    return _RANGE.search(text) is not None


def without_range(text: str) -> str:
    """A text without its patterns."""
    return _RANGE.sub("", text)


def expanded(pattern: str) -> Iterator[str]:
    """All texts of a pattern with ranges like {0000..0012}, padded to the width of the first number.

    Raises:
        DataError: A range is empty, or there are too many texts.

    Example:
        >>> list(expanded("a-{08..10}.tar"))
        ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    texts, ranges, total = _RANGE.split(pattern)[::3], [], 1
    for first, last in _RANGE.findall(pattern):
        low, high = int(first), int(last)
        total *= max(0, high - low + 1)
        if not 0 < total <= _MAX_SHARDS:
            raise DataError(
                f"The pattern {pattern} runs from {first} to {last}; expected 1 to {_MAX_SHARDS} shards. Correct it."
            )
        ranges.append([str(n).zfill(len(first)) for n in range(low, high + 1)])
    for numbers in itertools.product(*ranges):
        yield "".join(itertools.chain(*zip(texts, numbers, strict=False))) + texts[-1]


def stream_shards(data: str) -> list[str]:
    """The shards of a stream: absolute paths, ``pipe:`` commands or addresses.

    Raises:
        DataError: The pattern stands for no shard, or a local shard is missing.

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
    paths = [user_path(text).absolute() for text in texts]
    if len(paths) == 1 and paths[0].is_dir():
        paths = sorted(p for p in paths[0].iterdir() if p.suffix.lower() == ".tar" and not p.name.startswith("."))
        if not paths:
            raise DataError(f"{data} names a folder without .tar files; expected shards. Write some with inrgan shard.")
    for path in paths:
        if not path.is_file():
            state = "is not a regular file" if path.exists() else "is missing"
            raise DataError(f"The shard {path} {state}; expected a .tar file. Check the path.")
    return [str(path) for path in paths]


def stream_slug(data: str) -> str:
    """Short slug of a stream, for the names of run directories."""
    if data.startswith(_COMMAND):
        return "pipe"
    return slug(Path(without_range(data)).stem)


def read_shard(url: str, *, suffixes: tuple[str, ...]) -> Generator[Blob, None, None]:
    """The wanted members of a shard, in order, each with the class of its key.

    The webdataset library reads the bytes of a path, of a command's output (``pipe:``) or, by curl, of an address.
    Links, devices and hidden members are skipped. Closing the iterator early ends the command.

    Args:
        url: Absolute path, ``pipe:`` and a command, or address.
        suffixes: Suffixes of wanted members with their dot.

    Raises:
        DataError: The command or the server fails, or the bytes are not a complete, uncompressed tar file; a member is
            larger than 1 GiB, or its name leads out with ``..``.
        MissingDependency: webdataset is not installed.
    """
    shown = url if len(url) <= 200 else f"{url[:200]}..."
    stream = open_url(url)
    counted = _Counted(stream)
    try:
        with tarfile.open(fileobj=counted, mode="r|") as opened:  # type: ignore[call-overload]
            file: Any = opened  # its list of members has no public type
            key, names, label = "", list[tuple[str, bytes]](), None
            for name, data in _members(file, counted, suffixes, shown):
                if key_of(name) != key:
                    yield from (Blob(n, d, label) for n, d in names)
                    key, names, label = key_of(name), [], None
                if name.endswith(".cls"):
                    label = data[:_MAX_CLASS_BYTES].decode(errors="replace").strip()
                if has_suffix(name, suffixes):
                    names.append((name, data))
            yield from (Blob(n, d, label) for n, d in names)
            counted.drain(file.offset + _SLACK)
            # tarfile takes a damaged header for the end, and a missing end for one.
            if counted.full > file.offset or counted.count < file.offset + tarfile.BLOCKSIZE:
                raise tarfile.ReadError(f"no member and no end at byte {file.offset}")
        stream.close()
    except DataError:
        raise
    except TAR_FAULTS as error:
        reason = _failure(stream) or f"it is not a complete, uncompressed tar file ({error})"
        raise DataError(
            f"The shard {shown} cannot be read: {reason}. Check the address or the command, and whether the file is "
            "complete."
        ) from error
    finally:
        _end(stream)


def open_url(url: str) -> Any:
    """Bytes of a path, a command's output or an address, by the webdataset library.

    Raises:
        MissingDependency: The library is not installed.
        DataError: There is no such file.
    """
    try:
        from webdataset.gopen import gopen
    except ImportError as error:
        raise MissingDependency("webdataset", extra="streams", why="Reading streams of shards") from error
    # A terminal's Ctrl-C reaches commands too, and training wants to end its step and to save before it stops.
    if url.startswith("pipe:"):
        url = f"pipe:trap '' INT\n{url[5:]}"
    elif not url.startswith("/"):
        url = f"pipe:trap '' INT\n{_CURL} -- {shlex.quote(url)}"
    try:
        return gopen(url)
    except OSError as error:
        raise DataError(f"Cannot open {url}: {error.strerror or error}. Check the path and its rights.") from error


def read_beside(url: str, name: str) -> bytes | None:
    """The bytes of a small file beside a shard; None if there is none."""
    if url.startswith("pipe:"):
        return None
    try:
        stream = open_url(f"{url.rpartition('/')[0]}/{name}")
    except DataError:
        return None
    try:
        data = bytes(stream.read(_MAX_CLASS_BYTES))
        stream.close()
    except OSError:
        return None
    finally:
        _end(stream)
    return data


def _members(file: Any, counted: "_Counted", suffixes: tuple[str, ...], shown: str) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of wanted members and of class files."""
    while (member := file.next()) is not None:
        file.members = []  # else every header of a shard stays in memory
        counted.limit = member.offset_data + member.size + _SLACK
        if not member.isreg() or member.issparse():
            continue
        refuse_climbing(member.name, where=shown)
        name = str(PurePosixPath(member.name.lstrip("/")))
        if not is_visible(name) or not (name.endswith(".cls") or has_suffix(name, suffixes)):
            continue
        if member.size > _MAX_BYTES:
            raise DataError(
                f"Member {name!r} of {shown} has {member.size} bytes, more than the {_MAX_BYTES} allowed. Take it out "
                "of the shard."
            )
        yield name, file.extractfile(member).read()


@final
class _Counted(io.RawIOBase):
    """A stream that counts its bytes, and knows where its last nonzero byte is."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.count, self.full, self.limit = 0, 0, _SLACK

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        filled = len(data.rstrip(b"\0"))
        if filled:
            self.full = self.count + filled
        self.count += len(data)
        if self.count > self.limit:  # only headers can do that, whose sizes nothing else checks
            raise tarfile.ReadError(f"headers of over {_SLACK >> 20} MiB before byte {self.count}")
        return data

    def drain(self, limit: int) -> None:
        """Read to the end."""
        self.limit = limit
        while self.read(1 << 16):
            pass


def _failure(stream: Any) -> str:
    """Why the process behind a stream failed; empty if there is no process, or if it ended well."""
    process = getattr(stream, "proc", None)
    if process is None:
        return ""
    stream.stream.close()
    try:
        status = process.wait(timeout=10)
    except Exception:  # it hangs, and is ended below
        return ""
    if status in (0, -13, 141, 23):  # nothing read its output any more
        return ""
    return f"the command ended with code {status}{f' ({_REASONS[status]})' if status in _REASONS else ''}"


def _end(stream: Any) -> None:
    process = getattr(stream, "proc", None)
    if process is not None and process.poll() is None:
        process.kill()
    with contextlib.suppress(OSError):  # from a command that was ended here
        stream.close()
