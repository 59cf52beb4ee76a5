"""One shard of a stream, from its first byte to its last."""

import contextlib
import io
import shlex
import tarfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, final

from inrgan.data._names import has_suffix, is_visible, refuse_climbing
from inrgan.data._shards import TAR_FAULTS, key_of
from inrgan.errors import DataError, MissingDependency

_MOST_BYTES = 1 << 30
"""Of a member."""
_SLACK = 16 << 20
"""Of headers between two members, and of nothing behind the last one."""
_MOST_CLASS_BYTES = 1 << 20
_CURL = "exec curl -fsSL --proto =http,https --proto-redir =http,https --connect-timeout 30 --retry 10 --retry-delay 2"
_REASONS = {6: "the machine is not known", 7: "nothing answers there", 22: "the server refuses, as with 404",
            127: "there is no such program"}  # fmt: skip


@dataclass(frozen=True)
class Blob:
    """An item before it is decoded."""

    name: str
    data: bytes
    label: str | None
    """Text of its class file."""


def read_shard(url: str, *, suffixes: tuple[str, ...]) -> Generator[Blob, None, None]:
    """The wanted members of a shard in their order, each with the class of its key.

    The bytes come through the webdataset library: of a path, of a command's output (``pipe:``) or, by curl, from an
    address. Links, devices and hidden members are passed over. When the iterator is closed early, the command is ended.

    Args:
        url: absolute path, ``pipe:`` and a command, or address.
        suffixes: of wanted members, with their dot.

    Raises:
        DataError: the command or the server fails, or what comes is no whole, uncompressed tar file; a member is larger
            than 1 GiB, or its name climbs out with ``..``.
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
                    label = data[:_MOST_CLASS_BYTES].decode(errors="replace").strip()
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
        raise DataError(
            f"The shard {shown} cannot be read: {_failure(stream) or f'it is no whole plain tar file ({error})'}. "
            "Check the address or the command, and whether the file is whole."
        ) from error
    finally:
        _end(stream)


def open_url(url: str) -> Any:
    """The bytes of a path, a command's output or an address, by the webdataset library.

    Raises:
        MissingDependency: it is not installed.
        DataError: there is no such file.
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
    """A small file beside a shard; None where there is none."""
    if url.startswith("pipe:"):
        return None
    try:
        stream = open_url(f"{url.rpartition('/')[0]}/{name}")
    except DataError:
        return None
    try:
        data = bytes(stream.read(_MOST_CLASS_BYTES))
        stream.close()
    except OSError:
        return None
    finally:
        _end(stream)
    return data


def _members(file: Any, counted: "_Counted", suffixes: tuple[str, ...], shown: str) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the members that are wanted, or classes."""
    while (member := file.next()) is not None:
        file.members = []  # else every header of a shard stays in memory
        counted.limit = member.offset_data + member.size + _SLACK
        if not member.isreg() or member.issparse():
            continue
        refuse_climbing(member.name, where=shown)
        name = str(PurePosixPath(member.name.lstrip("/")))
        if not is_visible(name) or not (name.endswith(".cls") or has_suffix(name, suffixes)):
            continue
        if member.size > _MOST_BYTES:
            raise DataError(
                f"Member {name!r} of {shown} has {member.size} bytes, more than the {_MOST_BYTES} allowed. Take it out "
                "of the shard."
            )
        yield name, file.extractfile(member).read()


@final
class _Counted(io.RawIOBase):
    """A stream that knows how far it was read, and where its last byte that is not 0 lies."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.count, self.full, self.limit = 0, 0, _SLACK

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        filled = len(data.rstrip(b"\0"))
        if filled:
            self.full = self.count + filled
        self.count += len(data)
        if self.count > self.limit:  # only headers can do that: they alone have a size that is not looked at
            raise tarfile.ReadError(f"headers of over {_SLACK >> 20} MiB before byte {self.count}")
        return data

    def drain(self, limit: int) -> None:
        """Read to the end."""
        self.limit = limit
        while self.read(1 << 16):
            pass


def _failure(stream: Any) -> str:
    """How the process behind a stream failed; nothing where there is none, or where it ended well."""
    process = getattr(stream, "proc", None)
    if process is None:
        return ""
    stream.stream.close()
    try:
        status = process.wait(timeout=10)
    except Exception:  # it hangs, and is ended below
        return ""
    if status in (0, -13, 141, 23):  # it was not listened to any more
        return ""
    return f"the command ended with code {status}{f' ({_REASONS[status]})' if status in _REASONS else ''}"


def _end(stream: Any) -> None:
    process = getattr(stream, "proc", None)
    if process is not None and process.poll() is None:
        process.kill()
    with contextlib.suppress(OSError):  # of a command that was ended here
        stream.close()
