"""A lane of a stream: shards read one after the other, in an endless order that chance decides."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from inrgan.data._stream_shard import Blob
from inrgan.errors import DataError

_BYTES = 32 << 20
"""Of a buffer: a fuller one is shuffled and given out before it has its number of items."""
_KEPT = 64


@dataclass(frozen=True, order=True)
class Mark:
    """Where a buffer of a lane begins."""

    start: int = 0
    """Items of the lane before it."""
    shard: int = 0
    """Shards that came before the one that it begins in, over all passes."""
    skip: int = 0
    """Items of that shard before it."""


@dataclass(frozen=True)
class Buffer:
    """Neighbours in the shards, shuffled."""

    mark: Mark
    after: Mark
    blobs: list[Blob]
    good: dict[int, bool] = field(default_factory=dict)
    """Of those that were decoded: whether they could be."""

    def __contains__(self, position: int) -> bool:
        return self.mark.start <= position < self.after.start


@final
class Lane:
    """Items at any position of an endless sequence, cheap for those that come next.

    Shards are read in passes; each pass reads all shards of the stream once over all lanes, in an order of its own.
    Buffers of neighbouring items are shuffled one by one. All of that is a function of the seed, the shards and the
    position, so that from the mark of a buffer the lane goes on exactly.

    Args:
        shards: of the whole stream.
        number: of the lane.
        lanes: how many there are.
        seed: of all chance.
        buffer: items that are shuffled.
        read: opens a shard.
    """

    def __init__(
        self, shards: Sequence[str], *, number: int, lanes: int, seed: int, buffer: int,
        read: Callable[[str], Generator[Blob, None, None]],
    ):  # fmt: skip
        assert 0 <= number < lanes <= len(shards), "every lane needs a shard of its own"
        self._shards, self._number, self._lanes, self._seed = tuple(shards), number, lanes, seed
        self._buffer, self._read = buffer, read
        self._own = len(range(number, len(shards), lanes))
        self._marks, self._buffers = [Mark()], list[Buffer]()
        self._place: tuple[int, int] | None = None
        self._reader: Generator[Blob, None, None] | None = None

    def buffer(self, position: int) -> Buffer:
        """The buffer that holds a position.

        Raises:
            DataError: a shard cannot be read, or has changed, or no shard has a wanted item.
        """
        for held in self._buffers:
            if position in held:
                return held
        mark = self.mark(position)
        while True:
            made = self._load(mark)
            self._note(made.after)
            if position in made:
                self._buffers = [*self._buffers[-1:], made]  # a batch may end in one and begin in the next
                return made
            mark = made.after

    def mark(self, position: int) -> Mark:
        """The last known mark that does not lie behind a position."""
        return max(m for m in tuple(self._marks) if m.start <= position)

    def go_on(self, mark: Mark) -> None:
        """Forget what was read, and know where a buffer begins."""
        self.close()
        self._buffers, self._marks = [], sorted({Mark(), mark})

    def close(self) -> None:
        """Let go of the shard that is open."""
        if self._reader is not None:
            self._reader.close()
        self._place, self._reader = None, None

    def _note(self, mark: Mark) -> None:
        if mark not in self._marks:
            self._marks = [Mark(), *sorted({*self._marks[1:], mark})[-_KEPT:]]

    def _url(self, shard: int) -> str:
        again, own = divmod(shard, self._own)
        order = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(again, 1))).permutation(
            len(self._shards)
        )
        return self._shards[int(order[self._number + own * self._lanes])]

    def _load(self, mark: Mark) -> Buffer:
        if self._reader is None or self._place != (mark.shard, mark.skip):
            self._open(mark)
        shard, skip, self._place = mark.shard, mark.skip, None  # an error in the midst leaves no place to go on from
        blobs, size = list[Blob](), 0
        while len(blobs) < self._buffer and size < _BYTES:
            blob = None if self._reader is None else next(self._reader, None)
            if blob is not None:
                blobs.append(blob)
                skip, size = skip + 1, size + len(blob.data)
                continue
            shard, skip = shard + 1, 0
            if shard % self._own == 0 and blobs:
                break  # a pass ends, and with it the buffer: each pass shows each item once
            if shard - mark.shard > 2 * self._own:
                raise DataError(
                    f"{len(self._shards)} shards from {self._shards[0]} on hold no wanted file; expected some. Are "
                    "they of this kind of data?"
                )
            self._open(Mark(0, shard, 0))
        self._place = shard, skip
        if skip == 0:
            self.close()
        order = np.random.default_rng(
            np.random.SeedSequence(self._seed, spawn_key=(mark.start, self._number, 2))
        ).permutation(len(blobs))
        return Buffer(mark, Mark(mark.start + len(blobs), shard, skip), [blobs[i] for i in order])

    def _open(self, mark: Mark) -> None:
        self.close()
        url = self._url(mark.shard)
        self._place, self._reader = (mark.shard, mark.skip), self._read(url)
        for _ in range(mark.skip):
            if next(self._reader, None) is None:
                raise DataError(f"The shard {url} has fewer items than before: it was changed. Start a new run.")
