"""Order of classes when training goes on from weights. Oracle: names, which must keep their numbers."""

import json

import pytest
import torch
from small_runs import config

from inrgan import Trainer
from inrgan.errors import ConfigError
from inrgan.images import write_image
from inrgan.training import Ranks
from inrgan.training.class_order import class_order

EARLIER = ("10", "2")  # sorted by text


def generator(folder, labels):
    """A saved generator without weights, which are not read for its classes."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    sizes = {"z_dim": 8, "w_dim": 16, "rank": 2, "lattices": [4], "widths": [12, 8], "depths": [1, 1]}
    saved = {"format": "inrgan-generator", "version": 1, "modality": {"name": "image", "arguments": {}}}
    (folder / "config.json").write_text(json.dumps(saved | {"generator": sizes, "labels": labels}))
    return folder


def order(names, **start):
    return class_order(names, **{"resume": None, "init_from": None, "ranks": Ranks.join("cpu"), **start})


@pytest.mark.parametrize("flag", ["resume", "init_from"])
def test_classes_keep_the_numbers_of_the_weights(tmp_path, flag):
    folder = generator(tmp_path / "run" / "snapshot-00000.000", list(EARLIER))
    assert order(("2", "10"), **{flag: tmp_path / "run"}) == EARLIER
    assert order(("2", "10")) == ("2", "10") and order((), **{flag: folder}) == ()
    assert order(("2", "10"), **{flag: tmp_path / "nothing"}) == ("2", "10")  # reported when the weights are read
    (tmp_path / "new").mkdir()
    assert order(("2", "10"), resume=tmp_path / "new", init_from=folder) == EARLIER  # stopped before its first snapshot


def test_a_run_is_not_resumed_on_other_classes(tmp_path):
    folder = generator(tmp_path / "run", list(EARLIER))
    with pytest.raises(ConfigError, match=r"has the 2 classes 10, 2, .* have 2; new: 3; missing: 10"):
        order(("2", "3"), resume=folder)
    assert order(("2", "3"), init_from=folder) == ("2", "3")


def test_a_training_goes_on_in_the_order_of_an_earlier_version(tmp_path):
    for name in EARLIER:
        for i in range(4):
            write_image(torch.full((3, 16, 16), int(name) / 10 - 1), tmp_path / "data" / name / f"{i}.png")
    run = config(data=str(tmp_path / "data"), labels=True)
    trainer = Trainer(run, outdir=tmp_path, quiet=True)
    assert trainer.G.labels == ("2", "10")
    trainer.snapshot()
    trainer.close()
    saved = next(trainer.run.path.glob("snapshot-*/config.json"))
    saved.write_text(json.dumps(json.loads(saved.read_text()) | {"labels": EARLIER}))
    trainer = Trainer(run, resume=trainer.run.path, quiet=True)
    assert trainer.G.labels == trainer.ema.labels == EARLIER
    (values,), labels = trainer.batches.reals.draw(0, [run.modality.domain.grid((16, 16))])
    shown = [round(float(x) * 10 + 10) for x in values.mean(dim=(1, 2, 3))]
    assert shown == [int(EARLIER[k]) for k in labels]
    trainer.close()
