"""Captured training steps: CUDA graphs, each launched as one, for every set of shapes that comes again."""

import abc
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

# One operation for all tensors instead of one per tensor.
from torch import _foreach_copy_ as _copy_  # pyright: ignore[reportPrivateImportUsage]

from inrgan.config import TrainConfig
from inrgan.errors import ConfigError, DeviceError
from inrgan.tensors import layout_of, mapped, tensors_of
from inrgan.training.distribution import Ranks
from inrgan.training.networks import Networks
from inrgan.training.step import StepResult, TrainingStep
from inrgan.training.term_batch import MicroBatch

EAGER = 2
"""Steps of one set of shapes that run eagerly before the next one is captured: optimizers and libraries allocate in
them."""
KEPT = 24
"""Number of captured steps; the least recently used one is dropped."""
REMEMBERED = 256
"""Number of layouts that were seen and not captured; the least recent one is dropped."""


class AbstractRecording(abc.ABC):
    """Operations of a function, recorded once and repeated on the same tensors."""

    runs_while_recording: bool
    """Whether recording the function also runs it."""

    @abc.abstractmethod
    def record(self, run: Callable[[], StepResult]) -> StepResult:
        """Record a function, and return its result, whose tensors every repetition writes.

        Raises:
            RuntimeError: The function cannot be recorded.
        """

    @abc.abstractmethod
    def replay(self) -> None:
        """Repeat the operations."""


@final
class CudaGraph(AbstractRecording):
    """CUDA graph.

    Args:
        pool: Memory that all graphs of a training share, since no two of them run at once.
        device: GPU of the training.
    """

    runs_while_recording = False

    def __init__(self, pool: Any, *, device: torch.device):
        self._graph, self._pool, self._device = torch.cuda.CUDAGraph(), pool, device

    def record(self, run: Callable[[], StepResult]) -> StepResult:
        with torch.cuda.device(self._device), torch.cuda.graph(self._graph, pool=self._pool):
            return run()

    def replay(self) -> None:
        self._graph.replay()


@dataclass(frozen=True)
class _Captured:
    """A captured step."""

    recording: AbstractRecording
    inputs: list[Tensor]
    """Tensors that the recorded operations read; every step's batch is copied into them."""
    result: StepResult
    gradients: list[tuple[torch.nn.Parameter, Tensor | None]]


@final
class CapturedSteps:
    """Steps of a training, captured where their shapes come again.

    A step is captured once for each layout of its batch: the shapes of all tensors, the terms, and the views that come
    again in every step, together with the constants that these keep. Other views are copied, with their node numbers.
    Steps whose layout is new run eagerly.

    Args:
        step: Training step.
        networks: Networks that the step trains.
        start: Function that begins a recording.
        strict: Whether a step that cannot be captured is an error; otherwise all steps then run eagerly.
    """

    def __init__(
        self, step: TrainingStep, networks: Networks, *, start: Callable[[], AbstractRecording], strict: bool = False
    ):
        self.step, self.networks, self.start, self.strict = step, networks, start, strict
        self.failed: str | None = None
        """Reason why steps run eagerly; None while they are captured."""
        self.replayed = self.eager = 0
        """Steps since the last ``clear_counts`` that were launched as one, and those that ran eagerly."""
        self._captured: OrderedDict[Hashable, _Captured] = OrderedDict()
        self._seen: OrderedDict[Hashable, int] = OrderedDict()

    def __call__(self, batch: Sequence[MicroBatch], *, step: int) -> StepResult:
        """Train on the micro-batches of one step; see ``TrainingStep``.

        Raises:
            DeviceError: The step cannot be captured, and ``strict`` is set.
        """
        options = self.step.options(step)
        self.step.fill(batch, step=step)
        self.eager += 1
        if self.failed is not None:
            return self.step.compute(batch, **options)
        key = (layout_of(batch), *options.values())
        if key in self._captured:
            self._captured.move_to_end(key)
            self.eager, self.replayed = self.eager - 1, self.replayed + 1
            return self._run(self._captured[key], batch)
        self._seen[key] = self._seen.pop(key, 0) + 1
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if self._seen[key] <= EAGER:
            return self.step.compute(batch, **options)
        try:
            captured = self._capture(batch, options)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            if self.strict:
                raise DeviceError(f"a training step cannot be captured: {reason}; use --graphs off") from None
            self.failed = reason
            logging.getLogger("inrgan").warning("training steps are not captured, and run eagerly: %s", reason)
            return self.step.compute(batch, **options)
        self._captured[key] = captured
        del self._seen[key]
        if len(self._captured) > KEPT:
            self._captured.popitem(last=False)
        if captured.recording.runs_while_recording:
            return captured.result.map(torch.clone)
        return self._run(captured, batch)

    def forget(self) -> None:
        """Drop all captured steps, after the networks or optimizers got other tensors."""
        self._captured.clear()
        self._seen.clear()

    @property
    def captured_fraction(self) -> float:
        """Fraction of the steps since ``clear_counts`` that were launched as one."""
        return self.replayed / max(1, self.replayed + self.eager)

    def clear_counts(self) -> None:
        """Reset the counts of steps."""
        self.replayed = self.eager = 0

    def _capture(self, batch: Sequence[MicroBatch], options: dict[str, bool]) -> _Captured:
        # Views that come again stay themselves, with their constants; all else is copied.
        inputs = mapped(list(batch), torch.clone, memo=_repeating(batch))
        copies, recording = tensors_of(inputs, memo=_repeating(inputs)), self.start()
        result = recording.record(lambda: self.step.compute(inputs, **options))
        gradients = [
            (p, p.grad) for o in self.networks.optimizers for p in o.parameters
        ]  # of this graph, until another one sets its own
        return _Captured(recording, copies, result, gradients)

    def _run(self, captured: _Captured, batch: Sequence[MicroBatch]) -> StepResult:
        _copy_(captured.inputs, tensors_of(list(batch), memo=_repeating(batch)))
        captured.recording.replay()
        for p, gradient in captured.gradients:
            p.grad = gradient
        return captured.result.map(torch.clone)


def step_runner(
    config: TrainConfig, step: TrainingStep, networks: Networks, *, ranks: Ranks
) -> "TrainingStep | CapturedSteps":
    """The training step itself, or its captured form, by the configuration.

    Raises:
        ConfigError: Captured steps are requested on a device without graphs.
    """
    on_gpu = networks.device.type == "cuda"
    if config.graphs == "on" and not on_gpu:
        raise ConfigError(f"graphs are on, and the device is {networks.device.type}; they need a GPU: use --graphs off")
    if config.graphs == "off" or not on_gpu:
        return step
    if config.graphs == "auto" and (ranks.world > 1 or config.compile):
        return step
    pool = torch.cuda.graph_pool_handle()
    return CapturedSteps(
        step, networks, start=lambda: CudaGraph(pool, device=networks.device), strict=config.graphs == "on"
    )


def _repeating(batch: Sequence[MicroBatch]) -> dict[int, Any]:
    """Views of a batch that come again, as their own images under any map."""
    views = (v for micro in batch for part in micro for v in (*part.views, *part.fake_views))
    return {id(v): v for v in views if v.repeats}
