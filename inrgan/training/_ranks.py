"""The processes that train one generator together."""

import datetime
import logging
import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar, final

import torch
from torch import distributed, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from inrgan._typing import Tensor
from inrgan.errors import ConfigError

T = TypeVar("T")
_PATIENCE = datetime.timedelta(minutes=30)
"""How long a process waits for the others, which may be writing a snapshot or compiling."""


def _meeting(world: int) -> Any:
    """Where the processes tell each other their addresses.

    torchrun keeps one such place over its restarts, in which those of processes that died still stand
    (pytorch/pytorch#135712). On one machine all know how often they were restarted, and each time meet under a name of
    its own; on several they do not.
    """
    store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or os.environ.get("TORCHELASTIC_MAX_RESTARTS") == "0":
        return store
    if int(os.environ.get("LOCAL_WORLD_SIZE", "0")) == world:
        return PrefixStore(f"inrgan/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    logging.getLogger("inrgan").warning(
        "torchrun was told to restart processes on several machines, which then do not find each other; start it with "
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the environment of all of them"
    )
    return store


@final
class Ranks:
    """One process among those of a training, or the only one.

    Args:
        rank: number of this process; 0 writes the run directory.
        world: number of processes.
        local: number of this process on its machine, and so of its GPU.

    Example:
        >>> Ranks().positions(8, most=3)
        [range(0, 8, 3), range(1, 8, 3), range(2, 8, 3)]
    """

    def __init__(self, *, rank: int = 0, world: int = 1, local: int = 0):
        self.rank, self.world, self.local = rank, world, local
        self._mine = False

    @staticmethod
    def join(device: str) -> "Ranks":
        """What torchrun says in the environment; alone where it says nothing.

        Args:
            device: ``auto``, ``cpu`` or ``cuda``; gradients of GPUs are added up by NCCL, all else by Gloo.
        """
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            return Ranks()
        ranks = Ranks(rank=int(os.environ["RANK"]), world=world, local=int(os.environ.get("LOCAL_RANK", "0")))
        if not distributed.is_initialized():
            both = device != "cpu" and torch.cuda.is_available() and distributed.is_nccl_available()
            distributed.init_process_group(
                "cpu:gloo,cuda:nccl" if both else "gloo", timeout=_PATIENCE, store=_meeting(ranks.world),
                rank=ranks.rank, world_size=ranks.world,
            )  # fmt: skip
            ranks._mine = True
        return ranks

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def positions(self, batch: int, *, most: int = 0) -> list[range]:
        """Which items of a batch this process works on, in pieces of at most ``most``, or in one where that is 0.

        Every item is in one piece of one process; sizes differ by one at most.

        Raises:
            ConfigError: there are more processes than items.
        """
        if batch < self.world:
            raise ConfigError(
                f"a batch of {batch} was given to {self.world} processes; expected at least one item each"
            )
        rounds = math.ceil(batch / (self.world * most)) if most else 1
        count = self.world * rounds
        pieces = [range(self.rank + self.world * m, batch, count) for m in range(rounds)]
        return [piece for piece in pieces if piece]

    def sum(self, x: Tensor) -> None:
        """Add up a tensor over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(x)

    def align(self, module: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.world > 1:
            for x in module.state_dict().values():
                distributed.broadcast(x, src=0)

    def share(self, value: T) -> T:
        """The first process's value, on all of them."""
        if self.world == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, device=torch.device("cpu"))
        return held[0]

    def gather(self, value: T) -> list[T]:
        """Every process's value, on all of them."""
        if self.world == 1:
            return [value]
        found: list[T] = [value] * self.world
        distributed.all_gather_object(found, value)
        return found

    def agree(self, asked: Sequence[bool]) -> list[bool]:
        """Which of some questions any process answers with yes."""
        if self.world == 1:
            return list(asked)
        votes = torch.tensor([float(a) for a in asked])
        distributed.all_reduce(votes)
        return [bool(v > 0) for v in votes]

    def close(self) -> None:
        """Part, where this object did the joining."""
        if self._mine and distributed.is_initialized():
            distributed.destroy_process_group()
            self._mine = False
