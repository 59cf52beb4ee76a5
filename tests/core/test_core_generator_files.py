"""Generators on disk. Oracles: the weights that were saved, refused damage."""

import json
import sys
from pathlib import Path

import pytest
import torch
from bitwise import same
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from small_runs import SMALL, copied, trained

from inrgan import Generator, ImageModality
from inrgan.errors import CheckpointError, ConfigError, InrganError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs")).run.path


def test_round_trip(run, tmp_path):
    G = Generator.from_pretrained(run)
    assert G.modality == ImageModality(resolution=16, mirror=True) and G.sizes == SMALL["generator"]
    assert same(dict(G.state_dict()), load_file(run / "snapshot-00000.024" / "model.safetensors"))
    G.save_pretrained(tmp_path / "folder")
    again = Generator.from_pretrained(tmp_path / "folder")
    assert torch.equal(G.sample([3]).render((20, 30)), again.sample([3]).render((20, 30)))


def test_round_trip_of_labels(tmp_path):
    G = Generator(ImageModality(resolution=16), preset="tiny", labels=("a", "b"), mapping_rate=0.5, modulation="tanh")
    G.save_pretrained(tmp_path)
    again = Generator.from_pretrained(tmp_path)
    assert again.labels == ("a", "b") and again.sizes == G.sizes
    assert torch.equal(G.sample([3], label="b").render((8, 8)), again.sample([3], label="b").render((8, 8)))


def test_newest_whole_snapshot_of_a_run(run, tmp_path):
    mine = copied(run, tmp_path)
    (mine / "snapshot-00001.000").mkdir()  # begun, not finished
    (mine / "snapshot-00001.000" / "model.safetensors").write_bytes(b"")
    assert Generator.from_pretrained(mine).modality.name == "image"


@pytest.mark.parametrize(
    "what", ["nan", "cut", "missing", "config", "foreign", "version", "shape", "arguments", "sizes"]
)
def test_damaged_generators_are_refused(what, run, tmp_path):
    folder = copied(run / "snapshot-00000.024", tmp_path)
    weights, text = folder / "model.safetensors", folder / "config.json"
    tensors, described = load_file(weights), json.loads(text.read_text())
    if what == "nan":
        tensors["mapping.w_mean"][3] = float("nan")
        save_file(tensors, weights)
    elif what == "cut":
        weights.write_bytes(weights.read_bytes()[:-40])
    elif what == "missing":
        weights.unlink()
    elif what == "config":
        text.write_text("{")
    elif what == "shape":
        tensors["mapping.w_mean"] = torch.zeros(3)
        save_file(tensors, weights)
    else:
        changes = {
            "foreign": {"format": "bert"},
            "version": {"version": 99},
            "arguments": {"modality": {"name": "image", "arguments": {"colour": 1}}},
            "sizes": {"generator": {**described["generator"], "w_dim": -3}},
        }
        text.write_text(json.dumps({**described, **changes[what]}))
    with pytest.raises((CheckpointError, ConfigError)) as error:
        Generator.from_pretrained(folder)
    assert isinstance(error.value, InrganError)


def test_nothing_there(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="nothing at"):
        Generator.from_pretrained(tmp_path / "no")
    with pytest.raises(CheckpointError, match="neither"):
        Generator.from_pretrained(tmp_path)
    import huggingface_hub

    def unreachable(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(CheckpointError, match="Hub"):
        Generator.from_pretrained("someone/something")


def test_names_of_earlier_versions_are_read(tmp_path):
    # Oracle: the generator that was saved.
    import json

    from inrgan import AudioModality, Generator

    G = Generator(AudioModality(resolution=512, rate=4000), preset="tiny")
    G.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    text = json.dumps(saved).replace("harmonic-bank", "carriers")
    assert "carriers" in text
    (tmp_path / "config.json").write_text(text)
    again = Generator.from_pretrained(tmp_path)
    assert again.sizes == G.sizes and again.sizes.backbone == "harmonic-bank"
