"""What torchrun starts in test_core_elastic: ``elastic_worker.py FOLDER DIES``."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from rank_worker import SCENARIOS

from inrgan import Trainer


def main(run, dies):
    """Train eight steps, with a state after each; the second process dies once, in the middle of the fifth."""
    torch.set_num_threads(1)
    config = replace(SCENARIOS["audio"], kimg=8 * SCENARIOS["audio"].batch / 1000, snapshot_kimg=1.0)
    trainer = Trainer(config, run_dir=run, quiet=True)
    trainer.preview = lambda *, reals: []
    adam = trainer.networks.critic_optimizer.adam
    step = adam.step

    def deadly():
        step()
        if dies and trainer.step == 4 and os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)

    adam.step = deadly
    print(f"process {os.environ['RANK']} begins at step {trainer.step}", flush=True)
    trainer.fit(save_minutes=0)
    trainer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "dies")
