"""Streams of items from shards, in an order that is a function of the seed."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, final

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from inrgan.data.class_names import normalized
from inrgan.data.items import AbstractItem, BadFiles
from inrgan.data.shards import CLASSES
from inrgan.data.source import AbstractSource
from inrgan.data.stream_shards import Blob, read_beside, read_shard, stream_shards, stream_slug
from inrgan.errors import CheckpointError, ConfigError, DataError

_MAX_BYTES = 32 << 20
"""Bytes at which a buffer is full even if it has fewer items than asked for."""
_MAX_POSITIONS = 64
"""Number of positions that a shard stream remembers."""


@dataclass(frozen=True, order=True)
class StreamPosition:
    """Where a buffer of a shard stream begins."""

    start: int = 0
    """Number of items of the shard stream before it."""
    shard: int = 0
    """Number of shards before the one that it begins in, over all passes."""
    skip: int = 0
    """Number of items of that shard before it."""


@dataclass(frozen=True)
class Buffer:
    """Neighboring items of the shards, shuffled."""

    begin: StreamPosition
    end: StreamPosition
    blobs: list[Blob]
    decoded: dict[int, bool] = field(default_factory=dict)
    """Whether each item that was decoded is good."""

    def __contains__(self, position: int) -> bool:
        return self.begin.start <= position < self.end.start


@final
class ShardStream:
    """Items at any position of an endless sequence; the next items are the cheapest.

    Shards are read in passes. In each pass the shard streams together read all shards once, in an order of that pass.
    Buffers of neighboring items are shuffled one by one. All of this is a function of the seed, the shards and the
    position, so reading resumes exactly from the position of a buffer.

    Args:
        shards: All shards of the data.
        number: Number of this shard stream.
        streams: Number of shard streams.
        seed: Seed of all random orders.
        buffer: Number of items that are shuffled.
        read: Function from a shard to its items.
    """

    def __init__(
        self, shards: Sequence[str], *, number: int, streams: int, seed: int, buffer: int,
        read: Callable[[str], Generator[Blob, None, None]],
    ):  # fmt: skip
        assert 0 <= number < streams <= len(shards), "every shard stream needs a shard of its own"
        self._shards, self._number, self._streams, self._seed = tuple(shards), number, streams, seed
        self._size, self._read = buffer, read
        self._per_pass = len(range(number, len(shards), streams))
        self._positions, self._buffers = [StreamPosition()], list[Buffer]()
        self._reader: Generator[Blob, None, None] | None = None
        self._reader_at: tuple[int, int] | None = None
        """Shard, and number of its items that were read."""
        self._lock = threading.Lock()

    def buffer(self, position: int) -> Buffer:
        """The buffer that holds a position.

        Raises:
            DataError: A shard cannot be read or has changed, or no shard has a wanted item.
        """
        with self._lock:  # several threads decode the items of a batch
            for buffer in self._buffers:
                if position in buffer:
                    return buffer
            begin = self.position_before(position)
            while True:
                buffer = self._load(begin)
                self._remember(buffer.end)
                if position in buffer:
                    self._buffers = [*self._buffers[-1:], buffer]  # a batch may end in one and begin in the next
                    return buffer
                begin = buffer.end

    def position_before(self, position: int) -> StreamPosition:
        """The last remembered start of a buffer at or before a position."""
        return max(p for p in tuple(self._positions) if p.start <= position)

    def resume(self, position: StreamPosition) -> None:
        """Continue at the start of a buffer; what was read is dropped."""
        self.close()
        self._buffers, self._positions = [], sorted({StreamPosition(), position})

    def close(self) -> None:
        """Close the shard that is open."""
        if self._reader is not None:
            self._reader.close()
        self._reader_at, self._reader = None, None

    def _remember(self, position: StreamPosition) -> None:
        if position not in self._positions:
            recent = sorted({*self._positions[1:], position})[-_MAX_POSITIONS:]
            self._positions = [StreamPosition(), *recent]

    def _url(self, shard: int) -> str:
        number, within = divmod(shard, self._per_pass)
        order = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(number, 1))).permutation(
            len(self._shards)
        )
        return self._shards[int(order[self._number + within * self._streams])]

    def _load(self, begin: StreamPosition) -> Buffer:
        if self._reader is None or self._reader_at != (begin.shard, begin.skip):
            self._open(begin)
        # After an error midway, there is no known place to continue from.
        shard, skip, self._reader_at = begin.shard, begin.skip, None
        blobs, size = list[Blob](), 0
        while len(blobs) < self._size and size < _MAX_BYTES:
            blob = None if self._reader is None else next(self._reader, None)
            if blob is not None:
                blobs.append(blob)
                skip, size = skip + 1, size + len(blob.data)
                continue
            shard, skip = shard + 1, 0
            if shard % self._per_pass == 0 and blobs:
                break  # the buffer ends with the pass, so that each pass shows each item once
            if shard - begin.shard > 2 * self._per_pass:
                raise DataError(
                    f"{len(self._shards)} shards from {self._shards[0]} on hold no wanted file; expected some. Are "
                    "they of this kind of data?"
                )
            self._open(StreamPosition(0, shard, 0))
        self._reader_at = shard, skip
        if skip == 0:
            self.close()
        order = np.random.default_rng(
            np.random.SeedSequence(self._seed, spawn_key=(begin.start, self._number, 2))
        ).permutation(len(blobs))
        return Buffer(begin, StreamPosition(begin.start + len(blobs), shard, skip), [blobs[i] for i in order])

    def _open(self, position: StreamPosition) -> None:
        self.close()
        url = self._url(position.shard)
        self._reader_at, self._reader = (position.shard, position.skip), self._read(url)
        for _ in range(position.skip):
            if next(self._reader, None) is None:
                raise DataError(f"The shard {url} has fewer items than before: it was changed. Start a new run.")


MAX_STREAMS = 8
"""Largest number of shards that are read side by side."""


@final
class StreamSource(AbstractSource):
    """An endless sequence of decoded items from tar shards in WebDataset layout, each read from front to back.

    Item i is in shard stream i mod L, of L = 1, 2, 4 or 8 shard streams, at most one per shard. A shard stream reads
    shards in random order, one after the other and pass after pass, and shuffles the items of a buffer. The numbers of
    items are a function of the shards and the seed alone, however many processes share a batch. Each process reads
    only the shard streams of its items; no other process reads them if the number of processes divides L, and L the
    batch.

    A file that cannot be decoded is replaced by the next good one of its buffer, see ``BadFiles``.

    Args:
        data: ``pipe:`` and a command that writes a tar file, an address that begins with http:// or https://, or
            ``stream:`` and a path; patterns like ``{0000..0012}`` stand for many shards.
        suffixes: Suffixes of wanted files with their dot.
        decode: Function from a file's name and bytes to an item; raises DataError or NonFiniteError for a bad file.
        labels: Whether items have the classes of their ``.cls`` members, whose names are in ``classes.txt`` beside the
            shards.
        seed: Seed of all random orders.
        buffer: Number of items that are held and shuffled, over all shard streams.

    Raises:
        DataError: A local shard is missing, or a pattern stands for none; on reading, a shard cannot be read, or more
            than 5% of the files are bad, once 20 were met.
        ConfigError: Labels were asked for without ``classes.txt``, or by names.
        MissingDependency: webdataset is not installed.

    Example:
        >>> source = StreamSource("stream:flowers-{0000..0012}.tar", suffixes=(".png",), decode=decode, labels=False)
        >>> source[0].shape
        torch.Size([3, 64, 64])
    """

    def __init__(
        self, data: str, *, suffixes: tuple[str, ...], decode: Callable[[str, bytes], Tensor | AbstractItem],
        labels: bool | str = False, seed: int = 0, buffer: int = 1024,
    ):  # fmt: skip
        if buffer < 1:
            raise ConfigError(f"a stream with a buffer of {buffer} items; expected 1 or more")
        self._data, self._decode, self._seed = data, decode, seed
        shards = stream_shards(data)
        self._count = len(shards)
        streams = max(n for n in (1, 2, 4, 8) if n <= min(MAX_STREAMS, self._count))
        self._streams = [
            ShardStream(
                shards, number=i, streams=streams, seed=seed, buffer=max(1, buffer // streams),
                read=partial(read_shard, suffixes=suffixes),
            )
            for i in range(streams)
        ]  # fmt: skip
        self._files = BadFiles(data)
        self._label_names = _class_names(data, shards[0], labels) if labels else ()

    @property
    def endless(self) -> bool:
        return True

    @property
    def description(self) -> str:
        return stream_slug(self._data)

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._label_names

    @property
    def bad(self) -> int:
        return self._files.count

    def __len__(self) -> NoReturn:
        """Raise ConfigError: a stream has no length."""
        raise ConfigError(
            f"{self._data} is a stream, which has no length and no end, and serves for training alone. Give a folder, "
            "a zip file or tar shards by their path."
        )

    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        """Item i, or the next good one of its buffer; raises DataError when too many files are bad."""
        return self._first_good(i)[1]

    def name(self, i: int) -> str:
        return self._first_good(i)[0].name

    def label(self, i: int) -> int:
        if not self._label_names:
            return 0
        blob = self._blob_if_met(i) or self._first_good(i)[0]
        if blob.label is None or not blob.label.isdecimal() or int(blob.label) >= len(self._label_names):
            raise DataError(
                f"{blob.name!r} has the class {str(blob.label)[:40]!r}; expected a number from 0 to "
                f"{len(self._label_names) - 1} in its .cls file, a line of {CLASSES}. Correct one of the two."
            )
        return int(blob.label)

    def order(self, *, batch: int, step: int, seed: int) -> list[int]:
        return [step * batch + (k + seed - self._seed) % batch for k in range(batch)]

    def fallback_indices(self, i: int) -> Iterable[int]:
        buffer, first = self._buffer(i)
        start, n = buffer.begin.start, len(buffer.blobs)
        return ((start + (first + k) % n) * len(self._streams) + i % len(self._streams) for k in range(n))

    def state_dict(self, position: int) -> dict[str, Any]:
        L = len(self._streams)
        positions = [stream.position_before((position + L - 1 - i) // L) for i, stream in enumerate(self._streams)]
        # States of earlier versions have this key too.
        return {"shards": self._count, "marks": [[p.start, p.shard, p.skip] for p in positions]}

    def load_state_dict(self, states: Sequence[Mapping[str, Any]]) -> None:
        # A process that does not read a shard stream knows only its beginning: the furthest position counts.
        furthest = [StreamPosition() for _ in self._streams]
        for state in states:
            furthest = [max(pair) for pair in zip(furthest, self._positions(state), strict=True)]
        for stream, position in zip(self._streams, furthest, strict=True):
            stream.resume(position)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _positions(self, state: Mapping[str, Any]) -> list[StreamPosition]:
        """The positions of all shard streams in a state."""
        try:
            if int(state["shards"]) != self._count:
                raise CheckpointError(
                    f"the run has read a stream of {state['shards']} shards, and {self._data} has {self._count}; "
                    "give the same ones, or start a new run with --init-from"
                )
            positions = [StreamPosition(*(int(n) for n in numbers)) for numbers in state["marks"]]
            if len(positions) != len(self._streams) or any(min(p.start, p.shard, p.skip) < 0 for p in positions):
                raise ValueError(f"expected {len(self._streams)} positions without negative numbers")
        except CheckpointError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the position in the stream is corrupt ({error}); resume from another state, or start a new run with "
                "--init-from"
            ) from None
        return positions

    def _buffer(self, i: int) -> tuple[Buffer, int]:
        """The buffer that holds item i, and the item's place in it."""
        if i < 0:
            raise IndexError(f"index {i} is below 0")
        buffer = self._streams[i % len(self._streams)].buffer(i // len(self._streams))
        return buffer, i // len(self._streams) - buffer.begin.start

    def _candidates(self, i: int) -> tuple[Buffer, Iterator[int]]:
        buffer, first = self._buffer(i)
        n = len(buffer.blobs)
        return buffer, (j % n for j in range(first, first + n))

    def _blob_if_met(self, i: int) -> Blob | None:
        """The blob that stands for item i, if that is known without decoding."""
        buffer, candidates = self._candidates(i)
        good = next((k for k in candidates if buffer.decoded.get(k) is not False), None)
        return buffer.blobs[good] if good is not None and good in buffer.decoded else None

    def _first_good(self, i: int) -> tuple[Blob, Tensor | AbstractItem]:
        buffer, candidates = self._candidates(i)
        k, item = self._files.first_good(
            candidates, decoded=buffer.decoded, name=lambda k: buffer.blobs[k].name,
            decode=lambda k: self._decode(buffer.blobs[k].name, buffer.blobs[k].data),
        )  # fmt: skip
        return buffer.blobs[k], item


def _class_names(data: str, shard: str, labels: bool | str) -> tuple[str, ...]:
    if labels is not True:
        raise ConfigError(
            f"classes by names were asked for with the stream {data}, whose names are not known beforehand; write .cls "
            "members with inrgan shard --labels PATTERN, and use --labels alone"
        )
    found = read_beside(shard, CLASSES)
    if not found:
        raise ConfigError(
            f"labels were asked for with the stream {data}, which has no {CLASSES} beside its first shard: one class "
            "name per line, as inrgan shard --labels writes it. Add it (commands have no such place), or leave out "
            "--labels"
        )
    return tuple(normalized(line) for line in found.decode("utf-8", errors="replace").splitlines())
