"""Every annotated signature is checked while tests run."""

import os
import warnings

import torch
from jaxtyping import install_import_hook

install_import_hook(
    ["inrgan", "inrgan_modalities"], "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)
warnings.filterwarnings("ignore", category=DeprecationWarning, module="tensorboard")

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # each worker has a core


def pytest_runtest_logreport(report):
    """Where everything must be installed, a skipped test is a failed one."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("INRGAN_REQUIRE_ALL") == "1":
        report.outcome = "failed"
