"""``inrgan train MODALITY``."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union

import torch
from tyro.conf import arg, subcommand

from inrgan.cli._common import AbstractCommand, first_process, peek
from inrgan.config import TrainConfig
from inrgan.errors import ConfigError, RunDirectoryError
from inrgan.generator import Generator
from inrgan.modality import Modality
from inrgan.recipes import recipe
from inrgan.registry import modality_class, modality_names, rebuild
from inrgan.sizes import PRESETS, Backbone
from inrgan.training import Ranks, RunDirectory, Trainer


@dataclass(kw_only=True)
class Train(AbstractCommand):
    """Train a generator."""

    config: Annotated[TrainConfig, arg(name="")]
    outdir: Path = Path("runs")
    """Folder in which the run directory is created."""
    backbone: Backbone | None = None
    """Network whose weights are generated. Default: the modality's."""
    resume: Path | None = None
    """Resume this run directory exactly. Its configuration provides the defaults of all flags."""
    run_dir: Path | None = None
    """Train in exactly this directory: start a run there, or resume the one it holds. For jobs that are restarted after
    every crash."""
    init_from: str | None = None
    """Start from the weights of a generator: folder, run or Hub id."""
    init_partial: bool = False
    """Take over what fits of --init-from, where sizes, channels, resolution or classes differ. The log says what."""
    max_minutes: float = float("inf")
    """Stop after this many minutes; the run can be resumed."""
    save_minutes: float = 15.0
    """Longest time between two saved states, in minutes."""
    dry_run: bool = False
    """Print the configuration and the network sizes, and stop."""
    quiet: bool = False
    """No progress bar and no messages."""

    def run(self) -> None:
        """Train, or print what would be trained."""
        home = self.resume or self.run_dir
        if home is not None and self.outdir not in (Path("runs"), home.parent):
            raise ConfigError(
                f"--outdir {self.outdir} is for a new run, and {home} has a place already; leave out --outdir"
            )
        ranks = Ranks.join(self.config.device)
        config = ranks.share(self._with_backbone())
        if self.dry_run:
            if ranks.first:
                print(json.dumps(config.to_json(), indent=2))
                print(_sizes(config))
            return
        trainer = Trainer(
            config, outdir=self.outdir, resume=self.resume, run_dir=self.run_dir, init_from=self.init_from,
            init_partial=self.init_partial, quiet=self.quiet, ranks=ranks,
        )  # fmt: skip
        try:
            trainer.fit(max_minutes=self.max_minutes, save_minutes=self.save_minutes)
        finally:
            trainer.close()

    def _with_backbone(self) -> TrainConfig:
        """The configuration, with sizes for the backbone that was asked for."""
        config = self.config
        sizes = config.generator or config.modality.generator_sizes(config.preset)
        if self.backbone in (None, sizes.backbone):
            return config
        if config.generator is not None:
            raise ConfigError(
                f"--backbone is {self.backbone}, and the sizes of the generator say {sizes.backbone}; leave out "
                "--backbone, or start a new run"
            )
        sizes = config.modality.generator_sizes(config.preset, backbone=self.backbone)
        return dataclasses.replace(config, generator=sizes)


@dataclass(kw_only=True)
class _Start:
    """The flags that decide the defaults of all others."""

    preset: str = "tiny"
    resume: Path | None = None
    run_dir: Path | None = None
    data: str | None = None

    def defaults(self, modality: Modality) -> TrainConfig:
        """Configuration of the preset, or of the run that is resumed."""
        folder = self.resume
        if folder is None and self.run_dir is not None and (self.run_dir / "config.json").exists():
            folder = self.run_dir
        if folder is None or not first_process():
            return recipe(self.preset if self.preset in PRESETS else "tiny", modality)
        if not folder.is_dir():
            raise RunDirectoryError(f"there is no run directory at {folder}")
        saved = RunDirectory(folder, held=False).read_config()  # the trainer locks it later
        described = saved.get("modality")
        if not isinstance(described, dict) or "name" not in described:
            raise ConfigError(f"{folder}/config.json names no modality; it is not a run of inrgan")
        if described["name"] != modality.name:
            raise ConfigError(f"{folder} is a run of train {described['name']}, not of train {modality.name}")
        return TrainConfig.from_json(
            saved, modality=rebuild(modality.name, described.get("arguments")), given=self.data
        )


@dataclass(kw_only=True)
class _OtherModality(AbstractCommand):
    """A modality that is listed in the help, and whose adapter is not imported."""

    def run(self) -> None:
        """Refuse, since the arguments do not begin with the modality."""
        raise ConfigError("flags come after the modality; expected inrgan train MODALITY [flags]")


def train_command(args: Sequence[str]) -> Any:
    """The type of ``train``: one subcommand per modality. Only the adapter that the arguments name is imported."""
    start = peek(_Start, args) if args[0] == "train" else _Start()

    def kind(name: str) -> Any:
        if args[0] == "train" and name in args[1:2]:
            default = Train(config=start.defaults(modality_class(name)()))
            return Annotated[Train, subcommand(name, default=default)]
        return Annotated[_OtherModality, subcommand(name, description=f"Train on {name} data.")]

    kinds: Any = Union[tuple(kind(name) for name in sorted(modality_names()))]  # noqa: UP007
    return Annotated[Any, subcommand("train", constructor_factory=lambda: kinds, description=Train.__doc__)]


def _sizes(config: TrainConfig) -> str:
    """Parameter counts of generator and critic."""
    generator, critic = config.sizes(classes=0)
    G = Generator(config.modality, sizes=generator)
    full = config.view_options.whole_resolution(config.losses, config.modality.resolution)
    D = config.modality.at(full).critic(critic)

    def millions(module: torch.nn.Module) -> str:
        return f"{sum(p.numel() for p in module.parameters()) / 1e6:.2f} M parameters"

    return f"generator: {millions(G)}; critic: {millions(D)}"
