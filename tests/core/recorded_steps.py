"""Operations of a training step, recorded and repeated on a CPU as a CUDA graph repeats them on a GPU.

A repetition runs the recorded operators again, in their order, on the recorded tensors: no line of Python of the step
runs, and nothing but the recorded inputs can change what comes out.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from inrgan.training.graphs import AbstractRecording


class Operators(TorchDispatchMode):
    """Records operators with their arguments and results."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        del types
        out = func(*args, **(kwargs or {}))
        aliases = any(r.alias_info is not None for r in func._schema.returns)
        mutates = func._schema.is_mutable
        # Views of recorded tensors stay what they are, and so do tensors that became views in place.
        if (mutates or not aliases) and torch.Tag.inplace_view not in func.tags:
            kept = tree_map_only(torch.Tensor, _same_memory, out)
            self.calls.append((func, args, kwargs or {}, None if mutates else kept))
        return out


def _same_memory(x):
    """The tensor by another name, which later operators cannot turn into a view."""
    return torch.ops.aten.alias(x) if x.layout == torch.strided else x


class OperatorRecording(AbstractRecording):
    """Recording that repeats operators one by one."""

    runs_while_recording = True

    def __init__(self):
        self.calls = []

    def record(self, run):
        with Operators() as recorded:
            result = run()
        self.calls = recorded.calls
        return result

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs, recorded in self.calls:
            out = func(*args, **kwargs)
            if recorded is None:
                continue
            for old, new in zip(tree_leaves(recorded), tree_leaves(out), strict=True):
                if isinstance(old, torch.Tensor) and old.layout == torch.strided and old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new)
