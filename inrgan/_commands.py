"""What the commands of the command line do."""

import dataclasses
import json
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from inrgan._parse import parse_numbers, parse_seeds
from inrgan._plain import to_plain
from inrgan._pretrained import resolve
from inrgan._progress import progress_bar
from inrgan._typing import Tensor
from inrgan.capabilities import HasNamedViews, HasTime, WritesFields
from inrgan.errors import ConfigError, InrganError, RunDirectoryError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.latents import load_latents
from inrgan.losses import LossOptions
from inrgan.modality import Modality
from inrgan.registry import modality_class, modality_names, rebuild
from inrgan.training import Ranks, TrainConfig, Trainer, pick_device

FOLDERS = "folders"
"""What ``--labels`` without a pattern means."""

if TYPE_CHECKING:
    from inrgan.cli import Evaluate, Interpolate, Render, Sample, TrainFlags
    from inrgan.data import AbstractSource


def train(flags: "TrainFlags", *, modality: Modality) -> None:
    """Train, or say what would be trained."""
    ranks = Ranks.join(flags.device)
    config = ranks.share(_config(flags, modality) if ranks.first else TrainConfig(modality=modality))
    if flags.dry_run:
        if ranks.first:
            print(json.dumps(config.to_json(), indent=2))
            print(_sizes(config))
        return
    trainer = Trainer(
        config, outdir=flags.outdir, resume=flags.resume, run_dir=flags.run_dir, init_from=flags.init_from,
        quiet=flags.quiet, ranks=ranks,
    )  # fmt: skip
    try:
        trainer.fit(max_minutes=flags.max_minutes, save_minutes=flags.save_minutes)
    finally:
        trainer.close()


def sample(flags: "Sample") -> None:
    """Render seeds and write them."""
    G = load(flags.run, flags.device)
    modality = G.modality
    shape, region = where(flags, modality, region=flags.region)
    if flags.view is not None and region is not None:
        raise ConfigError("--view and --region both say where to look; give one of them")
    suffix = flags.out.suffix.lower()
    if suffix in modality.whole_suffixes and (flags.view is not None or region is not None):
        raise ConfigError(
            f"{suffix} files hold the whole domain; leave out --view and --region, or choose another suffix"
        )
    fields = _fields(flags, G)
    if isinstance(modality, WritesFields) and suffix in modality.field_suffixes:
        modality.write_field(fields, flags.out, shape=shape)
        return
    if flags.view is None:
        values = fields.render(shape, region=region)
        modality = modality.over(shape, region) if isinstance(modality, HasTime) else modality
    elif not isinstance(modality, HasNamedViews):
        raise ConfigError(
            f"the view {flags.view!r} was asked of {modality.name}, which has no named views; use a region"
        )
    else:
        text = flags.resolution or str(modality.resolution)
        # A shape says how many samples its shorter side has; the whole domain's need not be that many.
        resolution = int(text) if text.isdigit() else min(shape)
        view = modality.named_view(flags.view, resolution=resolution).to(fields.device)
        values = fields.look(view)
        if view.weights is not None:
            values = values.masked_fill(view.weights.reshape(view.shape) == 0, math.inf)
    modality.write(values.cpu(), flags.out)


def _fields(flags: "Sample", G: Generator) -> Field:
    """The functions that the flags ask for."""
    parts = _parts(flags.part_seeds)
    if flags.latents is not None:
        if parts or flags.label is not None or flags.truncation != 1:
            raise ConfigError("--latents are functions as they are; leave out --label, --truncation and seeds of parts")
        return load_latents(flags.latents, G)
    seeds = parse_seeds(flags.seeds)
    if len(seeds) == 1:  # one sample with many of a part
        seeds = seeds * max([1, *map(len, parts.values())])
    return G.sample(seeds, truncation=flags.truncation, label=flags.label, parts=parts)


def interpolate(flags: "Interpolate") -> None:
    """Render a walk between seeds and write it."""
    from inrgan.analysis import probe_view
    from inrgan.interpolation import uniform_pace

    G = load(flags.run, flags.device)
    modality = G.modality
    shape, region = where(flags, modality, region=None)
    if flags.pace == "uniform":
        fine = _course(flags, G, steps=4 * flags.frames)
        view = probe_view(modality, points=1024).to(G.device)
        path = uniform_pace(fine, G.field, view, steps=flags.frames, loop=flags.loop)
    else:
        path = _course(flags, G, steps=flags.frames)
    frames = []
    with progress_bar(len(path), unit="frame") as bar:
        for w in path:
            frames.append(G.field(w[None]).render(shape, region=region).cpu())
            bar.update()
    writer = modality.over(shape, region) if isinstance(modality, HasTime) else modality
    writer.write_interpolation(torch.cat(frames), flags.out, rate=flags.fps)


def _course(flags: "Interpolate", G: Generator, *, steps: int) -> Tensor:
    """The points of the walk that the flags ask for."""
    from inrgan.analysis import stages_of
    from inrgan.interpolation import arc, walk

    seeds = parse_seeds(flags.seeds)
    if flags.path == "line":
        stops = G.sample_w(seeds, truncation=flags.truncation, label=flags.label)
        return walk(stops, steps=steps, loop=flags.loop)
    if G.labels and flags.label is None:
        raise ConfigError("an arc of latents has one class; give it with --label, or walk along a line")
    stages = stages_of(G, label=flags.label, truncation=flags.truncation)
    with torch.no_grad():
        return stages.mapping(arc(G.latents(seeds), steps=steps, loop=flags.loop))


def evaluate(flags: "Evaluate") -> None:
    """Score, print, and append to metrics.jsonl."""
    from inrgan.evaluation import held_out_source, score_generator
    from inrgan.metrics import scores_table

    G = load(flags.run, flags.device)
    source = held_out_source(
        G.modality, flags.data, labels=labels_asked(flags.labels), seed=flags.seed, share=flags.hold_out
    )
    folder = Path(flags.run)
    names = None if flags.metrics is None else [name.strip() for name in flags.metrics.split(",")]
    scores = score_generator(
        G, source, metrics=names, count=flags.count, resolution=flags.resolution, seed=flags.seed,
        truncation=flags.truncation, kept=folder / "classifiers" if folder.is_dir() else None,
    )  # fmt: skip
    print(scores_table(scores))
    if folder.is_dir():
        snapshot = resolve(folder).name
        with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
            for score in scores:
                file.write(json.dumps({"snapshot": snapshot, **json.loads(score.to_json())}) + "\n")
    if flags.sheet is not None:  # last, so that a sheet that cannot be written costs no scores
        _write_sheet(flags.sheet, G, source, flags)


def _write_sheet(path: Path, G: Generator, source: "AbstractSource", flags: "Evaluate") -> None:
    """Eight reals, then eight fakes, in one file."""
    from inrgan.evaluation import observe_reals, render_fakes

    domain, modality = G.modality.domain, G.modality
    view = domain.grid(domain.shape(modality.resolution if flags.resolution is None else flags.resolution))
    real = observe_reals(source, modality, view, count=8, seed=flags.seed)
    fake = render_fakes(G, view, count=8, seed=flags.seed, truncation=flags.truncation)
    modality.write(torch.cat([real, fake]), path)


def info() -> None:
    """Versions, devices and adapters."""
    import inrgan

    print(f"inrgan {inrgan.__version__}, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"CPU threads: {torch.get_num_threads()}")
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


def where(
    flags: "Sample | Render | Interpolate", modality: Modality, *, region: str | None
) -> tuple[tuple[int, ...], Sequence[float] | None]:
    """The array shape and the region that a command's flags ask for.

    Raises:
        ConfigError: flags that contradict each other.
    """
    if flags.rate is None and flags.seconds is None:
        shape = modality.array_shape(flags.resolution)
        return shape, None if region is None else parse_numbers(region, what="region")
    if region is not None:
        raise ConfigError("--rate and --seconds say where to look as --region does; give one or the other")
    if not isinstance(modality, HasTime):
        raise ConfigError(f"--rate and --seconds were given for {modality.name}, which has no time; use --resolution")
    return modality.window(rate=flags.rate, seconds=flags.seconds, resolution=flags.resolution)


def _parts(texts: Sequence[str]) -> dict[str, list[int]]:
    """Seeds of parts of the latent, from ``NAME=SEEDS``."""
    found = {}
    for text in texts:
        name, equals, seeds = text.partition("=")
        if not equals:
            raise ConfigError(f"--part-seeds has {text!r}; expected NAME=SEEDS, such as motion=3")
        found[name] = parse_seeds(seeds)
    return found


def labels_asked(text: str | None) -> bool | str:
    """What ``--labels`` asks of a source."""
    return text is not None and (True if text == FOLDERS else text)


def load(run: str, device: str) -> Generator:
    """The generator that a command is about."""
    return Generator.from_pretrained(run, device=pick_device(device))


def _config(flags: "TrainFlags", modality: Modality) -> TrainConfig:
    """The configuration that the flags give, or that of the run that they go on with."""
    resumed = flags.resume
    if resumed is None and flags.run_dir is not None and (flags.run_dir / "config.json").exists():
        resumed = flags.run_dir
    return _resumed(flags, modality, resumed) if resumed is not None else _configured(flags, modality)


def _configured(flags: "TrainFlags", modality: Modality) -> TrainConfig:
    from inrgan.recipes import recipe

    config = recipe(flags.preset, modality)
    given: dict[str, Any] = {
        name: value
        for name, value in {"kimg": flags.kimg, "batch": flags.batch, "gamma": flags.gamma}.items()
        if value is not None
    }
    if flags.backbone is not None:
        given["generator"] = modality.generator_sizes(flags.preset, backbone=flags.backbone)
    return dataclasses.replace(
        config,
        data=flags.data,
        hold_out=flags.hold_out,
        labels=flags.labels is not None,
        label_pattern=flags.labels if flags.labels not in (None, FOLDERS) else "",
        seed=flags.seed,
        device=flags.device,
        precision=flags.precision,
        losses=tuple(name.strip() for name in flags.losses.split(",")),
        views=dataclasses.replace(config.views, **_changed(flags.views)),
        path_length=flags.path_length,
        path_every=flags.path_every,
        inrs=None if flags.inrs is None else str(flags.inrs),
        augment=flags.augment,
        augment_p=flags.augment_p,
        augment_target=flags.augment_target,
        augment_kimg=flags.augment_kimg,
        compile=flags.compile,
        batch_gpu=flags.batch_gpu,
        ahead=flags.ahead,
        watch_every=flags.watch_every,
        **given,
    )


def _changed(options: LossOptions) -> dict[str, Any]:
    """What was asked for: the rest is the recipe's."""
    given, default = to_plain(options), to_plain(LossOptions())
    return {name: value for name, value in given.items() if value != default[name]}


def _resumed(flags: "TrainFlags", modality: Modality, folder: Path) -> TrainConfig:
    from inrgan.training import RunDirectory

    if not folder.is_dir():
        raise RunDirectoryError(f"there is no run directory at {folder}")
    saved = RunDirectory(folder, held=False).read_config()  # the trainer takes hold of it
    described = saved.get("modality")
    if not isinstance(described, dict) or "name" not in described:
        raise ConfigError(f"{folder}/config.json names no modality; it is not a run of inrgan")
    kept = rebuild(str(described["name"]), described.get("arguments"))
    if modality not in (kept, type(kept)()):
        raise ConfigError(f"{folder} was trained with {kept}; resume it with the same flags, or with none")
    config = TrainConfig.from_json(saved, modality=kept, given=flags.data)
    changes: dict[str, Any] = {
        name: getattr(flags, name) for name in ("device", "compile", "batch_gpu", "ahead", "watch_every")
    }
    if flags.kimg is not None:
        changes["kimg"] = flags.kimg
    return dataclasses.replace(config, **changes)


def _sizes(config: TrainConfig) -> str:
    generator, critic = config.sizes(classes=0)
    G = Generator(config.modality, sizes=generator)
    whole = config.looks.whole_resolution(config.losses, config.modality.resolution)
    D = config.modality.at(whole).critic(critic)

    def millions(module: torch.nn.Module) -> str:
        return f"{sum(p.numel() for p in module.parameters()) / 1e6:.2f} M parameters"

    return f"generator: {millions(G)}; critic: {millions(D)}"
