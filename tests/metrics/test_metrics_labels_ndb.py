"""Label accuracy and different bins. Oracles: separable and exchanged classes, scikit-learn, random counts."""

import pytest
import torch

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import different_bins, evaluate, label_accuracy


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def classes(count, *, seed=0, apart=3.0):
    y = torch.arange(count) % 3
    return torch.randn(count, 5, generator=rng(seed)) + apart * torch.nn.functional.one_hot(y, 5), y


def test_accuracy_of_separable_and_exchanged_labels():
    x, y = classes(300, apart=8.0)
    fake, asked = classes(90, seed=1, apart=8.0)
    assert label_accuracy(x, y, fake, asked, generator=rng()).fake == 1.0
    assert label_accuracy(x, y, fake, (asked + 1) % 3, generator=rng()).fake == 0.0
    half = torch.where(torch.arange(90) < 45, asked, (asked + 1) % 3)
    assert label_accuracy(x, y, fake, half, generator=rng()).fake == 0.5


def test_accuracy_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    x, y = classes(400, apart=1.5)
    fake, asked = classes(200, seed=1, apart=1.5)
    found = label_accuracy(x, y, fake, asked, generator=rng())
    learn = torch.randperm(400, generator=rng())[:200]
    mean, scale = x[learn].mean(0), x[learn].std(0)
    # Its C weighs the sum of losses against half the squared weights: 1 / (2 · 0.001 · items).
    other = LogisticRegression(C=1 / (2e-3 * 200), max_iter=1000).fit(((x - mean) / scale)[learn].numpy(), y[learn])
    assert found.fake == pytest.approx(other.score(((fake - mean) / scale).numpy(), asked), abs=0.011)
    assert 0.5 < found.real < 1 and found.learned_from == 200


def test_accuracy_refuses_what_teaches_nothing():
    x, y = classes(30)
    for real, labels in ((x[:2], y[:2]), (x, y * 0)):
        with pytest.raises(ConfigError, match="too few"):
            label_accuracy(real, labels, x, y, generator=rng())


def test_bins_of_equal_and_collapsed_sets():
    x = torch.randn(500, 3, generator=rng())
    assert different_bins(x, x, bins=20, generator=rng()).share == 0
    # Oracle: a test at the 5 % level finds about one bin in twenty between draws of one distribution.
    shares = [
        different_bins(x, torch.randn(500, 3, generator=rng(k)), bins=20, generator=rng(k)).share for k in range(1, 9)
    ]
    assert sum(shares) / 8 < 0.15
    collapsed = different_bins(x, x[:1].expand(500, 3), bins=20, generator=rng())
    assert collapsed.share > 0.9 and collapsed.bins == 20


def test_bins_closed_form():
    # Oracle: two far clusters of 50 : 50 reals; the z-test of 0.13 at 100 against 100 is 1.86, of 0.14 2.00.
    real = torch.cat([torch.zeros(50, 1), torch.ones(50, 1)]) + 1e-3 * torch.randn(100, 1, generator=rng())
    for left, different in ((50, 0.0), (63, 0.0), (64, 1.0), (37, 0.0), (36, 1.0)):
        fake = torch.cat([torch.zeros(left, 1), torch.ones(100 - left, 1)])
        # First centres in both clusters: Lloyd's steps do not leave a split of one of them.
        seed = next(s for s in range(50) if torch.randperm(100, generator=rng(s))[:2].lt(50).sum() == 1)
        assert different_bins(real, fake, bins=2, generator=rng(seed)).share == different, left


def test_bad_bins():
    x = torch.randn(20, 2, generator=rng())
    for bins in (1, 21):
        with pytest.raises(ConfigError, match="bins"):
            different_bins(x, x, bins=bins, generator=rng())
    with pytest.raises(ShapeError):
        different_bins(x, x[:, :1], bins=2, generator=rng())


def test_by_name():
    x = torch.randn(40, 1, 32, generator=rng())
    y = torch.arange(40) % 2
    ndb, labels = evaluate(x, x, metrics=["ndb", "labels"], labels=(y, y))
    assert ndb.value == 0 and ndb.protocol["bins"] == 4 and labels.protocol["classifier"] == "logistic regression"
    with pytest.raises(ConfigError, match="labels"):
        evaluate(x, x, metrics=["labels"])


def test_the_classifier_is_stored_and_used_again(tmp_path, monkeypatch):
    # Oracle: what fitting gives; a fit that is counted; other data, labels or extractors have other files.
    from inrgan.metrics import labels as module

    x, y = classes(80, apart=1.0)
    fits, fit = [], module.fit_classifier
    monkeypatch.setattr(module, "fit_classifier", lambda *a, **k: fits.append(1) or fit(*a, **k))
    ask = lambda x, y, **k: label_accuracy(x, y, x, y, generator=rng(), classifiers=tmp_path / "stored", **k)  # noqa: E731
    first = ask(x, y)
    assert first == label_accuracy(x, y, x, y, generator=rng()) and len(fits) == 2
    assert ask(x, y) == first and len(fits) == 2
    for more in ({"x": x + 1e-9, "y": y}, {"x": x, "y": (y + 1) % 3}, {"x": x, "y": y, "extractor": "other"}):
        assert ask(**{**more, "x": more["x"].double()}).classifier != first.classifier
    assert len(fits) == 5 and len(list((tmp_path / "stored").iterdir())) == 4


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "foreign", "nan"])
def test_a_damaged_classifier_is_fitted_anew(damage, tmp_path, caplog):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    x, y = classes(80, apart=1.0)
    ask = lambda: label_accuracy(x, y, x, y, generator=rng(), classifiers=tmp_path)  # noqa: E731
    first = ask()
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    if damage == "nan":
        with safe_open(file, framework="pt") as head:
            said = head.metadata()
        tensors = load_file(file)
        tensors["weight"][0, 0] = float("nan")
        save_file(tensors, file, metadata=said)
    elif damage == "foreign":
        save_file({"mean": torch.zeros(5)}, file)
    else:
        file.write_bytes({"cut": whole[:-20], "text": b"no classifier", "empty": b""}[damage])
    assert ask() == first and "fitted again" in caplog.text
    caplog.clear()
    assert ask() == first and not caplog.text  # it was stored again
