"""Generators on disk: ``config.json`` beside ``model.safetensors``, and nothing that can run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from inrgan._plain import from_plain, to_plain
from inrgan._sizes import GeneratorSizes
from inrgan._typing import Tensor
from inrgan.errors import CheckpointError, ConfigError, InrganError
from inrgan.files import read_json, replacing, write_json
from inrgan.modality import Modality
from inrgan.registry import rebuild

FORMAT = "inrgan-generator"
VERSION = 1


@dataclass(frozen=True)
class GeneratorFile:
    """What ``config.json`` says of a generator."""

    where: Path
    modality_name: str
    arguments: dict[str, Any]
    sizes: GeneratorSizes
    labels: tuple[str, ...]

    def modality(self) -> Modality:
        """The adapter, rebuilt from its name and arguments.

        Raises:
            UnknownModality: no adapter has the name.
            ConfigError: the arguments do not fit the adapter.
        """
        return rebuild(self.modality_name, self.arguments)

    def load_into(self, module: nn.Module, tensors: dict[str, Tensor]) -> None:
        """Put the weights in place.

        Raises:
            CheckpointError: names or shapes differ from what the configuration describes.
        """
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            first = str(error).splitlines()[1:2] or [str(error)]
            raise CheckpointError(
                f"{self.where}: the weights do not fit the configuration beside them: {first[0].strip()}"
            ) from None


def save_generator(G: Any, folder: Path) -> None:
    """Write a generator to a folder, weights first, so that a folder with a configuration is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in G.state_dict().items()}
    data = save(tensors, metadata={"format": "pt"})
    with replacing(folder / "model.safetensors") as temporary:
        temporary.write_bytes(data)
    write_json(
        folder / "config.json",
        {
            "format": FORMAT,
            "version": VERSION,
            "modality": {"name": G.modality.name, "arguments": G.modality.arguments()},
            "generator": to_plain(G.sizes),
            "labels": list(G.labels),
        },
    )


def resolve(name: str | Path) -> Path:
    """The folder that a path, a run directory or a Hub id stands for.

    Raises:
        CheckpointError: nothing is there.
    """
    path = Path(name)
    if path.is_dir():
        return newest_snapshot(path) if (path / "stats.jsonl").exists() or not _holds(path) else path
    if path.exists():
        raise CheckpointError(f"{path} is a file; expected a run directory, a save_pretrained folder or a Hub id")
    if str(name).count("/") == 1 and not str(name).startswith((".", "/")):
        return _from_hub(str(name))
    raise CheckpointError(f"there is nothing at {path}; expected a run directory, a save_pretrained folder or a Hub id")


def newest_snapshot(run: Path) -> Path:
    """The last whole snapshot of a run directory.

    Raises:
        CheckpointError: it has none.
    """
    snapshots = sorted((p for p in run.glob("snapshot-*") if _holds(p)), key=lambda p: (len(p.name), p.name))
    if not snapshots:
        raise CheckpointError(f"{run} holds neither a generator nor a snapshot; expected config.json or snapshot-*/")
    return snapshots[-1]


def load_generator(folder: Path) -> tuple[GeneratorFile, dict[str, Tensor]]:
    """Read a folder's configuration and weights.

    Raises:
        CheckpointError: a file is missing, corrupt, truncated, foreign, or holds values that are not finite.
    """
    config_path, weights_path = folder / "config.json", folder / "model.safetensors"
    try:
        data = read_json(config_path)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no config.json; expected a save_pretrained folder") from None
    except ConfigError as error:
        raise CheckpointError(f"{error}; copy it anew from its source") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CheckpointError(f"{config_path} does not describe an inrgan generator; it is another program's file")
    if data.get("version") != VERSION:
        raise CheckpointError(
            f"{config_path} has format version {data.get('version')!r}, this inrgan reads {VERSION}; upgrade inrgan"
        )
    try:
        described = GeneratorFile(
            where=folder,
            modality_name=str(data["modality"]["name"]),
            arguments=dict(data["modality"]["arguments"]),
            sizes=from_plain(GeneratorSizes, data["generator"], what=f"the generator in {config_path}"),
            labels=tuple(str(label) for label in data["labels"]),
        )
    except InrganError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{config_path} lacks or garbles {error}; copy it anew from its source") from None
    try:
        tensors = load_file(weights_path)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no model.safetensors; copy it beside config.json") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{weights_path} is truncated or corrupt: {error}; copy it anew from its source"
        ) from None
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if broken:
        raise CheckpointError(f"{weights_path} holds NaN or infinity in {broken[0]}; take an earlier snapshot")
    return described, tensors


def _holds(folder: Path) -> bool:
    return (folder / "config.json").exists() and (folder / "model.safetensors").exists()


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["config.json", "model.safetensors"]))
    except Exception as error:  # the Hub's client raises many kinds: no such repository, no network, no access
        raise CheckpointError(
            f"there is no folder {name}, and the Hub has no generator of that id within reach: {type(error).__name__}"
        ) from None
