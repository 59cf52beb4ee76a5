"""Start of a training from the weights of another generator."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from inrgan.checkpoint import GeneratorFile, load_generator, resolve
from inrgan.config import TrainConfig
from inrgan.data import normalized
from inrgan.errors import CheckpointError
from inrgan.generator import Generator
from inrgan.registry import rebuild_as
from inrgan.sizes import PRESETS
from inrgan.transfer import transfer


def load_initial(
    G: nn.Module, init_from: str | Path, *, config: TrainConfig, labels: Sequence[str], partial: bool
) -> str:
    """Load the weights that a training starts from.

    Args:
        G: Generator that is changed.
        init_from: Folder, run or Hub id of the other generator.
        config: Configuration of the training.
        labels: Names of its classes.
        partial: Take over what fits, instead of requiring that everything does.

    Returns:
        What was taken over, in words.

    Raises:
        CheckpointError: The other generator cannot be read, or does not fit; the message names the flags.
    """
    folder = resolve(init_from)
    described, tensors = load_generator(folder)
    if not isinstance(G, Generator):
        described.load_into(G, tensors)
        return f"weights of {folder}"
    mine = config.modality
    if described.modality_name != mine.name:
        raise CheckpointError(
            f"{folder} is a generator of {described.modality_name}, and {mine.name} is trained; start from one of "
            f"{mine.name}"
        )
    if partial:
        other = Generator(rebuild_as(type(mine), described.arguments), labels=described.labels, sizes=described.sizes)
        described.load_into(other, tensors)
        return f"from {folder}: {transfer(other, G)}"
    differing = _differing(G, described, tensors, config=config, labels=labels)
    if differing:
        raise CheckpointError(
            f"{folder} does not fit: it has {', '.join(differing)}; give the same, or --init-partial to take over what "
            "fits"
        )
    described.load_into(G, tensors)
    return f"from {folder}: all parameters taken over"


def _differing(
    G: Generator, described: GeneratorFile, tensors: dict[str, Tensor], *, config: TrainConfig, labels: Sequence[str]
) -> list[str]:
    """What of the other generator does not fit, as flags with its values and those of the training."""
    found = []
    theirs, mine = [normalized(name) for name in described.labels], list(labels)
    if theirs != mine:
        found.append(f"{_listed(theirs)} where --labels gives {_listed(mine)}")
    sizes = dataclasses.replace(described.sizes, classes=G.sizes.classes)
    found += _sizes(G, described, config) if sizes != G.sizes else []
    shapes = {name: x.shape for name, x in G.state_dict().items()}
    if found or shapes == {name: x.shape for name, x in tensors.items()}:
        return found
    for name, value in described.arguments.items():
        own = config.modality.arguments().get(name)
        if value != own and _shapes_with(G, config, name, value) != shapes:
            found.append(f"--{name.replace('_', '-')} {value}, not {own}")
    return found or ["other tensors, of another version of inrgan"]


def _sizes(G: Generator, described: GeneratorFile, config: TrainConfig) -> list[str]:
    """Sizes that differ, as the preset and the resolution where they decide them."""
    theirs = dataclasses.replace(described.sizes, classes=0)
    resolution = described.arguments.get("resolution")
    for preset in PRESETS:
        at = config.modality if resolution is None else config.modality.at(int(resolution))
        if theirs == at.generator_sizes(preset):
            found = [] if preset == config.preset else [f"--preset {preset}, not {config.preset}"]
            if resolution != config.modality.resolution:
                found.append(f"--resolution {resolution}, not {config.modality.resolution}")
            if found:
                return found
    mine = dataclasses.asdict(G.sizes)
    return [
        f"--generator with {name} {value}, not {mine[name]}"
        for name, value in dataclasses.asdict(described.sizes).items() if name != "classes" and value != mine[name]
    ]  # fmt: skip


def _shapes_with(G: Generator, config: TrainConfig, name: str, value: object) -> dict[str, torch.Size]:
    """Shapes of the tensors of a generator whose modality has one other argument."""
    arguments = {**config.modality.arguments(), name: value}
    other = Generator(rebuild_as(type(config.modality), arguments), labels=G.labels, sizes=G.sizes)
    return {key: x.shape for key, x in other.state_dict().items()}


def _listed(labels: Sequence[str]) -> str:
    if not labels:
        return "no classes"
    return f"the {len(labels)} classes {', '.join(labels[:3])}" + ", ..." * (len(labels) > 3)
