"""The contract of a modality, and finding one by name."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from toy_modalities import BlobModality, ToneModality

from inrgan import CriticSizes, Generator, GeneratorSizes, ImageModality, Modality, TrainConfig, Trainer
from inrgan.augmentation import AbstractTransform
from inrgan.encodings import FourierEncoding
from inrgan.errors import ConfigError, UnknownModality
from inrgan.registry import modality_class, modality_names
from inrgan.testing import check_modality

SMALL = {
    "generator": GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(16, 16), depths=(1, 1)),
    "critic": CriticSizes(width=8, max_width=16),
}


@pytest.mark.parametrize("m", [ImageModality(resolution=32), ToneModality(), BlobModality()], ids=lambda m: m.name)
def test_contract_holds(m):
    check_modality(m)


@pytest.mark.parametrize("losses", [("full",), ("random-resolution",)])
@pytest.mark.parametrize("m", [ToneModality(), BlobModality()], ids=lambda m: m.name)
def test_outside_modalities_train(m, losses, tmp_path):
    # Oracle: two steps of any kind change every weight that has a gradient, and nothing becomes NaN.
    config = TrainConfig(modality=m, kimg=0.008, batch=4, losses=losses, **SMALL)
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    before = [p.detach().clone() for p in trainer.G.parameters()]
    run = trainer.fit()
    trainer.close()
    assert trainer.step == 2
    assert all(torch.isfinite(p).all() for p in trainer.G.parameters())
    changed = sum(not torch.equal(a, b) for a, b in zip(before, trainer.G.parameters(), strict=True))
    assert changed > len(before) / 2
    assert (run / "reals.npy").exists() and list(run.glob("fakes-*.npy"))


class _Pointwise(torch.nn.Module):
    """A critic that mixes the batch, as batch normalisation does."""

    smallest = 4

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, values, view, labels=None):
        return self.inner(values - values.mean(dim=0, keepdim=True), view)


class _Linear(_Pointwise):
    """A critic without curvature: its penalty has no gradient that is not constant, and hides batch size."""

    def forward(self, values, view, labels=None):
        return self.inner(values, view)[:, None]


class _Unlimited(FourierEncoding):
    def forward(self, view):
        from inrgan.views import scattered

        return super().forward(scattered(view.coords))


class _Mixing(FourierEncoding):
    def forward(self, view):
        x = super().forward(view)
        return x - x.mean(dim=1, keepdim=True)


class _Shrinking(AbstractTransform):
    name = "shrinking"

    def draw(self, batch, *, generator):
        return torch.ones(batch, 1)

    def look(self, view, drawn):
        return ToneModality().domain.grid((3,))


def mutant(**members):
    cls = type("Mutant", (ToneModality,), members)
    return dataclass(frozen=True)(cls)()


def _tone(method):
    return getattr(ToneModality, method)


MUTANTS = {
    "name": mutant(name=""),
    "arguments": mutant(arguments=lambda self: {"resolution": torch.zeros(1)}),
    "rebuild": mutant(arguments=lambda self: {"resolution": 8}),
    "second moment": mutant(
        encoding=lambda self, spacing: type(
            "E", (FourierEncoding,), {"forward": lambda s, v: 9 * FourierEncoding.forward(s, v)}
        )(1, longest_period=4.0, spacing=spacing)
    ),
    "band-limited": mutant(encoding=lambda self, spacing: _Unlimited(1, longest_period=4.0, spacing=spacing)),
    "depends on the others": mutant(encoding=lambda self, spacing: _Mixing(1, longest_period=4.0, spacing=spacing)),
    "same twice": mutant(
        source=lambda self, data, *, labels=False, seed=0: type(
            "S", (type(_tone("source")(self, None)),), {"__getitem__": lambda s, i: torch.rand(1, 32)}
        )(1, size=32, seed=0)
    ),
    "item_spacing is": mutant(item_spacing=lambda self, item: -1.0),
    "up to 0.125": mutant(item_spacing=lambda self, item: 1.0),
    "observe gave": mutant(observe=lambda self, items, view: _tone("observe")(self, items, view)[..., 1:]),
    "left": mutant(observe=lambda self, items, view: 3 * _tone("observe")(self, items, view)),
    "depends on its batch": mutant(
        observe=lambda self, items, view: _tone("observe")(self, items, view) / (1 + len(items))
    ),
    "mean of a signal": mutant(
        observe=lambda self, items, view: (_tone("observe")(self, items, view) - 0.02 * view.count).clamp(-1, 1)
    ),
    "score depends": mutant(critic=lambda self, sizes: _Pointwise(_tone("critic")(self, sizes))),
    "critic: scores of shape": mutant(critic=lambda self, sizes: _Linear(_tone("critic")(self, sizes))),
    "symmetries changed": mutant(symmetries=lambda self: (_Shrinking(),)),
    "preview_suffix": mutant(preview_suffix="npy"),
    "write made no file": mutant(write=lambda self, values, path: None),
    "write_interpolation made no file": mutant(write_interpolation=lambda self, values, path, *, rate: None),
}


@pytest.mark.parametrize("message", MUTANTS)
def test_broken_adapters_are_caught(message):
    with pytest.raises(AssertionError, match=message):
        check_modality(MUTANTS[message])


def test_frozen_is_asked_for():
    members = {k: getattr(ToneModality, k) for k in Modality.__abstractmethods__}
    thawed = dataclass(type("Thawed", (Modality,), {**members, "__annotations__": {"resolution": int}, "name": "x"}))
    with pytest.raises(AssertionError, match="frozen"):
        check_modality(thawed(resolution=16))


def test_registry_unknown():
    with pytest.raises(UnknownModality, match=r"nosuch.*image"):
        modality_class("nosuch")


def test_registry_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("INRGAN_MODALITIES", "tone = toy_modalities:ToneModality , blob=toy_modalities:BlobModality")
    assert modality_names()["tone"] == "toy_modalities:ToneModality"
    assert modality_class("blob") is BlobModality
    Generator(ToneModality(), preset="tiny").save_pretrained(tmp_path)
    assert Generator.from_pretrained(tmp_path).modality == ToneModality()


@pytest.mark.parametrize("value", ["tone", "tone=module", "tone=:Class", "tone=module:", "=,"])
def test_registry_malformed_environment(value, monkeypatch):
    monkeypatch.setenv("INRGAN_MODALITIES", value)
    with pytest.raises(ConfigError, match="expected name=package:Class"):
        modality_names()


@pytest.mark.parametrize("target", ["nosuch_module:X", "toy_modalities:Nothing", "toy_modalities:ToySource"])
def test_registry_target_is_no_modality(target, monkeypatch):
    monkeypatch.setenv("INRGAN_MODALITIES", f"x={target}")
    with pytest.raises(UnknownModality, match=target.replace(".", r"\.")):
        modality_class("x")


def test_without_an_installed_adapter_the_checkpoint_says_so(tmp_path):
    Generator(ToneModality(), preset="tiny").save_pretrained(tmp_path)
    with pytest.raises(UnknownModality, match="tone"):
        Generator.from_pretrained(tmp_path)
    assert Generator.from_pretrained(tmp_path, modality=ToneModality()).modality == ToneModality()
