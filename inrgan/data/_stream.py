"""Items from shards that are read as streams: from commands, addresses or disks, without an end."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, final

from inrgan._typing import Shaped, Tensor
from inrgan.data._lane import Buffer, Lane, Mark
from inrgan.data._large import AbstractItem
from inrgan.data._shards import CLASSES
from inrgan.data._source import AbstractSource
from inrgan.data._stream_names import stream_shards, stream_slug
from inrgan.data._stream_shard import Blob, read_beside, read_shard
from inrgan.errors import CheckpointError, ConfigError, DataError, NonFiniteError

LANES = 8
"""Shards that are read beside one another, at most."""
_MOST_BAD = 0.05
_JUDGED_FROM = 20
_NAMED = 1000


@final
class StreamSource(AbstractSource):
    """An endless sequence of decoded items from tar shards in WebDataset layout that are read from front to back.

    Item i lies in lane i mod L, of L = 1, 2, 4 or 8 lanes, as many as there are shards at most. A lane reads shards
    drawn by chance one after the other, pass after pass, and shuffles the items of a buffer. Which item has which
    number is a function of the shards and the seed alone, not of how many processes share a batch; each process reads
    only the lanes that its items lie in, which are its own where the number of processes divides L and L the batch.

    A file that cannot be decoded is logged, counted in ``bad`` and replaced by the next good one of its buffer.

    Args:
        data: ``pipe:`` and a command that writes a tar file, an address that begins with http:// or https://, or
            ``stream:`` and a path; patterns like ``{0000..0012}`` stand for many shards.
        suffixes: wanted file suffixes with their dot.
        decode: makes an item of a file's name and bytes; raises DataError or NonFiniteError on a bad file.
        labels: whether items have the classes of their ``.cls`` members, whose names are in ``classes.txt`` beside the
            shards.
        seed: of all chance.
        buffer: items that are held and shuffled, over all lanes.

    Raises:
        DataError: a local shard is missing, or a pattern stands for none; on reading, a shard cannot be read, or more
            than 5 % of the files are bad, once 20 were met.
        ConfigError: labels without ``classes.txt``, or from names.
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
        lanes = max(n for n in (1, 2, 4, 8) if n <= min(LANES, self._count))
        self._lanes = [
            Lane(
                shards, number=i, lanes=lanes, seed=seed, buffer=max(1, buffer // lanes),
                read=partial(read_shard, suffixes=suffixes),
            )
            for i in range(lanes)
        ]  # fmt: skip
        self._met, self._bad, self._named = 0, 0, set[str]()
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
        return self._bad

    def __len__(self) -> NoReturn:
        """Raise ConfigError: a stream has no length."""
        raise ConfigError(
            f"{self._data} is a stream, which has no length and no end, and serves for training alone. Give a folder, "
            "a zip file or tar shards by their path."
        )

    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        """Return item i, or the next good one of its buffer; raises DataError when too many files are bad."""
        return self._found(i)[1]

    def name(self, i: int) -> str:
        return self._found(i)[0].name

    def label(self, i: int) -> int:
        if not self._label_names:
            return 0
        blob = self._known(i) or self._found(i)[0]
        if blob.label is None or not blob.label.isdecimal() or int(blob.label) >= len(self._label_names):
            raise DataError(
                f"{blob.name!r} has the class {str(blob.label)[:40]!r}; expected a number from 0 to "
                f"{len(self._label_names) - 1} in its .cls file, a line of {CLASSES}. Correct the one or the other."
            )
        return int(blob.label)

    def order(self, *, batch: int, step: int, seed: int) -> list[int]:
        return [step * batch + (k + seed - self._seed) % batch for k in range(batch)]

    def stand_ins(self, i: int) -> Iterable[int]:
        buffer, first = self._buffer(i)
        start, n = buffer.mark.start, len(buffer.blobs)
        return ((start + (first + k) % n) * len(self._lanes) + i % len(self._lanes) for k in range(n))

    def progress(self, position: int) -> dict[str, Any]:
        lanes = len(self._lanes)
        marks = [lane.mark((position + lanes - 1 - i) // lanes) for i, lane in enumerate(self._lanes)]
        return {"shards": self._count, "marks": [[m.start, m.shard, m.skip] for m in marks]}

    def go_on(self, progress: Sequence[Mapping[str, Any]]) -> None:
        known = [[Mark()] for _ in self._lanes]
        try:
            for found in progress:
                if int(found["shards"]) != self._count:
                    raise CheckpointError(
                        f"the run has read a stream of {found['shards']} shards, and {self._data} has {self._count}; "
                        "give the same ones, or start a new run with --init-from"
                    )
                for marks, numbers in zip(known, found["marks"], strict=True):
                    start, shard, skip = (int(n) for n in numbers)
                    if min(start, shard, skip) < 0:
                        raise ValueError("a negative number")
                    marks.append(Mark(start, shard, skip))
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"the state's place in the stream is garbled ({error}); expected marks") from None
        # A process that does not read a lane knows its beginning alone.
        for lane, marks in zip(self._lanes, known, strict=True):
            lane.go_on(max(marks))

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()

    def _buffer(self, i: int) -> tuple[Buffer, int]:
        if i < 0:
            raise IndexError(f"index {i} is below 0")
        buffer = self._lanes[i % len(self._lanes)].buffer(i // len(self._lanes))
        return buffer, i // len(self._lanes) - buffer.mark.start

    def _known(self, i: int) -> Blob | None:
        """What stands for item i, where that is known without decoding."""
        buffer, first = self._buffer(i)
        n = len(buffer.blobs)
        for k in (j % n for j in range(first, first + n)):
            if buffer.good.get(k) is not False:
                return buffer.blobs[k] if k in buffer.good else None
        return None

    def _found(self, i: int) -> tuple[Blob, Tensor | AbstractItem]:
        buffer, first = self._buffer(i)
        n = len(buffer.blobs)
        for k in (j % n for j in range(first, first + n)):
            if buffer.good.get(k) is False:
                continue
            blob = buffer.blobs[k]
            try:
                item = self._decode(blob.name, blob.data)
            except (DataError, NonFiniteError) as error:
                self._met, self._bad, buffer.good[k] = self._met + 1, self._bad + 1, False
                if blob.name not in self._named and len(self._named) < _NAMED:
                    self._named.add(blob.name)
                    logging.getLogger("inrgan").warning("Skipping %s: %s", blob.name, error)
                self._judge()
                continue
            if k not in buffer.good:
                self._met, buffer.good[k] = self._met + 1, True
                self._judge()
            return blob, item
        raise self._too_many()

    def _judge(self) -> None:
        if self._met >= _JUDGED_FROM and self._bad > _MOST_BAD * self._met:
            raise self._too_many()

    def _too_many(self) -> DataError:
        return DataError(
            f"{self._bad} of the {self._met} files met so far in {self._data} cannot be read; expected at most "
            f"{_MOST_BAD:.0%}. See the warnings for the reasons; mend the files or take them away."
        )


def _class_names(data: str, shard: str, labels: bool | str) -> tuple[str, ...]:
    if labels is not True:
        raise ConfigError(
            f"classes by names were asked of the stream {data}, whose names are not known beforehand; write .cls "
            "members with inrgan shard --labels PATTERN, and use --labels alone"
        )
    found = read_beside(shard, CLASSES)
    if not found:
        raise ConfigError(
            f"labels were asked of the stream {data}, which has no {CLASSES} beside its first shard: one name of a "
            "class a line, as inrgan shard --labels writes it. Put it there (commands have no such place), or leave "
            "out --labels"
        )
    return tuple(found.decode("utf-8", errors="replace").splitlines())
