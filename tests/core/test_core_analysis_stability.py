"""Studies of stability. Oracles: hand-written records, closed forms, differences of weights, numpy's quantiles."""

import json
import shutil

import numpy as np
import pytest
import torch
from small_runs import SMALL
from test_core_resume import MODALITIES
from torch.utils.tensorboard import SummaryWriter
from toy_modalities import BlobModality, BumpModality, ToneModality

import inrgan
from inrgan import TrainConfig, Trainer
from inrgan.analysis import (
    growth,
    histogram_quantiles,
    read_records,
    read_spreads,
    record_bytes,
    study_stability,
)
from inrgan.cli import main
from inrgan.errors import ConfigError, DataError, RunDirectoryError
from inrgan.training.monitoring import update_measures
from inrgan.training.optimization import last_updates

LAYERS = [f"G.layer{k}" for k in range(6)]
TIMES = 40


def config(**changes):
    base = {"modality": ToneModality(), "kimg": 0.024, "batch": 4, "penalty_every": 2, "device": "cpu", **SMALL}
    return TrainConfig(**{**base, **changes})


def fitted(folder, trainer=None, **changes):
    made = trainer or Trainer(config(**changes), run_dir=folder, quiet=True)
    made.fit()
    made.close()
    return made.run.path


def written(folder, *, sizes=None, gradients=None, noise=0.05):
    """A record by hand: standard deviations of layers and norms of gradients, 1 with noise but where they are given."""
    rng = np.random.default_rng(0)

    def row(given, name, t):
        return float((given or {}).get(name, np.ones(TIMES))[t] * np.exp(noise * rng.normal()))

    lines = []
    for t in range(TIMES):
        layers = {
            name: {"mean": 0.0, "std": row(sizes, name, t), "dead": 0.1, "saturated": 0.0} for name in LAYERS
        }  # fmt: skip
        layers |= {
            f"gradient/{name}.weight": {"mean": 0.0, "std": 1.0, "norm": row(gradients, name, t)} for name in LAYERS
        }  # fmt: skip
        layers |= {f"update/{name}.weight": {"norm": 1e-3, "ratio": row(None, name, t) / 500} for name in LAYERS}
        lines.append(json.dumps({"kimg": float(t + 1), "layers": layers}))
    folder.mkdir(exist_ok=True)
    (folder / "layers.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def rising(start, *, by=2.0):
    """1 up to a record, from which on it grows by a factor from one to the next."""
    return by ** np.maximum(0.0, np.arange(TIMES) - start)


# --- what is found in records ---


@pytest.mark.parametrize("k", range(6))
def test_the_layer_that_grows_first_is_located(k, tmp_path):
    # Layer k from record 20 on; those after it two records later, those before it four.
    sizes = {name: rising(20 if i == k else 22 if i > k else 24) for i, name in enumerate(LAYERS)}
    study = study_stability(read_records(written(tmp_path, sizes=sizes)))
    found = study.diverged
    assert (found.name, found.kind, found.finite) == (LAYERS[k], "activations", True)
    assert found.kimg == 25  # record 24 is the first over 10: 2⁴ of 1
    assert LAYERS[k] in study.verdict and study.to_plain()["first_to_diverge"]["name"] == LAYERS[k]


def test_gradients_grow_from_the_last_layer_on(tmp_path):
    # All at once: the gradient of the last layer is computed first. An output that grows as early comes before it.
    gradients = {name: rising(10) for name in LAYERS[1:5]}
    assert study_stability(read_records(written(tmp_path, gradients=gradients))).diverged.name == "G.layer4.weight"
    study = study_stability(read_records(written(tmp_path, gradients=gradients, sizes={LAYERS[5]: rising(10)})))
    assert (study.diverged.name, study.diverged.kind) == (LAYERS[5], "activations")


def test_what_is_no_number_any_more(tmp_path):
    broken = np.ones(TIMES)
    broken[30:] = np.nan
    worse = np.ones(TIMES)
    worse[31:] = np.inf
    study = study_stability(read_records(written(tmp_path, sizes={LAYERS[3]: broken, LAYERS[1]: worse})))
    assert (study.diverged.name, study.diverged.kimg, study.diverged.finite) == (LAYERS[3], 31, False)
    assert "NaN or infinite" in study.verdict
    json.dumps(study.to_plain(), allow_nan=False)


def test_what_is_no_divergence(tmp_path):
    spike = np.ones(TIMES)
    spike[15] = 100  # and back
    zero = np.minimum(1.0, 1e-4 * rising(0))  # from nearly nothing to what the others have
    study = study_stability(read_records(written(tmp_path, sizes={LAYERS[2]: spike, LAYERS[4]: zero})))
    assert study.diverged is None and "No output or gradient grew 10-fold" in study.verdict
    grown = {x.series.name: x.growth for x in study.layers["activations"]}
    assert grown[LAYERS[2]].worst == pytest.approx(100, rel=0.3) and grown[LAYERS[2]].worst_at == 16
    assert study.grown("activations")[0].series.name == LAYERS[4]
    fallen = written(tmp_path, gradients={name: rising(10, by=0.5) for name in LAYERS[:2]})
    assert "2 of 6 gradients fell to 1/10 or less" in study_stability(read_records(fallen)).verdict


def test_a_factor_of_ones_own(tmp_path):
    run = written(tmp_path, sizes={LAYERS[2]: np.where(np.arange(TIMES) < 20, 1.0, 4.0)})
    assert study_stability(read_records(run)).diverged is None
    assert study_stability(read_records(run), factor=3).diverged.name == LAYERS[2]
    for factor in (1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="above 1"):
            study_stability(read_records(run), factor=factor)


def test_growth_in_closed_form():
    found = growth(np.arange(8.0), 3.0 ** np.arange(8))
    assert found.begin == pytest.approx(3**0.5) and found.end == pytest.approx(3**6.5)
    assert found.factor.value == pytest.approx(3**6) and found.worst == pytest.approx(3)
    assert growth(np.arange(3.0), np.array([0.0, np.nan, 2.0])) is None
    two = growth(np.arange(2.0), np.array([1.0, 5.0]))  # of two records nobody knows what is noise
    assert two.factor.value == pytest.approx(5) and two.factor.low < 1


def test_a_stationary_record_has_a_growth_of_one_within_its_noise(tmp_path):
    # Oracle: the normal distribution. The interval is one of 95%, of a noise that is estimated itself.
    rng = np.random.default_rng(1)
    found = [growth(np.arange(80.0), np.exp(0.3 * rng.normal(size=80))).factor for _ in range(1000)]
    assert np.exp(np.mean([np.log(x.value) for x in found])) == pytest.approx(1, abs=0.02)
    assert 0.9 < np.mean([x.low < 1 < x.high for x in found]) < 0.98
    study = study_stability(read_records(written(tmp_path)))
    for layers in study.layers.values():
        for x in layers:
            assert x.growth.factor.value == pytest.approx(1, abs=4 * 0.05 * (2 / 10) ** 0.5)
            assert x.growth.worst < np.exp(6 * 0.05)


# --- what training records ---


@pytest.mark.parametrize(
    "changes",
    [{}, {"generator_rate": 0.3, "critic_rate": 0.3, "betas": (0.9, 0.95)}, {"max_update": 0.0}],
    ids=["some limited", "all limited", "none"],
)
def test_updates_are_differences_of_weights(changes, tmp_path):
    made = Trainer(config(**changes), run_dir=tmp_path / "run", quiet=True)
    for _ in range(3):
        before = {f"{n}.{k}": p.detach().clone() for n, (net, _) in made.networks.trained().items()
                  for k, p in net.named_parameters()}  # fmt: skip
        made.train_step()
    rows = update_measures(made.networks.trained())
    seen = set()
    updates = last_updates(made.networks.trained())
    for name, (p, change) in updates.items():
        moved = p.detach() - before[name]
        rounding = 2 * torch.finfo(torch.float32).eps * float(p.detach().abs().max())
        assert torch.allclose(change, moved, atol=rounding, rtol=1e-4), name
        if float(moved.norm()) > 1e-4:
            assert rows[name]["norm"] == pytest.approx(float(moved.norm()), rel=1e-2)
            assert rows[name]["ratio"] == pytest.approx(float(moved.norm() / p.detach().norm()), rel=1e-2)
        seen.add(name)
    assert seen == set(before) and max(float(c.abs().max()) for _, c in updates.values()) > 1e-4
    made.close()


def test_a_planted_dead_layer_is_shown(tmp_path):
    # A rectified layer beside a connection that skips it, so that what comes after lives on.
    made = Trainer(config(watch_every=1), run_dir=tmp_path / "run", quiet=True)
    with torch.no_grad():
        made.D["whole"].trunk.blocks[0].first.weight.zero_()
        made.D["whole"].trunk.blocks[0].first.bias.fill_(-20.0)
    names = {f"D.whole.trunk.blocks.0.first on {kind}" for kind in ("reals", "fakes")}
    planted = study_stability(read_records(fitted(None, made)))
    sound = study_stability(read_records(fitted(tmp_path / "sound", watch_every=1)))
    for share in ("dead", "saturated"):
        assert names <= {x.series.name for x in planted.mostly(share)}
        assert not names & {x.series.name for x in sound.mostly(share)}
    assert not [x for x in planted.mostly("dead") if x.series.name.startswith("G.")]
    shares = [(x.dead, x.saturated) for x in planted.layers["activations"] if x.series.name in names]
    assert shares == [((1, 1, 1), (1, 1, 1))] * 2


def test_what_training_said_of_bad_steps(tmp_path):
    run = written(tmp_path)
    said = "10 steps in a row were not finite up to 0.040 kimg: layer G.x is the first. Back to 0.020 kimg"
    (run / "log.txt").write_text(f"2026-01-01 00:00:00,000 INFO started\n2026-01-01 00:00:00,000 INFO {said}\n")
    (run / "stats.jsonl").write_text('{"kimg": 1, "health/skipped": 10, "health/returns": 1}\n{"cut\n')
    study = study_stability(read_records(run))
    assert list(study.log) == [said] and "skipped 10 steps" in study.verdict and "state 1 times" in study.verdict


# --- histograms ---


def test_quantiles_of_histograms_against_numpy(tmp_path):
    rng = np.random.default_rng(2)
    values = {1000: rng.normal(size=20000), 2000: np.concatenate([rng.exponential(size=999), [-50.0]])}
    with SummaryWriter(str(tmp_path)) as events:
        for step, x in values.items():
            events.add_histogram("activations/D.a on reals", x, step)
            events.add_histogram("other/G.b", x, step)
    found = read_spreads(tmp_path)
    assert list(found) == ["activations/D.a on reals"]
    for spread, (step, x) in zip(found["activations/D.a on reals"], values.items(), strict=True):
        wanted = np.quantile(x, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
        # Buckets of TensorBoard grow by a tenth from one to the next.
        np.testing.assert_allclose(spread.quantiles, wanted, rtol=0.1, atol=0.02)
        assert spread.kimg == step / 1000
    assert histogram_quantiles(np.array([1.0, 2, 3]), np.array([5.0, 0, 5]), low=0, high=3)[1:6] == pytest.approx(
        (0.1, 0.5, 1, 2.5, 2.9)
    )
    assert histogram_quantiles(np.array([1.0]), np.array([0.0]), low=0, high=1) is None
    assert histogram_quantiles(np.array([]), np.array([]), low=0, high=1) is None


def test_histograms_of_what_was_trained_again_count_once(tmp_path):
    for purge, level in ((None, 1.0), (1500, 7.0)):
        with SummaryWriter(str(tmp_path), purge_step=purge, filename_suffix=f".{level}") as events:
            for step in (1000, 2000) if purge is None else (2000,):
                events.add_histogram("weights/G.a", np.full(9, level), step)
    for path in tmp_path.iterdir():
        shutil.copy(path, tmp_path / "events.out.tfevents.9999999999.copy")  # later than all, and cut short
    spread = (tmp_path / "events.out.tfevents.9999999999.copy").read_bytes()
    (tmp_path / "events.out.tfevents.9999999999.copy").write_bytes(spread[: len(spread) // 2])
    (tmp_path / "events.out.tfevents.0.empty").write_bytes(b"")
    (tmp_path / "events.out.tfevents.1.foreign").write_bytes(b"no event" * 9)
    rows = read_spreads(tmp_path)["weights/G.a"]
    assert [(row.kimg, row.quantiles[0]) for row in rows] == [(1.0, 1.0), (2.0, 7.0)]


# --- bad input ---


def test_bad_records(tmp_path):
    with pytest.raises(RunDirectoryError, match="there is no run directory"):
        read_records(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError, match=r"has no layers\.jsonl; .*--watch-every 100"):
        read_records(tmp_path)
    run = written(tmp_path / "run")
    text = (run / "layers.jsonl").read_text()
    (run / "layers.jsonl").write_text(text + '{"kimg": 41.0, "lay')
    assert (records := read_records(run)).ignored == 1 and len(records.kimg) == TIMES
    first = text.splitlines()[0]
    for content, many in (("", 0), (first, 1), ("\x00\xff", 0)):
        (run / "layers.jsonl").write_text(content, encoding="latin-1")
        with pytest.raises(ConfigError, match=rf"has {many} records? of its layers, and growth needs two"):
            study_stability(read_records(run))
    bad = [
        "[" * 10**5, "[]", "3", '{"kimg": "1", "layers": {}}', '{"kimg": NaN, "layers": {}}',
        *(f'{{"kimg": 1, "layers": {{"G": {x}}}}}' for x in ("1", '{"mean": true}', '{"mean": 0}')),
    ]  # fmt: skip
    (run / "layers.jsonl").write_text("\n".join([*bad, text]))
    with pytest.raises(DataError, match="8 unreadable lines of 48, the first of them line 1;"):
        read_records(run)


def test_command(tmp_path, capsys):
    run = fitted(tmp_path / "run", watch_every=2, snapshot_kimg=0.012)
    main(["analyze", str(run), "stability"])
    assert "dead by half or more" in capsys.readouterr().out
    found = json.loads((run / "analysis" / "stability.json").read_text())
    assert found["protocol"]["records"] == 3 and "G.mapping.layers.0" in found["activations"]
    assert {"begin", "end", "factor", "worst", "worst_at_kimg"} == set(
        found["updates"]["G.mapping.layers.0.weight"]["growth"]
    )
    assert len(found["histograms"]["updates/D.whole.score.weight"]) == 2
    assert {"activations/D.whole.score on fakes", "gradients/D.whole.score.weight"} <= set(found["histograms"])
    page = (run / "analysis" / "stability.html").read_text()
    assert page.count("<svg") == 7 and "Histograms of updates" in page
    shutil.rmtree(run / "analysis")
    (run / "layers.jsonl").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["analyze", str(run), "stability"])
    err = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and len(err) == 1 and err[0].startswith(f"inrgan: {run} has no layers.jsonl")
    assert not (run / "analysis").exists()


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MODALITIES if name != "spherical"]


@pytest.mark.parametrize("name", ["tone", "bump", "blob", "spherical", *SLOW])
def test_every_modality(name, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "preview", lambda self, *, reals: [])
    toys = {"tone": ToneModality, "bump": BumpModality, "blob": BlobModality}
    changes = {}
    if name in toys:
        modality = toys[name]()
    else:
        kind, sizes, changes = MODALITIES[name]
        modality = getattr(inrgan, kind)(**sizes)
    run = fitted(tmp_path, **{**changes, "modality": modality, "watch_every": 1, "kimg": 0.004, "batch": 2})
    read: list[int] = []
    study = study_stability(read_records(run, after=read.append), spreads=read_spreads(run, after=read.append))
    assert (
        sum(read)
        == record_bytes(run)
        == sum(  # what progress counts: the sizes of the files
            x.stat().st_size for x in run.iterdir() if x.name == "layers.jsonl" or "tfevents" in x.name
        )
    )
    assert study.protocol["records"] == 2 and all(study.grown(kind) for kind in study.layers)
    assert {x.partition("/")[0] for x in study.spreads} == {"activations", "weights", "gradients", "updates"}
