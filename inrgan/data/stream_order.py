"""The order of a stream: shards read one after the other, pass after pass, and shuffled buffer by buffer."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from inrgan.data.stream_shards import Blob
from inrgan.errors import DataError

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

    def buffer(self, position: int) -> Buffer:
        """The buffer that holds a position.

        Raises:
            DataError: A shard cannot be read or has changed, or no shard has a wanted item.
        """
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
