"""Exact resume of every modality, transforms on. Oracle: the training that never stopped, bit for bit."""

import pytest
import torch
from bitwise import same

import inrgan
from inrgan import CriticSizes, GeneratorSizes, TrainConfig, Trainer
from inrgan.errors import CheckpointError
from inrgan.losses import LossOptions
from inrgan.training.run_directory import load_state, save_state

STEPS = 6
SMALL = {
    "generator": GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(8, 4), depths=(1, 1)),
    "critic": CriticSizes(width=4, max_width=8), "batch": 2, "penalty_every": 2, "device": "cpu",
    "kimg": STEPS * 2 / 1000, "snapshot_kimg": 1.0, "watch_every": 0,
    # The chance of transforms moves after every fourth of the critic's verdicts.
    "augment": "adaptive", "augment_p": 0.5, "augment_target": 0.0, "augment_kimg": 0.1,
    "path_length": 0.5, "path_every": 2,
}  # fmt: skip
CARRIERS = GeneratorSizes(
    z_dim=8, w_dim=16, rank=2, backbone="harmonic-bank", lattices=(4, 8), widths=(8, 4), depths=(1, 1)
)
MODALITIES = {
    "image": ("ImageModality", {"resolution": 16, "mirror": True}, {"labels": True, "losses": ("full", "dense-patch"),
              "views": LossOptions(patch=8, whole=16, patch_start=0, patch_ramp=0)}),
    "spherical": ("SphericalModality", {"resolution": 8, "rotate": "any"}, {}),
    "surface": ("SurfaceModality", {"resolution": 16}, {}),
    "audio": ("AudioModality", {"resolution": 512, "rate": 4000.0},
              {"generator": CARRIERS, "losses": ("full", "random-resolution"), "views": LossOptions(lowest=256)}),
    "video": ("VideoModality", {"resolution": 8, "frames": 4, "mirror": True}, {}),
    "occupancy": ("OccupancyModality", {"resolution": 8}, {}),
}  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    """No preview images, which do not affect the training and take most of its time."""
    monkeypatch.setattr(Trainer, "preview", lambda self, *, reals: [])


def trained(folder, config, *, step=STEPS):
    trainer = Trainer(config, run_dir=folder, quiet=True)
    trainer.fit(kimg=step * config.batch / 1000)
    trainer.close()
    return load_state(trainer.run.state, device=torch.device("cpu"))


@pytest.mark.parametrize("name", MODALITIES)
def test_resume_of_every_modality_equals_never_stopping(name, tmp_path, quick):
    kind, sizes, changes = MODALITIES[name]
    config = TrainConfig(modality=getattr(inrgan, kind)(**sizes), **{**SMALL, **changes})
    assert config.modality.transforms()
    whole = trained(tmp_path / "whole", config)
    for step in (3, STEPS):  # in between, three of the critic's verdicts are waiting
        last = trained(tmp_path / "parts", config, step=step)
    assert same(last, whole)
    assert whole["augment"]["probability"] != SMALL["augment_p"] and len(whole["augment"]["signs"]) == STEPS % 4


def test_every_entry_of_a_state_matters(tmp_path, quick):
    # That the comparison would notice: what is taken from an earlier moment, entry by entry, gives another training.
    kind, sizes, changes = MODALITIES["spherical"]
    config = TrainConfig(modality=getattr(inrgan, kind)(**sizes), **{**SMALL, **changes})
    whole = trained(tmp_path / "whole", config)
    early, later = (trained(tmp_path / "parts", config, step=step) for step in (1, 3))
    for entry in set(later) - {"format", "version", "health"}:
        mixed = {k: v for k, v in (later | {entry: early[entry]}).items() if k not in ("format", "version")}
        save_state(tmp_path / "parts" / "state-latest.pt", mixed)
        assert not same(trained(tmp_path / "parts", config), whole), entry
    for entry in set(later) - {"format", "version", "health", "step"}:
        save_state(tmp_path / "parts" / "state-latest.pt", {k: v for k, v in mixed.items() if k != entry})
        with pytest.raises(CheckpointError, match=f"does not fit .*{entry}"):
            Trainer(config, resume=tmp_path / "parts", quiet=True)
