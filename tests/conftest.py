"""Every annotated signature is checked while tests run."""

import os
import sys
import types
import warnings

import pytest
import torch
from jaxtyping import install_import_hook

install_import_hook(
    ["inrgan", "inrgan_modalities"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
warnings.filterwarnings("ignore", category=DeprecationWarning, module="tensorboard")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # each worker has a core


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("torch finds no GPU")


def _required(report):
    """Where everything must be installed, what is skipped has failed."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("INRGAN_REQUIRE_ALL") == "1":
        report.outcome = "failed"
    return report


# Reports are changed where they are made, so that every process of a parallel run counts alike.
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _required((yield))


@pytest.fixture
def inception(monkeypatch):
    """Replaces torch-fidelity by a fake whose network returns a function of its input bytes."""

    def install(features):
        class Network(torch.nn.Module):
            def __init__(self, name, features_list, feature_extractor_weights_path=None, **kwargs):
                super().__init__()
                assert features_list == ["2048"]
                assert feature_extractor_weights_path is not None, "would download"
                self.batches = []

            def forward(self, x):
                assert x.dtype == torch.uint8
                self.batches.append(len(x))
                return (features(x.float()),)

        module = types.ModuleType("torch_fidelity")
        module.FeatureExtractorInceptionV3, module.__version__ = Network, "9.9"
        monkeypatch.setitem(sys.modules, "torch_fidelity", module)
        return module

    return install


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Where weights are looked for; empty."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"
