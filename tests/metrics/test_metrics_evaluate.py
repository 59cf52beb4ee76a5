import pytest
import torch

from inrgan.errors import ConfigError, NonFiniteError, ShapeError
from inrgan.metrics import (
    AbstractFeatures,
    Metric,
    RandomConvFeatures,
    density_coverage,
    evaluate,
    frechet_distance,
    kernel_distance,
    known_metrics,
    precision_recall,
    sliced_wasserstein,
    spectrum_distance,
)
from inrgan.views import product_view

LOCAL = ["swd", "frechet", "kernel", "precision", "recall", "density", "coverage", "spectrum"]


def two_sets(spatial, *, channels=2):
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(12, channels, *spatial, generator=generator) * 2 - 1
    return real, 0.7 * (torch.rand(9, channels, *spatial, generator=generator) * 2 - 1)


class Counting(AbstractFeatures):
    """Means per channel, and how often it was asked."""

    name = "means"
    size = 2

    def __init__(self):
        self.calls = 0

    def __call__(self, values):
        self.calls += 1
        return values.flatten(2).mean(2)


@pytest.mark.parametrize("spatial", [(40,), (20, 16), (9, 8, 10)])
def test_scores_are_those_of_the_functions(spatial):
    # Oracle: the functions themselves, tested on their own elsewhere.
    real, fake = two_sets(spatial)
    extractor = RandomConvFeatures(2, dims=len(spatial))
    r, f = extractor(real), extractor(fake)
    expected = {
        "swd": sliced_wasserstein(real, fake, generator=torch.Generator().manual_seed(5)).mean,
        "frechet": frechet_distance(r, f),
        "kernel": kernel_distance(r, f),
        "precision": precision_recall(r, f, k=3).precision,
        "recall": precision_recall(r, f, k=3).recall,
        "density": density_coverage(r, f, k=5).density,
        "coverage": density_coverage(r, f, k=5).coverage,
        "spectrum": spectrum_distance(real, fake),
    }
    scores = evaluate(real, fake, metrics=LOCAL, seed=5, protocol_extra={"filter": "antialias"})
    assert {score.name: score.value for score in scores} == expected
    assert [score.name for score in scores] == LOCAL
    for score in scores:
        assert score.protocol["n_real"] == 12
        assert score.protocol["n_fake"] == 9
        assert score.protocol["seed"] == 5
        assert score.protocol["filter"] == "antialias"
        assert score.better == ("higher" if score.name in LOCAL[3:7] else "lower")
        if score.name not in ("swd", "spectrum"):
            assert score.protocol["extractor"] == extractor.name


def test_the_extractor_runs_once_per_set():
    # Oracle: counted.
    real, fake = two_sets((16,))
    extractor = Counting()
    scores = evaluate(real, fake, metrics=LOCAL[1:7], features=extractor)
    assert extractor.calls == 2
    assert scores[0].protocol["extractor"] == "means"
    assert scores[0].protocol["covariance_full_rank"] is True
    assert scores[0].value == pytest.approx(frechet_distance(real.mean(2), fake.mean(2)))


def test_few_items_are_flagged():
    real, fake = two_sets((16,))
    (score,) = evaluate(real, fake, metrics=["frechet"])
    assert score.protocol["covariance_full_rank"] is False


@pytest.mark.parametrize("metrics", [["swd", "magic"], "swdx", [], ["swd", "swd"]])
def test_bad_names(metrics):
    real, fake = two_sets((16,))
    with pytest.raises(ConfigError) as caught:
        evaluate(real, fake, metrics=metrics)
    assert all(name in str(caught.value) for name in known_metrics())


def test_non_finite_values_are_counted():
    real, fake = two_sets((16,))
    fake[0, 0, :3] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    with pytest.raises(NonFiniteError, match="fake set holds 3 values of 288"):
        evaluate(real, fake, metrics=["swd"])
    with pytest.raises(NonFiniteError, match="real set holds 3 values"):
        evaluate(fake, real, metrics=["swd"])


def test_shapes_that_do_not_fit():
    real, fake = two_sets((16,))
    for other in (fake[..., :8], fake[:, :1], fake[0], fake[:0]):
        with pytest.raises(ShapeError):
            evaluate(real, other, metrics=["swd"])


def test_the_protocol_cannot_be_overwritten():
    real, fake = two_sets((16,))
    with pytest.raises(ConfigError, match="n_real"):
        evaluate(real, fake, metrics=["swd"], protocol_extra={"n_real": 50000})


def test_metrics_of_an_adapter_join_and_replace():
    # Oracle: what is returned is written by hand.
    real, fake = two_sets((16, 16))
    weights = torch.ones(1, 256)
    view = product_view([torch.zeros(1, 16)] * 2, spacing=torch.ones(1, 2), weights=weights)
    others = {
        "gap": Metric("lower", lambda c: (float((c.real.mean() - c.fake.mean()).abs()), {"of": "means"})),
        "swd": Metric("higher", lambda c: (float(c.view.weights.sum()), {})),
    }
    gap, swd, spectrum = evaluate(real, fake, metrics=["gap", "swd", "spectrum"], view=view, others=others)
    assert gap.value == pytest.approx(float((real.mean() - fake.mean()).abs())) and gap.protocol["of"] == "means"
    assert (swd.value, swd.better) == (256.0, "higher")
    assert spectrum.value == spectrum_distance(real, fake)
    with pytest.raises(ConfigError, match="gap"):
        evaluate(real, fake, metrics=["gap"])
