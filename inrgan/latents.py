"""Mapped latents, and weights of single functions, as files."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from inrgan._typing import Float, Tensor
from inrgan.errors import CheckpointError
from inrgan.field import Field
from inrgan.files import replacing
from inrgan.generator import Generator
from inrgan.inr import LayerWeights, Weights


def save_latents(
    path: str | Path, w: Float[Tensor, "B W"], *, weights: Weights | None = None, generator: Generator
) -> None:
    """Write mapped latents, and the weights of their functions where these are not what the generator would make.

    The file is safetensors: ``w``, and ``weight.NAME`` and ``bias.NAME`` of every layer.

    Args:
        path: of the file, which appears whole or not at all.
        w: B mapped latents.
        weights: of B functions; None where they follow from ``w``.
        generator: whose they are.

    Raises:
        WriteError: the file cannot be written.

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


def load_latents(path: str | Path, generator: Generator) -> Field:
    """The functions that a file of ``save_latents`` stands for.

    Args:
        path: of the file.
        generator: whose they are.

    Raises:
        CheckpointError: missing, corrupt, not finite, or of another generator.

    Example:
        >>> load_latents("cat.safetensors", G).render((64, 64)).shape
        torch.Size([1, 3, 64, 64])
    """
    tensors, like = _read(path, generator), generator.mapping.w_mean
    if set(tensors) == {"w"}:
        with torch.no_grad():
            return generator.field(tensors["w"].to(like))
    return Field(generator.inr, _weights(path, tensors, generator, like), domain=generator.modality.domain)


def load_w(path: str | Path, generator: Generator) -> Float[Tensor, "B W"]:
    """The mapped latents in a file of ``save_latents``, whether functions follow from them or not.

    Args:
        path: of the file.
        generator: whose they are.

    Raises:
        CheckpointError: missing, corrupt, not finite, or of another generator.

    Example:
        >>> load_w("cat.safetensors", G).shape
        torch.Size([1, 128])
    """
    return _read(path, generator)["w"]


def _read(path: str | Path, generator: Generator) -> dict[str, Tensor]:
    """The file's tensors, among them latents of the generator; all finite."""
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
            raise CheckpointError(f"{path} holds NaN, infinity or whole numbers in {name}; make it anew")
    return tensors


def one_function(path: str | Path, generator: Generator) -> Field:
    """The function of a file that holds a single one.

    Raises:
        CheckpointError: as for ``load_latents``, or there are several.

    Example:
        >>> len(one_function("cat.safetensors", G))
        1
    """
    fields = load_latents(path, generator)
    if len(fields) != 1:
        raise CheckpointError(f"{path} holds {len(fields)} functions; expected one")
    return fields


def _weights(path: str | Path, tensors: Mapping[str, Tensor], generator: Generator, like: Tensor) -> Weights:
    count, out, expected = len(tensors["w"]), [], {"w"}
    for spec in generator.inr.layers:
        names = (f"weight.{spec.name}", f"bias.{spec.name}")
        shapes = ((count, spec.outputs, spec.inputs), (count, spec.outputs))
        for name, shape in zip(names, shapes, strict=True):
            if name not in tensors or tuple(tensors[name].shape) != shape:
                raise CheckpointError(f"{path} has no {name} of shape {shape}; it is of another generator")
        expected |= set(names)
        out.append(LayerWeights(tensors[names[0]].to(like), tensors[names[1]].to(like)))
    if set(tensors) != expected:
        raise CheckpointError(f"{path} holds {min(set(tensors) - expected)}; it is of another generator")
    return out
