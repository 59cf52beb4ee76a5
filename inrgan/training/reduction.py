"""Sums of gradients over processes, in buckets that are sent while the backward pass computes the next ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from inrgan.training.distribution import Ranks

BUCKET = 4 << 20
"""Bytes of gradients in one message. Smaller messages wait for each other, larger ones overlap less with the pass."""


@final
class GradientSums:
    """Sums over processes of the gradients of one network.

    Parameters are divided into buckets, from the last to the first, in which order a backward pass completes their
    gradients. A bucket that the last micro-batch completes is summed while the pass continues. At most two are in
    flight. Every process sends the same buckets in the same order: one whose parameters have no gradient in the step is
    sent at the end, with all that follow it.

    Args:
        parameters: Parameters of the network.
        ranks: Processes that train together.
        bucket: Bytes of a message.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], *, ranks: Ranks, bucket: int = BUCKET):
        self.parameters, self.ranks = list(parameters), ranks
        self.buckets: list[list[int]] = [[]]
        size = 0
        for i in reversed(range(len(self.parameters))):
            if size >= bucket:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(i)
            size += self.parameters[i].nbytes
        self._bucket_of = {i: k for k, bucket in enumerate(self.buckets) for i in bucket}
        self._ready: dict[int, Tensor] = {}
        self._sent: list[tuple[list[int], Tensor, Any]] = []
        self._before: Sequence[Tensor | None] | None = None

    @contextmanager
    def during(self, before: Sequence[Tensor | None] | None) -> Iterator[None]:
        """Block of the step's last backward pass, in which complete buckets are sent.

        Args:
            before: Gradients of the earlier micro-batches; None where there are none.
        """
        self._ready, self._sent, self._before = {}, [], before
        if self.ranks.world == 1:
            yield
            return
        handles = [p.register_hook(self._noted(i)) for i, p in enumerate(self.parameters) if p.requires_grad]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def sums(self, gradients: Sequence[Tensor | None], more: Tensor) -> tuple[list[Tensor | None], Tensor]:
        """Sums over processes of the gradients, and of further numbers, once the backward pass is complete.

        Args:
            gradients: This process's gradients, all micro-batches added up; the same ones are None in all processes.
            more: Further numbers.
        """
        if self.ranks.world == 1:
            return list(gradients), more
        for k in range(len(self._sent), len(self.buckets)):
            self._send([i for i in self.buckets[k] if gradients[i] is not None], gradients)
        more = more.clone()
        self.ranks.sum(more)
        out: list[Tensor | None] = [None] * len(self.parameters)
        for numbers, flat, work in self._sent:
            if work is not None:
                work.wait()
            sizes = [self.parameters[i].numel() for i in numbers]
            for i, part in zip(numbers, flat.split(sizes), strict=True):
                out[i] = part.view_as(self.parameters[i])
        self._ready, self._sent, self._before = {}, [], None
        return out, more

    def _noted(self, i: int) -> Callable[[Tensor], None]:
        def note(gradient: Tensor) -> None:
            earlier = None if self._before is None else self._before[i]
            with torch.no_grad():
                self._ready[i] = gradient.detach() if earlier is None else earlier + gradient.detach()
            # Buckets are sent in their order, so that all processes agree on it.
            while len(self._sent) < len(self.buckets) and all(j in self._ready for j in self.buckets[len(self._sent)]):
                self._send(self.buckets[len(self._sent)], self._ready)

        return note

    def _send(self, numbers: Sequence[int], gradients: Any) -> None:
        if len(self._sent) >= 2 and self._sent[-2][2] is not None:
            self._sent[-2][2].wait()
        if not numbers:
            self._sent.append(([], torch.zeros(0), None))
            return
        flat = torch.cat([gradients[i].flatten() for i in numbers])
        self._sent.append((list(numbers), flat, self.ranks.start_sum(flat)))
