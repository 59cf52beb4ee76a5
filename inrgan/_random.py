"""Random numbers as a function of (seed, purpose, step), so that a resume needs no generator state."""

import numpy as np
import torch


def step_generator(seed: int, *, purpose: str, step: int, rank: int = 0) -> torch.Generator:
    """CPU generator for the given arguments; equal arguments give equal generators.

    Example:
        >>> a, b = (step_generator(0, purpose="z", step=7) for _ in range(2))
        >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
        True
    """
    words = np.frombuffer(purpose.encode().ljust(16, b"\0")[:16], dtype=np.uint32)
    state = np.random.SeedSequence([seed, step, rank, *words.tolist()]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
