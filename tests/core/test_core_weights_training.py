"""Training against fitted functions. Oracles: the data set itself, what may not change, runs without a stop."""

import dataclasses
import json
import shutil
from typing import ClassVar

import pytest
import torch
from toy_modalities import BumpModality, ToneModality

from inrgan import CriticSizes, Generator, GeneratorSizes, ImageModality, TrainConfig, Trainer
from inrgan.analysis import flat
from inrgan.errors import ConfigError, DataError
from inrgan.inr import LayerWeights
from inrgan.inrs import FitOptions, InrSource, NumberSpace, convert, match_distribution
from inrgan.losses import LossOptions, terms

MODALITY = BumpModality()
SIZES = GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(8, 6), depths=(1, 1), mapping_rate=1.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("fitted")
    for fit in ("weights", "modulations"):
        options = FitOptions(fit=fit, init="meta", steps=10, batch=12, warm_rounds=3, warm_steps=3)
        convert(MODALITY.source(None), root / fit, modality=MODALITY, sizes=SIZES, options=options, count=12)
    return root


def config(folders, *, fit="weights", losses=("weights",), **changes):
    base = {
        "modality": MODALITY, "generator": SIZES, "critic": CriticSizes(width=4, max_width=16), "batch": 4,
        "kimg": 0.016, "penalty_every": 2, "losses": losses, "inrs": str(folders / fit), "watch_every": 2,
    }  # fmt: skip
    return TrainConfig(**{**base, **changes})


def train(config, folder, **more):
    trainer = Trainer(config, outdir=folder, quiet=True, **more)
    try:
        trainer.fit()
    finally:
        trainer.close()
    return trainer


@pytest.mark.parametrize(("losses", "critic"), [(("weights",), "units"), (("full", "weights"), "flat")])
def test_what_the_critic_is_shown(folders, tmp_path, losses, critic):
    # Oracle: rows of the data set, brought to scale by hand; and the generator's own weights likewise.
    trainer = train(config(folders, losses=losses, views=LossOptions(weight_critic=critic)), tmp_path)
    vectors = InrSource(folders / "weights", modality=MODALITY).vectors
    shown = next(s for s in trainer.batch[0] if s.term.name == "weights")
    space = NumberSpace(InrSource(folders / "weights", modality=MODALITY))
    back = shown.reals[0][:, 0] * space.scale + vectors.mean(dim=0)
    nearest = torch.cdist(back, vectors).min(dim=1)
    assert float(nearest.values.max()) < 1e-3 and len(set(nearest.indices.tolist())) == 4
    with torch.no_grad():
        field = trainer.G(shown.z)
        made = shown.term.observe(field, trainer.G.mapping(shown.z), shown.views[0])
        torch.testing.assert_close(made[:, 0], (flat(field.weights) - vectors.mean(dim=0)) / space.scale)
    assert set(trainer.D) == ({"weights"} if len(losses) == 1 else {"weights", "whole"})
    stats = trainer.train_step().stats
    assert {"loss/critic/weights", "penalty/r1/weights", "penalty/r2/weights"} <= set(stats)
    assert all(t.strength(0.0) == 1 / len(losses) for t in trainer.terms)


def test_generated_weights_come_nearer_to_the_fitted_ones(folders, tmp_path):
    # Property: in units of the data's own deviation, group by group; whichever latents are looked at.
    space = NumberSpace(InrSource(folders / "weights", modality=MODALITY))

    def distances(G):
        with torch.no_grad():
            shown = space.seen(flat(G.sample(range(64)).weights))
        return [float(part.mean(dim=0).square().mean().sqrt()) for part in shown.split(16)]

    rates = {"generator_rate": 1e-2, "critic_rate": 5e-3, "gamma": 1e-3, "max_update": 0}
    trainer = Trainer(config(folders, kimg=0.3, watch_every=0, **rates), outdir=tmp_path, quiet=True)
    before = distances(trainer.G)
    trainer.fit()
    trainer.close()
    assert all(after < 0.9 * first for after, first in zip(distances(trainer.G), before, strict=True))


def test_of_modulations_the_mapping_alone_learns(folders, tmp_path):
    source = InrSource(folders / "modulations", modality=MODALITY)
    trainer = train(config(folders, fit="modulations"), tmp_path, init_from=folders / "modulations" / "generator")
    for name, x in trainer.G.state_dict().items():
        same = torch.equal(x, source.generator.state_dict()[name])
        assert same != name.startswith("mapping."), name
    # It is the whole generator here, and the rate by which it holds back elsewhere is undone.
    rate = trainer.config.generator_rate
    assert trainer.networks.generator_optimizer.rate == pytest.approx(rate / SIZES.mapping_rate)
    assert train(config(folders), tmp_path / "weights").networks.generator_optimizer.rate == rate


def test_a_stopped_run_goes_on(folders, tmp_path):
    # Oracle: the run without a stop, bit for bit.
    whole = train(config(folders, losses=("full", "weights")), tmp_path / "a")
    part = Trainer(config(folders, losses=("full", "weights")), outdir=tmp_path / "b", quiet=True)
    part.fit(kimg=0.008)
    part.close()
    rest = train(config(folders, losses=("full", "weights")), tmp_path, resume=part.run.path)
    for name, x in whole.D.state_dict().items():
        assert torch.equal(x, rest.D.state_dict()[name]), name
    for name, x in whole.G.state_dict().items():
        assert torch.equal(x, rest.G.state_dict()[name]), name


def test_what_does_not_go_together_is_refused(folders, tmp_path):
    good = config(folders)
    for changes, match in (
        ({"inrs": None}, "give both"),
        ({"losses": ("full",)}, "give both"),
        ({"labels": True}, "no labels"),
    ):
        with pytest.raises(ConfigError, match=match):
            dataclasses.replace(good, **changes)
    for changes, match, error in (
        ({"modality": ToneModality()}, "equal flags|layers|complete generator", (ConfigError, DataError)),
        ({"modality": BumpModality(resolution=8)}, "equal flags", DataError),
        ({"generator": dataclasses.replace(SIZES, widths=(8, 8))}, "same --preset", ConfigError),
        ({"inrs": str(tmp_path)}, r"inrs\.json", DataError),
        ({"inrs": str(folders / "modulations")}, "--init-from", ConfigError),
        ({"inrs": str(folders / "modulations"), "losses": ("full", "weights")}, "weights alone", ConfigError),
    ):
        with pytest.raises(error, match=match):
            Trainer(dataclasses.replace(good, **changes), outdir=tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs").exists()  # nothing was begun
    with pytest.raises(ConfigError, match="convert"):
        terms(("weights",), resolution=16, smallest=1)


def test_functions_of_an_earlier_version_are_accepted(folders, tmp_path):
    # The adapter's argument had another name when the functions were fitted.
    class Renamed(BumpModality):
        renamed_fields: ClassVar = {"samples": "resolution"}

    shutil.copytree(folders / "weights", tmp_path / "old")
    settings = json.loads((tmp_path / "old" / "inrs.json").read_text())
    arguments = settings["modality"]["arguments"]
    arguments["samples"] = arguments.pop("resolution")
    (tmp_path / "old" / "inrs.json").write_text(json.dumps(settings))
    train(dataclasses.replace(config(tmp_path, inrs=str(tmp_path / "old")), modality=Renamed()), tmp_path / "runs")
    with pytest.raises(ConfigError, match="equal flags"):
        train(config(tmp_path, inrs=str(tmp_path / "old")), tmp_path / "runs")


def test_functions_are_not_augmented_and_come_in_pieces(tmp_path):
    # Oracles: rows of the data set though every signal is transformed, and the same training in one piece.
    modality = ImageModality(resolution=8)
    options = FitOptions(init="shared", steps=1, batch=8)
    convert(modality.source(None), tmp_path / "f", modality=modality, sizes=SIZES, options=options, count=8)
    space, made = NumberSpace(InrSource(tmp_path / "f")), []
    for pieces in (0, 2):
        changes = {"losses": ("full", "weights"), "inrs": str(tmp_path / "f"), "kimg": 0.008, "watch_every": 0}
        augmented = {"augment": "fixed", "augment_p": 1.0, "batch_gpu": pieces}
        trainer = train(config(tmp_path, modality=modality, **changes, **augmented), tmp_path)
        for micro in trainer.batch:
            shown = next(s for s in micro if s.term.name == "weights")
            known = space.seen(space.vectors)[:, 0]
            assert float(torch.cdist(shown.reals[0][:, 0], known).min(dim=1).values.max()) < 1e-3
        made.append(trainer.G.state_dict())
    for name, x in made[0].items():
        torch.testing.assert_close(x, made[1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["factorized", "style", "full"])
def test_a_training_starts_where_the_functions_are(folders, kind):
    # Oracle: mean and deviation of the functions themselves, layer by layer.
    sizes = dataclasses.replace(SIZES, hypernetwork=kind)
    torch.manual_seed(0)
    G = Generator(MODALITY, sizes=sizes)
    functions = InrSource(folders / "weights", modality=MODALITY).fields(range(12)).weights
    with torch.no_grad():
        G.hypernetwork.set_base([LayerWeights(x.weight[:1], x.bias[:1]) for x in functions])
        for made, known in zip(G.hypernetwork(torch.zeros(1, 16)), functions, strict=True):
            torch.testing.assert_close(made.weight[0], known.weight[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(made.bias[0], known.bias[0], rtol=1e-4, atol=1e-5)
        begun = match_distribution(G, functions)
        samples = begun.sample(range(512)).weights
    for made, known in zip(samples, functions, strict=True):
        own = (known.weight - known.weight.mean(dim=0)).square().mean().sqrt()
        spread = (made.weight - made.weight.mean(dim=0)).square().mean().sqrt()
        assert float(spread / own) == pytest.approx(1, rel=0.2)  # of as many samples as are looked at, products vary so
        near = torch.nn.functional.normalize(known.weight.mean(dim=0), dim=-1)
        assert float((made.weight.mean(dim=0) - near).norm() / near.norm()) < 0.2
    assert not torch.equal(begun.hypernetwork.head.weight, G.hypernetwork.head.weight)
