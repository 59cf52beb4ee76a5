"""On a CUDA device every modality trains and renders. Oracles: the CPU, a training that did not stop, eager fp32."""

import math
import subprocess
import sys

import pytest
import torch
from gpu_runs import MODALITIES, config, each_modality

from inrgan import Generator, Trainer
from inrgan.registry import modality_class

pytestmark = pytest.mark.gpu


def losses(folder, name, *, steps=1, **changes):
    """What the last of some steps says."""
    trainer = Trainer(config(name, **changes), outdir=folder, quiet=True)
    for _ in range(steps):
        stats = trainer.train_step().stats
    assert trainer.health.row == 0
    trainer.close()
    return {k: float(v) for k, v in stats.items()}


@pytest.fixture(autouse=True)
def exact():
    """Products in full fp32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@each_modality
def test_the_first_step_on_a_gpu_equals_that_on_the_cpu(name, tmp_path):
    # Same weights, data and draws; sums in another order.
    expected = losses(tmp_path, name, device="cpu", augment="fixed", augment_p=0.5)
    found = losses(tmp_path, name, augment="fixed", augment_p=0.5)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-2, abs=1e-4), key


@each_modality
def test_a_training_on_a_gpu_goes_on_from_its_state(name, tmp_path):
    trainer = Trainer(config(name), outdir=tmp_path, quiet=True)
    run = trainer.fit(kimg=0.012)
    weights = {k: v.clone() for k, v in trainer.G.state_dict().items()}
    trainer.close()
    trainer = Trainer(config(name), outdir=tmp_path, resume=run, quiet=True)
    assert trainer.step == 3
    assert all(torch.equal(v, weights[k]) for k, v in trainer.G.state_dict().items())
    stats = [trainer.train_step().stats for _ in range(5)]
    assert trainer.health.row == 0
    assert all(math.isfinite(float(v)) for line in stats for v in line.values())
    trainer.close()


@each_modality
@torch.no_grad()
def test_a_gpu_renders_what_the_cpu_does(name):
    torch.manual_seed(0)
    modality = modality_class(name)(**MODALITIES[name])
    G = Generator(modality, preset="tiny").eval()
    shape = modality.domain.shape(24 if name != "audio" else 2048)
    expected = G.sample([0, 1]).render(shape)
    torch.testing.assert_close(G.to("cuda").sample([0, 1]).render(shape).cpu(), expected, atol=1e-3, rtol=0)


@each_modality
def test_half_precision_is_near(name, tmp_path):
    # bf16 keeps 8 bits: the loss of untrained networks to 5%, and weights stay fp32.
    trainer = Trainer(config(name, precision="bf16"), outdir=tmp_path, quiet=True)
    found = {k: float(v) for k, v in trainer.train_step().stats.items()}
    assert trainer.health.row == 0
    assert {p.dtype for net in (trainer.G, trainer.D, trainer.ema) for p in net.parameters()} == {torch.float32}
    trainer.close()
    for key, value in losses(tmp_path, name).items():
        if key.startswith("loss/"):
            assert found[key] == pytest.approx(value, rel=0.05, abs=0.05), key


def test_compiled_networks_train_as_eager_ones(tmp_path):
    # Four steps hold the lazy penalty, whose second derivative is compiled too. In a process of its own, in which
    # annotations are not checked: the compiler cannot read the checks.
    script = """
import dataclasses, sys
import torch
from inrgan import ImageModality, Trainer
from inrgan.recipes import recipe
torch.backends.cudnn.allow_tf32 = False
lines = []
for compiled in (False, True):
    config = dataclasses.replace(
        recipe("tiny", ImageModality(resolution=16)), device="cuda", batch=4, kimg=1, compile=compiled
    )
    trainer = Trainer(config, outdir=sys.argv[1], quiet=True)
    for _ in range(4):
        stats = trainer.train_step().stats
    assert trainer.health.row == 0
    lines.append({k: float(v) for k, v in stats.items()})
    trainer.close()
for key, value in lines[0].items():
    if key.startswith("score/"):  # a relativistic loss leaves their common offset to rounding
        continue
    assert abs(lines[1][key] - value) < 1e-3 + 2e-2 * abs(value), (key, value, lines[1][key])
print("equal")
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == "equal", done.stderr[-2000:]
