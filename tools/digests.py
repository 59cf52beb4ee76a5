"""Digests of the weights after a few steps of training, for changes that must not change any number.

    python tools/digests.py --out before.json   # at the commit before
    python tools/digests.py --against before.json   # at the commit after

One thread gives reproducible bits on one machine; other machines and other versions of torch give other bits.
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import torch

from inrgan import TrainConfig, Trainer
from inrgan.errors import InrganError
from inrgan.losses import LossOptions
from inrgan.registry import rebuild

MODALITIES = {
    "image": {"resolution": 16},
    "spherical": {"resolution": 16},
    "surface": {"resolution": 16},
    "audio": {"resolution": 2048, "rate": 4000},
    "video": {"resolution": 16, "frames": 8, "fps": 8},
    "occupancy": {"resolution": 16},
}
LOSSES = (("full",), ("random-resolution",), ("variable-density",), ("points",), ("full", "dense-patch"))


def digest(modality: str, losses: tuple[str, ...], *, steps: int, batch: int) -> str:
    """Hash of all networks after some steps, or the reason why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            config = TrainConfig(
                modality=rebuild(modality, MODALITIES[modality]), losses=losses, batch=batch,
                kimg=steps * batch / 1000, device="cpu",
                views=LossOptions(patch_start=0.0, patch_ramp=0.0),
            )  # fmt: skip
            trainer = Trainer(config, outdir=folder, quiet=True)
        except InrganError as error:
            return f"refused: {type(error).__name__}"
        for _ in range(steps):
            trainer.train_step()
        found = hashlib.sha256()
        for network in (trainer.G, trainer.D, trainer.ema):
            for name, value in network.state_dict().items():
                found.update(name.encode())
                found.update(value.contiguous().numpy().tobytes())
        trainer.close()
    return found.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="file to which digests are written")
    parser.add_argument("--against", type=Path, help="file of digests to compare with; exits with 1 if any differs")
    parser.add_argument("--modalities", default=",".join(MODALITIES))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    before = json.loads(args.against.read_text()) if args.against else {}
    found, changed = {}, 0
    for modality in args.modalities.split(","):
        for losses in LOSSES:
            name = f"{modality} {'+'.join(losses)}"
            found[name] = digest(modality, losses, steps=args.steps, batch=args.batch)
            same = "" if name not in before else " same" if before[name] == found[name] else " DIFFERS"
            changed += same == " DIFFERS"
            print(f"{name:32} {found[name][:16]}{same}", flush=True)
    if args.out:
        args.out.write_text(json.dumps(found, indent=1))
    raise SystemExit(1 if changed else 0)


if __name__ == "__main__":
    main()
