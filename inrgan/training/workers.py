"""Threads that prepare data while other threads train."""

import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar, final

import torch

from inrgan.process import usable_cores

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=Hashable)


def default_workers(device: torch.device) -> int:
    """Number of worker threads of one process: its share of the machine's usable cores.

    With a GPU, one core is left to the thread that launches the kernels. On a CPU, training waits while data are
    prepared, and the workers have all cores.

    Example:
        >>> default_workers(torch.device("cpu")) >= 1
        True
    """
    share = usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # set by torchrun
    return max(1, share - 1 if device.type == "cuda" else share)


@final
class Workers:
    """Threads that evaluate a function of several inputs.

    They start with the first call of ``map`` and again after ``close``. Each runs torch on one core, since the threads
    together use all cores.

    Args:
        count: Number of threads, 1 or more.

    Example:
        >>> workers = Workers(2)
        >>> workers.map(lambda x: x * x, [1, 2, 3])
        [1, 4, 9]
        >>> workers.close()
    """

    def __init__(self, count: int):
        assert count >= 1, "at least one thread"
        self.count = count
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[T], R], inputs: Iterable[T]) -> list[R]:
        """Values of the function, in the order of the inputs.

        Raises the exception of the first input that has one, once no thread works on the others.
        """
        self.start()
        assert self._pool is not None
        futures = [self._pool.submit(function, x) for x in inputs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            for future in futures:
                if not future.cancelled():
                    future.exception()
            raise

    def start(self) -> None:
        """Start the threads, if they do not run yet."""
        if self._pool is None:
            self._pool = _threads(self.count, name="inrgan-data")

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


@final
class Prefetcher(Generic[K, R]):
    """Values of a function that one thread computes in advance and in order.

    Args:
        function: Function from a key to a value.

    Example:
        >>> prefetcher = Prefetcher(lambda step: step * step)
        >>> [prefetcher.get([step, step + 1]) for step in range(3)]
        [0, 1, 4]
        >>> prefetcher.close()
    """

    def __init__(self, function: Callable[[K], R]):
        self._function = function
        self._thread: ThreadPoolExecutor | None = None
        self._coming: dict[K, Future[R]] = {}

    def get(self, keys: Sequence[K]) -> R:
        """The value at the first key. The thread continues with the others, and drops values at any other key.

        Raises the exception of the function at that key.
        """
        if self._thread is None:
            self._thread = _threads(1, name="inrgan-steps")
        for key in [k for k in self._coming if k not in keys]:
            self._coming.pop(key).cancel()
        for key in keys:
            if key not in self._coming:
                self._coming[key] = self._thread.submit(self._function, key)
        return self._coming.pop(keys[0]).result()

    def close(self) -> None:
        """Drop all values, and end the thread once its current computation is complete."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread, self._coming = None, {}


def _threads(count: int, *, name: str) -> ThreadPoolExecutor:
    """Running threads, in each of which torch uses one core."""
    running = threading.Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # a thread takes the default when torch first needs it, which must not be later
        torch.set_num_threads(1)
        running.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix=name, initializer=begin)
    for _ in range(count):  # no thread is idle before the barrier, so that each task starts another one
        pool.submit(int)
    running.wait()
    # The number is the thread's own, but also the default of threads to come, which is restored here.
    torch.set_num_threads(torch.get_num_threads())
    return pool
