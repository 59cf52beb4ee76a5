"""What a line of statistics says of the steps since the line before."""

import resource
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from inrgan._typing import Tensor
from inrgan.training._batches import Batches
from inrgan.training._ranks import Ranks


def statistics(parts: Mapping[str, Sequence[Tensor]], *, batches: Batches, bad: int, ranks: Ranks) -> dict[str, float]:
    """Means over the steps of what the processes found together, and how many items were shown or passed over,
    and the longest that one of them waited for data.

    Args:
        parts: this process's part of every number, for each step.
        batches: counted items; begins to count anew.
        bad: unreadable items that this process met.
        ranks: the processes.
    """
    own = {name: float(torch.stack(list(values)).mean()) for name, values in parts.items()}
    counts, waited = (batches.used.copy(), batches.skipped.copy()), batches.waited
    batches.clear_counts()
    found: dict[str, float] = {}
    used, skipped, total, longest = Counter[str](), Counter[str](), 0, 0.0
    for values, (more_used, more_skipped), more_bad, seconds in ranks.gather((own, counts, bad, waited)):
        found = {k: found.get(k, 0.0) + v for k, v in values.items()}
        used, skipped, total = used + more_used, skipped + more_skipped, total + more_bad
        longest = max(longest, seconds)
    found["data/bad"], found["time/waiting_for_data_seconds"] = total, longest
    found |= {f"data/used/{k}": n for k, n in sorted(used.items())}
    return found | {f"data/too_small/{k}": n for k, n in sorted(skipped.items())}


def memory(device: torch.device) -> dict[str, Any]:
    """Peaks of this process, in GiB."""
    peaks = {"memory/peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    if device.type == "cuda":
        peaks["memory/peak_gpu_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return peaks
