"""Data sets of functions. Oracles: numpy, a loop of one item at a time, files read back, uninterrupted runs."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from filelock import FileLock
from toy_modalities import BlobModality, BumpModality, ToneModality, ToySource

from inrgan import Field, GeneratorSizes, SphericalModality
from inrgan.analysis import flat
from inrgan.checkpoint import load_latents
from inrgan.cli import main
from inrgan.data import SubsetSource
from inrgan.errors import ConfigError, DataError, RunDirectoryError
from inrgan.inr import LayerWeights, unflat
from inrgan.inrs import FitOptions, InrSource, convert

SIZES = GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(12, 8), depths=(2, 1))
QUICK = FitOptions(steps=30, batch=4, init="shared", warm_rounds=4, warm_steps=4)
MODALITY = BumpModality()


def fitted(folder, *, source=None, modality=MODALITY, count=6, **changes):
    source = modality.source(None) if source is None else source
    options = dataclasses.replace(QUICK, **changes)
    return convert(source, folder, modality=modality, sizes=SIZES, options=options, count=count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("inrs") / "fitted"
    fitted(path)
    return path


def read(folder, modality=MODALITY):
    return InrSource(folder, modality=modality)


def seen(modality, item):
    view = modality.domain.grid(modality.domain.shape(modality.resolution))
    return modality.observe([modality.source(None)[item]], view)[0].numpy(), view


@pytest.mark.parametrize(
    "modality", [ToneModality(), BumpModality(), BlobModality(), SphericalModality(resolution=8)], ids=lambda m: m.name
)
@pytest.mark.parametrize("fit", ["weights", "modulations"])
def test_what_is_reported_is_what_the_functions_are(tmp_path, modality, fit):
    # Oracle: the error by numpy, of the functions read back, at every sample and by measure.
    report = fitted(tmp_path / "o", modality=modality, count=3, fit=fit, steps=8)
    source = read(tmp_path / "o", modality)
    assert len(source) == 3 and source.modulations == (fit == "modulations")
    made = source.fields(range(3)).render(modality.domain.shape(modality.resolution)).numpy()
    for i, entry in enumerate(report.fitted):
        expected, view = seen(modality, i)
        share = np.ones(view.count) if view.weights is None else view.weights[0].numpy()
        error = np.average(np.square(made[i] - expected).mean(axis=0).flatten(), weights=share)
        assert entry.psnr == pytest.approx(10 * math.log10(4 / error), abs=1e-3)
    plain = json.loads((tmp_path / "o" / "report.json").read_text())
    assert plain["psnr_min"] == min(e.psnr for e in report.fitted) and plain["items"] == 3
    assert report.numbers == (16 if fit == "modulations" else len(source[0]))


def by_hand(G, item, *, steps, rate, fall):
    """One item alone, by torch's own Adam on v and b, written down once more."""
    expected, view = seen(MODALITY, item)
    with torch.no_grad():
        v = [G.hypernetwork.shared[s.name][None] for s in G.inr.layers]
        free = [torch.nn.Parameter(x / x.norm(dim=-1, keepdim=True) * math.sqrt(x.shape[-1])) for x in v]
    biases = [torch.nn.Parameter(10 * G.hypernetwork.biases[s.name].detach()[None]) for s in G.inr.layers]

    def weights():
        rows = [v / v.norm(dim=-1, keepdim=True) for v in free]
        return [LayerWeights(v, 0.1 * b) for v, b in zip(rows, biases, strict=True)]

    optimizer = torch.optim.Adam([*free, *biases], lr=rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        made = Field(G.inr, weights(), domain=MODALITY.domain)(view)[0]
        (made - torch.from_numpy(expected)).square().mean().backward()
        optimizer.step()
        if fall:
            schedule.step()
    return free, weights()


def test_items_do_not_know_of_each_other(folder):
    # Oracle: one item alone.
    source = read(folder)
    _, weights = by_hand(source.generator, 1, steps=QUICK.steps, rate=QUICK.learning_rate, fall=True)
    torch.testing.assert_close(source[1], flat(weights)[0].detach(), rtol=1e-2, atol=2e-3)


def test_weights_are_where_a_hypernetwork_can_make_them(folder):
    # Property: rows of unit length, as of every demodulated hypernetwork; and there and back again.
    source = read(folder)
    weights = unflat(source.vectors, [(x.outputs, x.inputs) for x in source.generator.inr.layers])
    for layer in weights:
        torch.testing.assert_close(layer.weight.norm(dim=-1), torch.ones(layer.weight.shape[:-1]))
    assert torch.equal(flat(weights), source.vectors)


def test_a_stopped_conversion_goes_on(tmp_path, folder, monkeypatch):
    # Oracle: the same data converted without a stop, bit for bit.
    import inrgan.inrs.conversion as module

    real, calls = module.fit, []

    def stopped(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args, **kwargs)

    monkeypatch.setattr(module, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "o")
    first = tmp_path / "o" / "items-000000.safetensors"
    before = first.stat().st_mtime_ns
    assert len(read(tmp_path / "o")) == 4  # what is done can be read
    fitted(tmp_path / "o")
    assert len(calls) == 3 and first.stat().st_mtime_ns == before
    assert torch.equal(read(tmp_path / "o").vectors, read(folder).vectors)
    fitted(tmp_path / "o")
    assert len(calls) == 3  # nothing is left to do


def test_one_round_of_reptile_is_the_mean_of_what_was_fitted(tmp_path):
    # Oracle: with ε = 1, v is the mean of the items' v, each fitted by hand; rows are then brought to scale 1.
    fitted(tmp_path / "o", init="meta", warm_rounds=1, warm_steps=3, batch=4, count=4, steps=1)
    fitted(tmp_path / "s", init="shared", batch=4, count=4, steps=1)
    warm, cold = read(tmp_path / "o").generator, read(tmp_path / "s").generator
    alone = [by_hand(cold, i, steps=3, rate=QUICK.learning_rate, fall=False)[0] for i in range(4)]
    for spec, *parts in zip(warm.inr.layers, *alone, strict=True):
        mean = torch.stack([x.detach() for x in parts]).mean(dim=0)[0]
        expected = mean / mean.norm(dim=-1, keepdim=True) * math.sqrt(spec.inputs)
        torch.testing.assert_close(warm.hypernetwork.shared[spec.name].detach(), expected, rtol=1e-3, atol=1e-3)
        assert float((expected - cold.hypernetwork.shared[spec.name].detach()).abs().max()) > 0.01


@pytest.mark.parametrize("fit", ["weights", "modulations"])
def test_a_learned_beginning_is_a_better_one(tmp_path, fit):
    # Property: after few steps, fits from it are closer.
    changes = {"fit": fit, "steps": 6, "count": 4}
    cold = fitted(tmp_path / "cold", init="shared", **changes)
    warm = fitted(tmp_path / "warm", init="meta", warm_rounds=12, warm_steps=6, **changes)
    assert warm.to_plain()["psnr_mean"] > cold.to_plain()["psnr_mean"] + 1


def test_independent_functions_begin_elsewhere(tmp_path):
    a, b = (fitted(tmp_path / x, init="independent", batch=n, steps=4) for x, n in (("a", 6), ("b", 2)))
    one, other = read(tmp_path / "a").vectors, read(tmp_path / "b").vectors
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # an item's beginning is its own in any batch
    cosine = torch.nn.functional.cosine_similarity(one[:1], one[1:])
    assert float(cosine.abs().max()) < 0.4
    assert len(a.fitted) == len(b.fitted) == 6


class _Broken(ToySource):
    def __getitem__(self, i):
        item = super().__getitem__(i)
        if i == 1:
            item[0, 3, 3] = math.nan
        return item[:, ::8, ::8] if i == 2 else item


def test_bad_items_are_named_and_left_out(tmp_path, caplog):
    source = _Broken(2, size=32, seed=0)
    report = fitted(tmp_path / "o", source=source, steps=2)
    assert set(report.skipped) == {1, 2} and [e.item for e in report.fitted] == [0, 3, 4, 5]
    assert "NaN" in report.skipped[1] and "coarser" in report.skipped[2] and "item 1" in caplog.text
    assert len(read(tmp_path / "o")) == 4
    with pytest.raises(DataError, match="none of the 2 items"):
        fitted(tmp_path / "p", source=SubsetSource(source, [1, 2]), count=None)
    again = fitted(tmp_path / "q", source=SubsetSource(source, [0, 0, 3]), count=None, steps=2)
    assert set(again.skipped) == {1} and "item 0 already" in again.skipped[1]


def test_folders_are_not_written_over(tmp_path, folder):
    for changes, match in (({"steps": 31}, "options"), ({"count": 5}, "items"), ({"modality": ToneModality()}, "tone")):
        with pytest.raises(ConfigError, match=match):
            fitted(folder, **changes)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"mine\.txt"):
        fitted(tmp_path / "x")
    with pytest.raises(ConfigError, match="is a file"):
        fitted(tmp_path / "x" / "mine.txt")
    with FileLock(folder / ".lock"), pytest.raises(RunDirectoryError, match="another process"):
        fitted(folder)


def test_broken_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"inrs\.json"):
        InrSource(tmp_path)
    fitted(tmp_path / "o", steps=1)
    path = tmp_path / "o" / "items-000001.json"
    whole = path.read_text()
    for text in ("{}", "[]", "not JSON", whole.replace("psnr", "snr")):
        path.write_text(text)
        with pytest.raises(DataError, match="damaged"):
            read(tmp_path / "o")
    path.write_text(whole)
    (tmp_path / "o" / "items-000001.safetensors").write_bytes(b"short")
    with pytest.raises(DataError, match="items-000001"):
        read(tmp_path / "o")
    (tmp_path / "o" / "items-000001.safetensors").unlink()
    with pytest.raises(DataError, match="missing"):
        read(tmp_path / "o")


def test_options_that_cannot_be():
    for changes in ({"steps": 0}, {"rate": math.nan}, {"prior": -1}, {"fit": "modulations", "init": "independent"},
                    {"batch": 0}):  # fmt: skip
        with pytest.raises(ConfigError):
            FitOptions(**changes)
    with pytest.raises(ConfigError, match="0 items"):
        fitted("never", count=0)


def test_many_samples_are_drawn(tmp_path, monkeypatch):
    # The same fit where not all samples are looked at in every step.
    monkeypatch.setattr("inrgan.fitting.MAX_POINTS", 100)
    report = fitted(tmp_path / "o", steps=60, count=2)
    assert report.to_plain()["psnr_min"] > 20


def test_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Not a module-level name: the command line finds adapters by the environment.
    monkeypatch.setenv("INRGAN_MODALITIES", "bump=toy_modalities:BumpModality")
    flags = ["convert", "--to", "inrs", "--modality", "bump", "--resolution", "8", "--out", "o", "--count", "2",
             "--steps", "2", "--init", "shared"]  # fmt: skip
    main(flags)
    assert "2 functions" in capsys.readouterr().out
    field = load_latents("o/items-000000.safetensors", read("o", BumpModality(resolution=8)).generator)
    main(["sample", "o", "--latents", "o/items-000000.safetensors", "--out", "f.npy"])
    np.testing.assert_allclose(np.load("f.npy"), field.render((8, 8)).numpy(), atol=1e-6)
    for bad, match in (
        (["convert", "--to", "inrs", "--out", "o"], "--modality"),
        ([*flags[:-1], "meta"], "give another --out"),
        (["convert", "--to", "inrs", "--modality", "nothing", "--out", "o"], "nothing"),
    ):
        with pytest.raises(SystemExit) as error:
            main(bad)
        assert error.value.code == 2 and match in capsys.readouterr().err
