"""``inrgan info``."""

import platform
from dataclasses import dataclass

import torch

import inrgan
from inrgan.cli._common import AbstractCommand
from inrgan.errors import InrganError
from inrgan.process import wait_policy
from inrgan.registry import modality_class, modality_names


@dataclass(kw_only=True)
class Info(AbstractCommand):
    """Print versions, devices, and which adapters are usable and why not."""

    def run(self) -> None:
        """Print it."""
        print(f"inrgan {inrgan.__version__}, torch {torch.__version__}, Python {platform.python_version()}")
        print(f"CPU threads: {torch.get_num_threads()}; wait policy: {wait_policy()}")
        if torch.cuda.is_available():
            for i in range(torch.cuda.device_count()):
                print(f"GPU {i}: {torch.cuda.get_device_name(i)}")
        else:
            print("GPU: none that torch sees")
        for name, target in sorted(modality_names().items()):
            try:
                missing = modality_class(name).missing()
                state = "usable" if not missing else f'needs {", ".join(missing)}: pip install "inrgan[{name}]"'
            except (InrganError, ImportError) as error:
                state = f"not usable: {error}"
            print(f"modality {name:<12} {state}  ({target})")
