"""A training step as a pure device function. Oracle: the operators that torch dispatches while it runs."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from inrgan import CriticSizes, GeneratorSizes, TrainConfig, Trainer
from inrgan.losses import LossOptions
from inrgan.registry import modality_names, rebuild

FIELDS = {
    "image": {"resolution": 16},
    "spherical": {"resolution": 16},
    "surface": {"resolution": 16},
    "audio": {"resolution": 512, "rate": 4000},
    "video": {"resolution": 16, "frames": 8, "fps": 8},
    "occupancy": {"resolution": 16},
}
SMALL = GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(8, 8), depths=(1, 1))
READS = (
    "_local_scalar_dense",
    "item",
    "nonzero",
    "unique",
    "_unique2",
    "unique_dim",
    "is_nonzero",
    "equal",
    "masked_select",
)
"""Operators that read numbers back to the host, or whose result has a size that depends on data."""
COPIES = ("lift_fresh",)
"""Operators by which numbers come from the host."""


class Recorded(TorchDispatchMode):
    """Counts operators by name."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        del types
        self.found[func._schema.name.split("::")[1]] += 1
        return func(*args, **(kwargs or {}))


def trainer(name, losses, folder, **changes):
    config = TrainConfig(
        modality=rebuild(name, FIELDS[name]), losses=losses, batch=4, device="cpu", watch_every=0,
        generator=None if name == "audio" else SMALL,
        critic=CriticSizes(width=4, max_width=8), views=LossOptions(patch_start=0, patch_ramp=0), **changes,
    )  # fmt: skip
    return Trainer(config, outdir=folder, quiet=True)


def test_every_modality_is_here():
    assert set(FIELDS) == {n for n in modality_names() if modality_names()[n].startswith("inrgan_modalities.")}


def operators(made, *, step):
    """What a step dispatches after its batch was prepared."""
    batch = made.batches.at(step, probability=made.strength.probability)
    with Recorded() as recorded:
        made.training_step(batch, step=step)
    return recorded.found


POINTWISE = ("image", "spherical", "surface", "occupancy")
"""Modalities with a critic of scattered points."""
CASES = [(name, losses) for name in FIELDS for losses in (("full",), ("full", "random-resolution", "dense-patch"))]
CASES += [(name, ("points",)) for name in POINTWISE]


@pytest.mark.parametrize(("name", "losses"), CASES, ids=lambda x: x if isinstance(x, str) else "+".join(x))
def test_a_step_reads_nothing_from_the_device(name, losses, tmp_path):
    made = trainer(name, losses, tmp_path)
    try:
        for step in (0, 1):  # with penalties and without
            found = operators(made, step=step)
            assert found["convolution"] + found["mm"] + found["addmm"] + found["bmm"] + found["baddbmm"] > 0
            assert {op: found[op] for op in (*READS, *COPIES) if found[op]} == {}
    finally:
        made.close()


def test_options_of_a_step_read_nothing_either(tmp_path):
    options = {"path_length": 1.0, "augment": "adaptive", "augment_p": 0.7, "batch_gpu": 2}
    made = trainer("image", ("full", "dense-patch"), tmp_path, **options)
    try:
        found = operators(made, step=0)
        assert {op: found[op] for op in (*READS, *COPIES) if found[op]} == {}
    finally:
        made.close()


def test_a_read_is_seen():
    with Recorded() as recorded:
        bool((torch.ones(3) > 0).any())
        torch.tensor([1.0, 2.0])
    assert recorded.found["_local_scalar_dense"] == 1 and recorded.found["lift_fresh"] == 1


def test_views_that_never_change_are_prepared_once(tmp_path):
    made = trainer("image", ("full",), tmp_path)
    try:
        first, second = (made.batches.at(step, probability=0.0)[0][0].fake_views[0] for step in (0, 1))
        assert first is second
        stencils = [lattice.stencil(first) for lattice in made.G.inr.lattices[-1:]]
        assert stencils[0] is made.G.inr.lattices[-1].stencil(second)
    finally:
        made.close()


def test_steps_do_not_fill_the_memory_of_a_view(tmp_path):
    # Networks that are gone take with them what views kept for them.
    from inrgan import Box, Generator, ImageModality

    view = Box(2).grid((8, 8))
    G = Generator(ImageModality(resolution=16), preset="tiny")
    G.prepare(view)
    assert len(view._derived) > 0
    del G
    import gc

    gc.collect()
    assert len(view._derived) == 0
