"""Transfer of weights between generators. Oracles: the functions before and after, counts of equal tensors."""

import pytest
import torch
from small_runs import config, trained

from inrgan import Generator, ImageModality, Trainer
from inrgan.errors import CheckpointError, ConfigError
from inrgan.transfer import transfer

SIZES = {"z_dim": 8, "w_dim": 16, "rank": 2, "lattices": (4,), "widths": (12, 8), "depths": (1, 2)}


def generator(seed=0, labels=(), **changes):
    torch.manual_seed(seed)
    arguments = {"resolution": 16, **{k: v for k, v in changes.items() if k in ("resolution", "channels")}}
    sizes = {k: v for k, v in changes.items() if k not in arguments}
    return Generator(ImageModality(**arguments), labels=labels, **{**SIZES, **sizes})


def difference(a, b, shape=(16, 16)):
    x, y = (G.sample([0, 1, 2]).render(shape) for G in (a, b))
    return float((x - y).abs().max()), float((x - y).square().mean() / x.var())


@pytest.mark.parametrize("hypernetwork", ["factorized", "style", "full"])
def test_equal_generators_become_equal(hypernetwork):
    a, b = (generator(seed, hypernetwork=hypernetwork) for seed in (0, 1))
    assert difference(a, b)[0] > 0.1
    found = transfer(a, b)
    assert found.taken == found.total == sum(p.numel() for p in b.parameters()) and not found.new
    assert difference(a, b)[0] == 0


@pytest.mark.parametrize("hypernetwork", ["factorized", "style", "full"])
def test_added_classes_begin_as_the_same_functions(hypernetwork):
    a, b = generator(0, hypernetwork=hypernetwork), generator(1, labels=("cat", "dog"), hypernetwork=hypernetwork)
    found = transfer(a, b)
    assert difference(a, b)[0] < 1e-5
    assert found.new == ("mapping.labels",) and found.total - found.taken == b.mapping.labels.weight.numel()
    c = generator(2, hypernetwork=hypernetwork)
    transfer(b, c)  # and without them again
    assert difference(a, c)[0] < 1e-5


def test_classes_are_matched_by_name():
    a, b = generator(0, labels=("cat", "dog")), generator(1, labels=("ant", "dog", "cat"))
    before = b.mapping.labels.weight[0].clone()
    transfer(a, b)
    torch.testing.assert_close(b.mapping.labels.weight[1:], a.mapping.labels.weight[[1, 0]], rtol=0, atol=0)
    assert torch.equal(b.mapping.labels.weight[0], before)
    x, y = (G.sample([5], label="cat").render((16, 16)) for G in (a, b))
    assert float((x - y).abs().max()) == 0


@pytest.mark.parametrize("hypernetwork", ["factorized", "style"])
def test_finer_detail_begins_as_nearly_the_same_functions(hypernetwork):
    # New octaves have no weight yet. Others change by a factor, since the encoding's power is shared by more features.
    a, b = generator(0, hypernetwork=hypernetwork), generator(1, resolution=64, hypernetwork=hypernetwork)
    before = difference(a, b)[1]
    found = transfer(a, b)
    assert 0 < found.total - found.taken < 0.2 * found.total
    assert difference(a, b)[1] < before / 10


def test_other_channels_take_all_but_the_heads():
    a, b = generator(0), generator(1, channels=1)
    found = transfer(a, b)
    heads = [spec for spec in b.inr.layers if spec.name.endswith("head")]
    rows = [len(r.flatten()) for spec in heads for _, r in b.hypernetwork.piece_rows(spec.name)[1]]
    numbers = sum(spec.outputs * (spec.inputs + 1) for spec in heads) + sum(rows) * (SIZES["w_dim"] + 1)
    assert found.total - found.taken == numbers


def test_other_widths_and_ranks_take_what_fits():
    a, same = generator(0), generator(0)
    deeper = {"lattices": (4, 8), "widths": (12, 8, 8), "depths": (1, 1, 1)}
    for changes in ({"rank": 3}, {"widths": (16, 8)}, {"w_dim": 24}, deeper):
        b = generator(1, **changes)
        found = transfer(a, b)
        assert 0 < found.taken < found.total and found.new
        assert torch.isfinite(b.sample([0]).render((16, 16))).all()
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), same.parameters(), strict=True))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"), kimg=0.008).run.path


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"modality": ImageModality(resolution=16, channels=1)}, "it has --channels 3, not 1;"),
        ({"modality": ImageModality(resolution=64)}, "it has --resolution 16, not 64;"),
        ({"labels": True}, "it has no classes where --labels gives the 3 classes disc, square, triangle;"),
        ({"preset": "base", "generator": None}, "--generator with z_dim 8, not 256"),
    ],
)
def test_what_does_not_fit_is_named_and_what_fits_is_taken(changes, named, run, tmp_path):
    with pytest.raises(CheckpointError, match=named):
        Trainer(config(**changes), outdir=tmp_path, init_from=run, quiet=True)
    if changes.get("preset") != "base":
        trainer = Trainer(config(**changes), outdir=tmp_path, init_from=run, init_partial=True, quiet=True)
        trainer.fit(kimg=0.004)
        trainer.close()
        assert "parameters taken over; new" in (trainer.run.path / "log.txt").read_text()


def test_presets_are_named(tmp_path):
    # Oracle: the flags that make them fit.
    made = ImageModality(resolution=32)
    Generator(made, preset="tiny").save_pretrained(tmp_path / "tiny")
    other = config(modality=ImageModality(resolution=64), preset="base", generator=None)
    with pytest.raises(CheckpointError, match=r"it has --preset tiny, not base, --resolution 32, not 64;"):
        Trainer(other, outdir=tmp_path, init_from=tmp_path / "tiny", quiet=True)


def test_classes_of_other_names_are_refused(tmp_path):
    # As many classes, so that all shapes fit.
    sizes = config(labels=True).sizes(classes=3)[0]
    Generator(ImageModality(resolution=16), labels=("a", "b", "c"), sizes=sizes).save_pretrained(tmp_path / "abc")
    with pytest.raises(CheckpointError, match="the 3 classes a, b, c where --labels gives the 3 classes disc, square"):
        Trainer(config(labels=True), outdir=tmp_path, init_from=tmp_path / "abc", quiet=True)


def test_partial_needs_a_generator(tmp_path):
    with pytest.raises(ConfigError, match="add init_from"):
        Trainer(config(), outdir=tmp_path, init_partial=True, quiet=True)
