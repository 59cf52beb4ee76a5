"""Distributed training: processes that train one generator together."""

import datetime
import logging
import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar, final

import torch
from torch import Tensor, distributed, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from inrgan.errors import ConfigError

T = TypeVar("T")
TIMEOUT = datetime.timedelta(minutes=30)
"""Time that a process waits for the others, which may be writing a snapshot or compiling."""


def _rendezvous_store(world: int) -> Any:
    """Key-value store in which processes find each other's addresses.

    torchrun keeps one store across restarts, with stale addresses of dead processes (pytorch/pytorch#135712). On one
    machine every process knows the number of restarts, which becomes a prefix of the keys; on several machines the
    numbers differ.
    """
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or os.environ.get("TORCHELASTIC_MAX_RESTARTS") == "0":
        return store
    if int(os.environ.get("LOCAL_WORLD_SIZE", "0")) == world:
        return PrefixStore(f"inrgan/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    logging.getLogger("inrgan").warning(
        "torchrun restarts processes on several machines, which then cannot find each other; start it with "
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment of all of them"
    )
    return store


@final
class Ranks:
    """One of the processes of a training, or the only one.

    Args:
        rank: Number of this process; process 0 writes the run directory.
        world: Number of processes.
        local: Number of this process on its machine, and so of its GPU.

    Example:
        >>> Ranks().positions(8, most=3)
        [range(0, 8, 3), range(1, 8, 3), range(2, 8, 3)]
    """

    def __init__(self, *, rank: int = 0, world: int = 1, local: int = 0):
        self.rank, self.world, self.local = rank, world, local
        self._joined = False

    @staticmethod
    def join(device: str) -> "Ranks":
        """Process described by torchrun's environment variables; a single one without them.

        Args:
            device: ``auto``, ``cpu`` or ``cuda``; tensors on GPUs are reduced by NCCL, all others by Gloo.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return Ranks()
        ranks = Ranks(rank=int(os.environ["RANK"]), world=world, local=int(os.environ.get("LOCAL_RANK", "0")))
        if not distributed.is_initialized():
            with_nccl = device != "cpu" and torch.cuda.is_available() and distributed.is_nccl_available()
            distributed.init_process_group(
                "cpu:gloo,cuda:nccl" if with_nccl else "gloo", timeout=TIMEOUT, store=_rendezvous_store(ranks.world),
                rank=ranks.rank, world_size=ranks.world,
            )  # fmt: skip
            ranks._joined = True
        return ranks

    @property
    def first(self) -> bool:
        """Whether this process writes the run directory."""
        return self.rank == 0

    def positions(self, batch: int, *, most: int = 0) -> list[range]:
        """Items of a batch for each of this process's micro-batches of at most ``most`` items; one micro-batch where 0.

        Every item is in one micro-batch of one process; sizes differ by one at most.

        Raises:
            ConfigError: There are more processes than items.
        """
        if batch < self.world:
            raise ConfigError(
                f"a batch of {batch} is too small for {self.world} processes; expected at least one item each"
            )
        rounds = math.ceil(batch / (self.world * most)) if most else 1
        count = self.world * rounds
        micro = [range(self.rank + self.world * m, batch, count) for m in range(rounds)]
        return [items for items in micro if items]

    def sum(self, x: Tensor) -> None:
        """Sum a tensor over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(x)

    def start_sum(self, x: Tensor) -> Any:
        """Begin to sum a tensor over all processes, in place; the result's ``wait()`` ends when it is done."""
        return distributed.all_reduce(x, async_op=True)

    def align(self, module: nn.Module) -> None:
        """Copy the first process's parameters and buffers to all others."""
        if self.world > 1:
            for x in module.state_dict().values():
                distributed.broadcast(x, src=0)

    def share(self, value: T) -> T:
        """The first process's value, in every process."""
        if self.world == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return held[0]

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in every process."""
        if self.world == 1:
            return [value]
        found: list[T] = [value] * self.world
        distributed.all_gather_object(found, value)
        return found

    def agree(self, flags: Sequence[bool]) -> list[bool]:
        """Logical or over all processes, for each of several flags."""
        if self.world == 1:
            return list(flags)
        votes = torch.tensor([float(f) for f in flags])
        distributed.all_reduce(votes)
        return [bool(v > 0) for v in votes]

    def close(self) -> None:
        """Leave the process group, if this object joined it."""
        if self._joined and distributed.is_initialized():
            distributed.destroy_process_group()
            self._joined = False
