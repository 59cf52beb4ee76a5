"""Every annotated signature is checked while tests run."""

import os
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
