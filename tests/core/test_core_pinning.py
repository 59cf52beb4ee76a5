"""Copies to a device. Oracle: a walk over everything that a micro-batch holds, and a function that counts its calls."""

import contextlib
from dataclasses import fields, is_dataclass

import pytest
import torch
from small_runs import config
from torch import Tensor, nn

from inrgan import Trainer
from inrgan.domains import AbstractLattice
from inrgan.losses import LossOptions
from inrgan.tensors import TensorTree
from inrgan.views import View


def tensors(value, seen=None):
    """All tensors in a structure, those in private attributes and in what views store included."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, nn.Module):
        return []
    seen.add(id(value))
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, View):
        parts = [value._derived[owner] for owner in value._derived] + list(value._parts)
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, f.name) for f in fields(value)]
    elif isinstance(value, TensorTree):
        parts = list(vars(value).values())
    else:
        return []
    return [x for part in parts for x in tensors(part, seen)]


@pytest.fixture
def batches(tmp_path):
    made = config(
        losses=("full", "dense-patch"), augment="fixed", augment_p=1.0, path_length=0.5, path_every=1, labels=True,
        views=LossOptions(patch=8, whole=16, patch_start=0, patch_ramp=0),
    )  # fmt: skip
    trainer = Trainer(made, outdir=tmp_path, quiet=True)
    yield trainer.batches
    trainer.close()


def test_all_that_is_copied_in_a_step_is_pinned(batches, monkeypatch):
    copies = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda x: copies.append((x, x.clone())) or copies[-1][1])
    micro = batches.at(0, probability=1.0)[0]
    for part in micro:
        copies.clear()
        again = {id(x) for v in (*part.views, *part.fake_views) if v.repeats for x in tensors(v)}
        before, after = ([x for x in tensors(p) if id(x) not in again] for p in (part, part.pinned()))
        assert part.transforms and len(before) > 10
        # A view that is moved by augmentation may share tensors with one that comes again.
        assert {id(x) for x in before} <= {id(x) for x, _ in copies} <= {id(x) for x in before} | again
        assert {id(x) for x in after} <= {id(x) for _, x in copies}
    assert micro[0].path_noise is not None and any(view._derived for view in micro[1].fake_views)


def test_views_that_come_again_are_not_copied(batches, monkeypatch):
    monkeypatch.setattr(Tensor, "pin_memory", Tensor.clone)
    part = batches.at(0, probability=0.0)[0][0]
    copied = part.pinned()
    assert all(a is b for a, b in zip(part.views, copied.views, strict=True)) and copied.z is not part.z


class NamedStream:
    """A stream by name: what it is asked is noted, and nothing runs on it."""

    def __init__(self, calls):
        self.calls = calls

    def record_event(self):
        self.calls.append("recorded")
        return "arrived"

    def wait_event(self, event):
        self.calls.append(f"waited until {event}")


def test_steps_for_a_gpu_are_pinned_and_copied_on_a_stream_of_their_own(batches, monkeypatch):
    pinned, calls, used = [], [], []
    stream = NamedStream(calls)
    monkeypatch.setattr(Tensor, "pin_memory", lambda x: pinned.append(x) or x)
    monkeypatch.setattr(Tensor, "record_stream", lambda x, s: used.append(x))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "device", lambda d: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "stream", lambda s: contextlib.nullcontext(calls.append("began")))
    batches._copies = stream
    (micro,) = batches.at(0, probability=1.0)
    missing = {id(x) for part in micro for x in (*part.reals, part.z, part.labels)} - {id(x) for x in pinned}
    assert not missing and any(x is micro[0].path_noise for x in pinned)
    assert calls == ["began", "recorded", "waited until arrived"]
    assert {id(x) for part in micro for x in part.reals} <= {id(x) for x in used}


def test_what_a_view_stores_moves_with_it(batches):
    # Oracle: the stencils of the same view, applied on both sides of a copy.
    view = batches.at(0, probability=1.0)[0][1].fake_views[0]
    copied = view.map(torch.clone)
    assert len(view._derived) == len(copied._derived) > 0
    for owner in view._derived:
        if isinstance(owner, AbstractLattice):
            stencil, other = owner.stencil(view), owner.stencil(copied)
            features = torch.randn(view.batch, stencil.nodes.count, 2)
            assert torch.equal(stencil.interpolate(features), other.interpolate(features))
            assert owner.numbers(copied).nodes.center.data_ptr() != owner.numbers(view).nodes.center.data_ptr()
