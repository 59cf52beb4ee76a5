"""The command line: ``inrgan COMMAND``."""

import logging
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from inrgan._sizes import Backbone, Preset
from inrgan.errors import ConfigError, InrganError
from inrgan.inrs import FitOptions
from inrgan.losses import LossOptions
from inrgan.memory import keep_freed_memory


@dataclass(kw_only=True)
class TrainFlags:
    """Train a generator."""

    data: str | None = None
    """Folder, zip or tar shards of files, or a stream of shards: stream:PATH, https://... or pipe:COMMAND; the built-in
    synthetic set when absent."""
    hold_out: float = 0.0
    """Share of the items that training does not see; evaluate scores against it under the same flag."""
    outdir: Path = Path("runs")
    """Where the run directory is made."""
    preset: Preset = "tiny"
    """Sizes of the networks and length of the training."""
    kimg: float | None = None
    """Length of the training in thousands of items; the preset's when absent."""
    batch: int | None = None
    """Items per step, of all processes together; the preset's when absent."""
    batch_gpu: int = 0
    """Items that a process works on at once: less memory, the same training. 0 for all of its items."""
    seed: int = 0
    """Decides the initial weights and every random draw."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs the networks under autocast."""
    losses: str = "full"
    """Comma-separated: full, random-resolution, variable-density, points, dense-patch, weights."""
    inrs: Path | None = None
    """With the loss weights: folder of functions that convert made of the same data."""
    views: LossOptions = field(default_factory=LossOptions)
    labels: str | None = None
    """Condition on a class: alone, the sub-folder that an item lies in; or where it stands in the file's name, such as
    "{label}_*"."""
    gamma: float | None = None
    """Strength of the gradient penalties; the preset's when absent."""
    path_length: float = 0.0
    """Strength of the path-length regularisation of the generator, for even interpolations; 0 for none."""
    path_every: int = 8
    """Steps between its penalties."""
    augment: Literal["none", "fixed", "adaptive"] = "none"
    """Transform reals and fakes by chance, where there are few items."""
    augment_p: float = 0.0
    """Chance of every transform: fixed, or where adaptive starts."""
    augment_target: float = 0.6
    """Adaptive: how surely the critic should tell reals from fakes, 0 by chance and 1 without an error."""
    augment_kimg: float = 100.0
    """Adaptive: thousand items over which the chance may go from 0 to 1."""
    backbone: Backbone | None = None
    """What the generated weights are the weights of; what suits the modality when absent."""
    resume: Path | None = None
    """Go on with this run directory exactly where it stopped; its own configuration counts."""
    run_dir: Path | None = None
    """Train in this very directory: start there, or go on where it holds a run. For commands that are started anew
    after every crash."""
    init_from: str | None = None
    """Start from the weights of a generator: folder, run or Hub id."""
    max_minutes: float = float("inf")
    """Stop after so many minutes, resumably."""
    save_minutes: float = 15.0
    """Save the state at least so often, between snapshots."""
    ahead: int | None = None
    """Steps whose data a thread prepares meanwhile; 2 with a GPU and 0 without when absent."""
    watch_every: int = 100
    """Steps between looks at every layer's activations and gradients; 0 for none."""
    compile: bool = False
    """Compile the networks with torch.compile."""
    dry_run: bool = False
    """Print what would be trained and stop."""
    quiet: bool = False
    """No progress bar and no messages."""


@dataclass(kw_only=True)
class Sample:
    """Write samples to a file, by its suffix."""

    run: Positional[str]
    """Run directory, save_pretrained folder or Hub id."""
    out: Path
    """File to write."""
    seeds: str = "0-15"
    """Like 0-15 or 1,4,9."""
    latents: Path | None = None
    """File of project: its functions, instead of seeds."""
    resolution: str | None = None
    """Samples on the shortest side, or a whole shape like 512x1024 (rows x columns); the training resolution
    when absent."""
    rate: Annotated[float | None, tyro.conf.arg(aliases=["--fps"])] = None
    """Of signals with time: samples or frames per second."""
    seconds: float | None = None
    """Of signals with time: how long, from the start on; the length of the training window when absent."""
    region: str | None = None
    """Part of the domain, lower corner then upper corner, x first: x0,y0,x1,y1; may reach outside."""
    view: str | None = None
    """Look from a place that the modality has a name for, instead of at the domain or a region."""
    truncation: float = 1.0
    """1 for the model as it is; less trades variety for quality."""
    label: str | None = None
    """Class of a conditional generator, by name or number."""
    part_seeds: tuple[str, ...] = ()
    """Parts of the latent from other seeds, each as NAME=SEEDS; --NAME-seed SEEDS says the same. As many seeds as
    samples, or one for all."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""


@dataclass(kw_only=True)
class Render:
    """Write one sample of any size to a file, in tiles; goes on where it was after a stop."""

    run: Positional[str]
    """Run directory, save_pretrained folder or Hub id."""
    out: Path
    """File to write: .tif (tiled pyramidal BigTIFF), .png, .dzi (deep zoom, with a page that shows it), .zarr, or .wav
    of sounds; with --density any of sample's suffixes, or .npz for the points themselves."""
    seed: int = 0
    """Of the sample."""
    latents: Path | None = None
    """As for sample: one function, instead of a seed."""
    resolution: str | None = None
    """As for sample: 65536, or 32768x65536 (rows x columns)."""
    rate: Annotated[float | None, tyro.conf.arg(aliases=["--fps"])] = None
    """As for sample."""
    seconds: float | None = None
    """As for sample."""
    region: str | None = None
    """As for sample."""
    density: str | None = None
    """Evaluate at points as dense as this map says, and interpolate: gradient, foveated:x,y or a .npy file."""
    points: int | None = None
    """With --density: how many points; a tenth of the samples when absent."""
    truncation: float = 1.0
    """As for sample."""
    label: str | None = None
    """As for sample."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    quiet: bool = False
    """No progress bar and no messages."""


@dataclass(kw_only=True)
class Interpolate:
    """Write a walk between samples to a file, by its suffix."""

    run: Positional[str]
    """Run directory, save_pretrained folder or Hub id."""
    out: Path
    """File to write."""
    seeds: str = "0-3"
    """Stops of the walk."""
    frames: int = 120
    """Steps of the walk."""
    fps: float = 24.0
    """Steps per second."""
    resolution: str | None = None
    """As for sample."""
    rate: float | None = None
    """As for sample."""
    seconds: float | None = None
    """As for sample."""
    truncation: float = 1.0
    """As for sample."""
    label: str | None = None
    """As for sample."""
    loop: bool = False
    """Come back to the first stop."""
    path: Literal["line", "arc"] = "line"
    """Between stops: straight lines of mapped latents, or great circles of latents."""
    pace: Literal["latent", "uniform"] = "latent"
    """uniform removes abrupt changes: constant speed measured in the signal instead of the latent."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""


@dataclass(kw_only=True)
class Evaluate:
    """Score a generator against data; prints a table and appends to the run's metrics.jsonl."""

    run: Positional[str]
    """Run directory, save_pretrained folder or Hub id."""
    data: Path | None = None
    """Folder, zip or tar shards, best a part that training did not see; built-in items that no training sees when
    absent."""
    hold_out: float = 0.0
    """As for train: score against the share of the data that training did not see."""
    labels: str | None = None
    """As for train: what the metric labels compares with."""
    metrics: str | None = None
    """Comma-separated names; those that the modality chooses when absent."""
    count: int = 2048
    """Fakes, and at most as many reals."""
    resolution: int | None = None
    """Samples on the shortest side; the training resolution when absent."""
    truncation: float = 1.0
    """As for sample."""
    seed: int = 0
    """Of every random choice of the protocol."""
    sheet: Path | None = None
    """Also write eight reals, then eight fakes, to one file, by its suffix as for sample."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""


@dataclass(kw_only=True)
class Analyze:
    """Measure what a generator does between latents and signals; writes a report with plots, and JSON."""

    run: Positional[str]
    """Run directory, save_pretrained folder or Hub id."""
    study: Positional[Literal["interpolation", "geometry", "stability"]]
    """interpolation: where walks between samples jump, and which stage makes them. geometry: what linear maps read off
    the latents, and how much of a walk is motion. stability: how the layers fared in training, by the run's records."""
    out: Path | None = None
    """Folder of the report; analysis in RUN when absent."""
    paths: int = 32
    """Walks between samples."""
    steps: int | None = None
    """Of each walk; 64, of geometry 8, when absent."""
    samples: int = 1024
    """Of geometry: samples that are probed."""
    points: int = 1024
    """Of the domain, at which signals are compared."""
    factor: float = 10.0
    """Of stability: growth from which a layer counts as having left its size."""
    seed: int = 0
    """The first of the samples."""
    truncation: float = 1.0
    """As for sample."""
    label: str | None = None
    """As for sample; the first class when absent."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    quiet: bool = False
    """No progress bar."""


@dataclass(kw_only=True)
class Project:
    """Find the latent, and the function, nearest to a real signal that is known as a whole or in part."""

    run: Positional[str]
    """Run directory, save_pretrained folder or Hub id."""
    data: Positional[Path]
    """File, or data set as for train; or observations: an .npz file with coords (N, D) and values (N, C)."""
    out: Path | None = None
    """File of the latents, .safetensors, for sample --latents; named as DATA when absent. A .json beside it reports."""
    item: int = 0
    """Of a data set."""
    points: int | None = None
    """See so many of the samples alone, chosen by chance."""
    region: str | None = None
    """See what lies inside alone: lower corner, then upper corner, x first."""
    mask: Path | None = None
    """See alone where this .npy array, of the grid's shape, is not 0."""
    resolution: int | None = None
    """Samples on the shortest side; the training resolution when absent."""
    steps: int = 300
    """Of the search for the latent."""
    tune: int = 0
    """Steps that tune the function's own weights beyond what the generator makes; 0 for none."""
    prior: float = 1e-3
    """Weight of being probable; more where little is known."""
    starts: int = 64
    """Random latents of which the search starts with the best."""
    sheet: Path | None = None
    """Also write the signal, what was seen of it, and what was found, to one file, by its suffix as for sample."""
    label: str | None = None
    """As for sample; the first class when absent."""
    seed: int = 0
    """Of every chance."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    quiet: bool = False
    """No progress bar."""


@dataclass(kw_only=True)
class ConvertFlags:
    """Fit every item of a data set by a function with the generator's backbone."""

    data: Positional[str | None] = None
    """Folder, zip or tar shards, as for train; the built-in synthetic set when absent."""
    to: Literal["inrs"]
    """What to make of the items: functions."""
    out: Path
    """Folder of the functions; after a stop the same command goes on where it was."""
    preset: Preset = "tiny"
    """Sizes of the functions: as for train, so that they are those of the generator."""
    backbone: Backbone | None = None
    """As for train."""
    count: int | None = None
    """The first so many items; all when absent."""
    fitting: FitOptions = field(default_factory=FitOptions)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    quiet: bool = False
    """No progress bar and no messages."""


@dataclass(kw_only=True)
class Shard:
    """Write the files of a folder or zip to tar shards in WebDataset layout, whole or not at all."""

    data: Positional[Path]
    """Folder or zip; or shards, to make others of them."""
    out: Positional[Path]
    """Folder to make; nothing is written over."""
    labels: str | None = None
    """As for train: also write each item's class as KEY.cls, and the classes' names to classes.txt."""
    shard_mb: float = 256.0
    """Largest size of a shard, in MiB, unless one item is larger."""
    seed: int = 0
    """Of the order in which files are written."""
    quiet: bool = False
    """No progress bar and no messages."""


@dataclass(kw_only=True)
class Info:
    """Print versions, devices, and which adapters are usable and why not."""


_COMMANDS: dict[str, type] = {
    "sample": Sample,
    "render": Render,
    "interpolate": Interpolate,
    "evaluate": Evaluate,
    "analyze": Analyze,
    "project": Project,
    "shard": Shard,
    "info": Info,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; user errors are one line on stderr and exit code 2."""
    args = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    keep_freed_memory()
    try:
        _dispatch(args)
    except InrganError as error:
        print(f"inrgan: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _dispatch(args: list[str]) -> None:
    from inrgan import _analyze_command, _commands, _project_command, _render_command, _shard_command

    if not args or args[0] in ("-h", "--help"):
        print(_overview())
        return
    command, rest = args[0], args[1:]
    if command == "train":
        _train(rest)
    elif command == "convert":
        _convert(rest)
    elif command in _COMMANDS:
        flags = tyro.cli(_COMMANDS[command], args=_part_seeds(_named_labels(rest)), prog=f"inrgan {command}")
        run: dict[str, Callable[..., None]] = {
            "sample": _commands.sample,
            "render": _render_command.render,
            "interpolate": _commands.interpolate,
            "evaluate": _commands.evaluate,
            "analyze": _analyze_command.analyze,
            "project": _project_command.run_project,
            "shard": _shard_command.shard,
            "info": lambda _: _commands.info(),
        }
        run[command](flags)
    else:
        raise ConfigError(f"unknown command {command!r}; expected train, convert, {', '.join(_COMMANDS)}")


def _train(args: list[str]) -> None:
    from inrgan import _commands
    from inrgan.registry import modality_class, modality_names

    names = ", ".join(sorted(modality_names()))
    if not args or args[0] in ("-h", "--help"):
        print(f"usage: inrgan train MODALITY [flags]\n\nMODALITY is one of: {names}\n"
              "Flags: inrgan train MODALITY --help")  # fmt: skip
        if not args:
            raise ConfigError(f"train needs the kind of signal; expected one of {names}")
        return
    cls = modality_class(args[0])
    args = _named_labels(args)
    flags = _with_fields_of(cls, TrainFlags, args=args[1:], prog=f"inrgan train {args[0]}")
    _commands.train(flags, modality=flags.modality)


def _convert(args: list[str]) -> None:
    from inrgan import _convert_command
    from inrgan.registry import modality_class, modality_names

    known = ", ".join(sorted(modality_names()))
    rest, name = [], None
    words = iter(args)
    for arg in words:
        if arg.split("=")[0] == "--modality":
            name = arg.partition("=")[2] or next(words, "")
        else:
            rest.append(arg)
    if name is None:
        print(f"usage: inrgan convert [DATA] --to inrs --modality M --out FOLDER [flags]\n\nM is one of: {known}\n"
              "Flags: inrgan convert --modality M --help")  # fmt: skip
        if not args or not {"-h", "--help"} & set(args):
            raise ConfigError(f"convert needs the kind of signal: --modality, one of {known}")
        return
    flags = _with_fields_of(modality_class(name), ConvertFlags, args=rest, prog=f"inrgan convert --modality {name}")
    _convert_command.run_convert(flags, modality=flags.modality)


def _with_fields_of(cls: type, flags: type, *, args: list[str], prog: str) -> Any:
    """Parse flags of a command, beside which the adapter's own fields (resolution, channels, ...) are flags, too."""
    from dataclasses import make_dataclass

    combined = make_dataclass(
        flags.__name__,
        [("modality", Annotated[cls, tyro.conf.arg(name="")], field(default_factory=cls))],  # type: ignore[valid-type]
        bases=(flags,),
        kw_only=True,
    )
    combined.__doc__ = flags.__doc__
    return tyro.cli(OmitArgPrefixes[combined], args=args, prog=prog)


def _named_labels(args: list[str]) -> list[str]:
    """``--labels`` alone means the folders: the parser knows no flag whose value may be left out."""
    from inrgan._commands import FOLDERS

    out = []
    for arg, after in pairwise([*args, "--"]):
        out.append(f"{arg}={FOLDERS}" if arg == "--labels" and after.startswith("-") else arg)
    return out


def _part_seeds(args: list[str]) -> list[str]:
    """``--NAME-seed SEEDS``, for whatever parts a latent has, to the one flag that the parser knows."""
    out, found = [], []
    words = iter(args)
    for arg in words:
        match = re.fullmatch(r"--([a-z]+)-seeds?(?:=(.*))?", arg)
        if match is None or match[1] == "part":
            out.append(arg)
        else:
            found.append(f"{match[1]}={match[2] if match[2] is not None else next(words, '')}")
    return [*out, "--part-seeds", *found] if found else out


def _overview() -> str:
    lines = ["usage: inrgan COMMAND ...", "", "  train MODALITY   Train a generator."]
    lines += ["  convert          Fit every item of a data set by a function with the generator's backbone."]
    lines += [f"  {name:<16} {(cls.__doc__ or '').splitlines()[0]}" for name, cls in _COMMANDS.items()]
    return "\n".join([*lines, "", "inrgan COMMAND --help tells a command's flags."])
