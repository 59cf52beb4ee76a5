"""Generators and latents on disk, as JSON and safetensors, which cannot run code.

A generator is a folder with ``config.json`` and ``model.safetensors``. Latents, and weights of single functions, are
one safetensors file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from inrgan._parsing import from_plain, to_plain
from inrgan.errors import CheckpointError, ConfigError, InrganError
from inrgan.field import Field
from inrgan.files import read_json, replacing, user_path, write_json
from inrgan.inr import AbstractINR, LayerWeights, Weights
from inrgan.modality import Modality
from inrgan.registry import rebuild
from inrgan.sizes import GeneratorSizes, current_sizes

FORMAT = "inrgan-generator"
VERSION = 1


@runtime_checkable
class LatentGenerator(Protocol):
    """The part of ``inrgan.Generator`` that latent files need; its module imports this one."""

    sizes: GeneratorSizes
    modality: Modality
    inr: AbstractINR
    mapping: Any

    def field(self, w: Tensor) -> Field: ...


@dataclass(frozen=True)
class GeneratorFile:
    """Description of a saved generator, from its ``config.json``."""

    where: Path
    modality_name: str
    arguments: dict[str, Any]
    sizes: GeneratorSizes
    labels: tuple[str, ...]

    def modality(self) -> Modality:
        """Adapter, rebuilt from its name and arguments.

        Raises:
            UnknownModality: No adapter has the name.
            ConfigError: The arguments do not fit the adapter.
        """
        return rebuild(self.modality_name, self.arguments)

    def load_into(self, module: nn.Module, tensors: dict[str, Tensor]) -> None:
        """Load the weights into a module.

        Raises:
            CheckpointError: Names or shapes differ from those of the configuration.
        """
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            first = str(error).splitlines()[1:2] or [str(error)]
            raise CheckpointError(
                f"{self.where}: the weights do not fit the configuration beside them: {first[0].strip()}"
            ) from None


def save_generator(G: Any, folder: Path) -> None:
    """Write a generator to a folder, weights first, so that a folder with a configuration is complete."""
    folder = user_path(folder)
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
    """Folder of the generator at a path, in a run directory or on the Hub.

    Raises:
        CheckpointError: There is no generator.
    """
    path = user_path(name)
    if path.is_dir():
        return newest_snapshot(path) if (path / "stats.jsonl").exists() or not _holds(path) else path
    if path.exists():
        raise CheckpointError(f"{path} is a file; expected a run directory, a save_pretrained folder or a Hub id")
    if str(name).count("/") == 1 and not str(name).startswith((".", "/")):
        return _from_hub(str(name))
    raise CheckpointError(f"there is nothing at {path}; expected a run directory, a save_pretrained folder or a Hub id")


def newest_snapshot(run: Path) -> Path:
    """Newest complete snapshot of a run directory.

    Raises:
        CheckpointError: There is none.
    """
    snapshots = sorted((p for p in run.glob("snapshot-*") if _holds(p)), key=lambda p: (len(p.name), p.name))
    if not snapshots:
        raise CheckpointError(f"{run} holds neither a generator nor a snapshot; expected config.json or snapshot-*/")
    return snapshots[-1]


def load_generator(folder: Path) -> tuple[GeneratorFile, dict[str, Tensor]]:
    """Read a folder's configuration and weights.

    Raises:
        CheckpointError: A file is missing, corrupt, truncated or foreign, or has values that are not finite.
    """
    described, weights_path = _described(folder / "config.json"), folder / "model.safetensors"
    try:
        tensors = load_file(weights_path)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no model.safetensors; copy it beside config.json") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{weights_path} is truncated or corrupt: {error}; copy it again from its source"
        ) from None
    broken = [k for k, v in tensors.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if broken:
        raise CheckpointError(f"{weights_path} has NaN or infinity in {broken[0]}; use an earlier snapshot")
    return described, tensors


def read_labels(folder: Path) -> tuple[str, ...]:
    """Names of the classes of a saved generator, in their order, without reading its weights.

    Raises:
        CheckpointError: Its configuration is missing, corrupt or foreign.
    """
    return _described(folder / "config.json").labels


def _described(config_path: Path) -> GeneratorFile:
    folder = config_path.parent
    try:
        data = read_json(config_path)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no config.json; expected a save_pretrained folder") from None
    except ConfigError as error:
        raise CheckpointError(f"{error}; copy it again from its source") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CheckpointError(f"{config_path} does not describe an inrgan generator; it is another program's file")
    if data.get("version") != VERSION:
        raise CheckpointError(
            f"{config_path} has format version {data.get('version')!r}, this inrgan reads {VERSION}; upgrade inrgan"
        )
    try:
        return GeneratorFile(
            where=folder,
            modality_name=str(data["modality"]["name"]),
            arguments=dict(data["modality"]["arguments"]),
            sizes=from_plain(GeneratorSizes, current_sizes(data["generator"]), what=f"the generator in {config_path}"),
            labels=tuple(str(label) for label in data["labels"]),
        )
    except InrganError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{config_path} lacks an entry, or one is corrupt: {error}; copy it again from its source"
        ) from None


def _holds(folder: Path) -> bool:
    return (folder / "config.json").exists() and (folder / "model.safetensors").exists()


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=["config.json", "model.safetensors"]))
    except Exception as error:  # the Hub's client raises many errors: no such repository, no network, no access
        raise CheckpointError(
            f"there is no folder {name}, and the Hub has no generator of that id within reach: {_reason(error)}"
        ) from None


def _reason(error: Exception) -> str:
    """The kind of an error and the start of its message, on one line."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:200]}{'...' * (len(words) > 200)}"


def save_latents(
    path: str | Path, w: Float[Tensor, "B W"], *, weights: Weights | None = None, generator: LatentGenerator
) -> None:
    """Write mapped latents, and the weights of their functions where the generator would make others.

    The file is safetensors: ``w``, and ``weight.NAME`` and ``bias.NAME`` of every layer.

    Args:
        path: File to write; it appears complete or not at all.
        w: B mapped latents.
        weights: Weights of B functions; None where they follow from ``w``.
        generator: Generator that the latents belong to.

    Raises:
        WriteError: The file cannot be written.

    Example:
        >>> save_latents("cat.safetensors", G.sample_w([0]), generator=G)
    """
    tensors = {"w": w}
    if weights is not None:
        for spec, layer in zip(generator.inr.layers, weights, strict=True):
            tensors |= {f"weight.{spec.name}": layer.weight, f"bias.{spec.name}": layer.bias}
    data = save({name: x.detach().cpu().contiguous() for name, x in tensors.items()}, metadata={"format": "pt"})
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)


def load_latents(path: str | Path, generator: LatentGenerator) -> Field:
    """Functions of a file that ``save_latents`` wrote.

    Args:
        path: File to read.
        generator: Generator that the latents belong to.

    Raises:
        CheckpointError: The file is missing, corrupt, not finite, or belongs to another generator.

    Example:
        >>> load_latents("cat.safetensors", G).render((64, 64)).shape
        torch.Size([1, 3, 64, 64])
    """
    tensors, like = _read(path, generator), generator.mapping.w_mean
    if set(tensors) == {"w"}:
        with torch.no_grad():
            return generator.field(tensors["w"].to(like))
    return Field(generator.inr, _weights(path, tensors, generator, like), domain=generator.modality.domain)


def load_w(path: str | Path, generator: LatentGenerator) -> Float[Tensor, "B W"]:
    """Mapped latents of a file that ``save_latents`` wrote, with or without weights.

    Args:
        path: File to read.
        generator: Generator that the latents belong to.

    Raises:
        CheckpointError: The file is missing, corrupt, not finite, or belongs to another generator.

    Example:
        >>> load_w("cat.safetensors", G).shape
        torch.Size([1, 128])
    """
    return _read(path, generator)["w"]


def _read(path: str | Path, generator: LatentGenerator) -> dict[str, Tensor]:
    """All tensors of a file, checked: finite, and with latents of the generator."""
    try:
        tensors = load_file(Path(path))
    except FileNotFoundError:
        raise CheckpointError(f"there are no latents at {path}; expected a file of inrgan project") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} holds no latents: {error}; expected a file of inrgan project") from None
    w = tensors.get("w")
    if w is None or w.ndim != 2 or w.shape[0] < 1 or w.shape[1] != generator.sizes.w_dim:
        got = "none" if w is None else str(tuple(w.shape))
        raise CheckpointError(
            f"{path} has latents w of shape {got}; expected (number, {generator.sizes.w_dim}), of the same generator"
        )
    for name, x in tensors.items():
        if not x.is_floating_point() or not torch.isfinite(x).all():
            raise CheckpointError(f"{path} has NaN, infinity or integers in {name}; create it again")
    return tensors


def one_function(path: str | Path, generator: LatentGenerator) -> Field:
    """Function of a file that has exactly one.

    Raises:
        CheckpointError: As for ``load_latents``, or there are several functions.

    Example:
        >>> len(one_function("cat.safetensors", G))
        1
    """
    fields = load_latents(path, generator)
    if len(fields) != 1:
        raise CheckpointError(f"{path} holds {len(fields)} functions; expected one")
    return fields


def _weights(path: str | Path, tensors: Mapping[str, Tensor], generator: LatentGenerator, like: Tensor) -> Weights:
    count, out, expected = len(tensors["w"]), [], {"w"}
    for spec in generator.inr.layers:
        names = (f"weight.{spec.name}", f"bias.{spec.name}")
        shapes = ((count, spec.outputs, spec.inputs), (count, spec.outputs))
        for name, shape in zip(names, shapes, strict=True):
            if name not in tensors or tuple(tensors[name].shape) != shape:
                raise CheckpointError(f"{path} has no {name} of shape {shape}; it belongs to another generator")
        expected |= set(names)
        out.append(LayerWeights(tensors[names[0]].to(like), tensors[names[1]].to(like)))
    if set(tensors) != expected:
        raise CheckpointError(f"{path} has {min(set(tensors) - expected)}; it belongs to another generator")
    return out
