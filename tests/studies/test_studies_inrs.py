"""The study of fitted functions. Oracles: numpy, vectors made by hand, a run of it."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "studies"))

import inrs

from inrgan.inrs import FitOptions, InrSource, convert


def test_the_nearest_signal_by_numpy():
    rng = np.random.default_rng(0)
    values, signals = rng.normal(size=(3, 1, 4)), rng.normal(size=(5, 1, 4))
    mse = np.square(values[:, None] - signals[None]).mean(axis=(2, 3)).min(axis=1)
    found = inrs._nearest(torch.from_numpy(values), torch.from_numpy(signals))
    assert found == pytest.approx(np.mean(10 * np.log10(4 / mse)))


def test_numbers_of_functions_whose_answer_is_known(tmp_path):
    # Vectors along one line from the beginning: one component explains all, moves are parallel, R² is 1.
    source = inrs.MODALITY.source(None)
    options = FitOptions(init="shared", steps=1)
    convert(source, tmp_path / "o", modality=inrs.MODALITY, sizes=inrs.SIZES, options=options, count=24)
    fitted = InrSource(tmp_path / "o")
    start = inrs._initialization(fitted)
    assert float((fitted.vectors - start).norm(dim=1).max()) < 0.2 * float(start.norm())  # one step from there
    x = torch.tensor([source.factors(e.item)["x"] for e in fitted.entries])
    line = torch.randn(len(start), generator=torch.Generator().manual_seed(0)) / 100
    fitted._numbers = start + (2 + x[:, None]) * line
    row = inrs.weights_in_common(fitted, source, scored=16, seed=0)
    assert row["explained 8"] == pytest.approx(1, abs=1e-4) and row["cosine of moves"] == pytest.approx(1, abs=1e-3)
    only_x = inrs._probe(fitted.vectors, {"x": x.numpy().astype(np.float64)}, 0)
    assert only_x > 0.99 and row["probe"] < only_x
    assert row["psnr"] == pytest.approx(np.mean([e.psnr for e in fitted.entries]))
    middle = inrs._field_on_manifold(fitted, fitted.vectors)
    torch.testing.assert_close(middle.weights[0].weight.norm(dim=-1), torch.ones(24, middle.weights[0].bias.shape[1]))


@pytest.mark.slow
def test_the_program(tmp_path, capsys):
    inrs.main(["--minutes", "0.01", "--out", str(tmp_path / "i.json")])
    lines = json.loads((tmp_path / "i.json").read_text())["lines"]
    assert {"reals", "signals alone", "meta: signals and flat", "independent: units", "modulations: w"} <= set(lines)
    assert all(math.isfinite(x) for row in lines.values() for x in row.values())
    assert "| meta: units |" in capsys.readouterr().out
