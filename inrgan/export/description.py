"""What an export holds, as plain values for ``export.json``."""

from typing import Any

import torch

from inrgan.domains import Box, Sphere, Surface
from inrgan.export.graphs import Graph
from inrgan.export.numbers import GraphInput
from inrgan.generator import Generator

FORMAT = "inrgan-export"
VERSION = 1
_DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.int64: "int64"}


def description_of(G: Generator, graphs: tuple[Graph, ...], *, precision: str) -> dict[str, Any]:
    """Everything but the measured error."""
    modality, (part_z, part_w) = G.modality, G.sizes.part_dims
    domain = modality.domain
    return {
        "format": FORMAT,
        "version": VERSION,
        "modality": {"name": modality.name, "arguments": modality.arguments()},
        "domain": _domain(domain),
        "channels": modality.signal_channels,
        "backbone": G.sizes.backbone,
        "lattices": list(G.sizes.lattices),
        "z_dim": G.sizes.z_dim,
        "w_dim": G.sizes.w_dim,
        "latent_parts": [{"name": name, "z": part_z, "w": part_w} for name in modality.latent_parts],
        "labels": list(G.labels),
        "spacing": list(domain.spacings(modality.resolution)),
        "shape": list(domain.shape(modality.resolution)),
        "precision": precision,
        "graphs": {graph.name: _graph(graph) for graph in graphs},
    }


def _graph(graph: Graph) -> dict[str, Any]:
    return {
        "file": f"{graph.name}.onnx",
        "inputs": [_input(x) for x in graph.inputs],
        "outputs": [{"name": name, "dtype": "float32", "shape": list(dims)} for name, dims in graph.outputs],
    }


def _input(x: GraphInput) -> dict[str, Any]:
    entry = {"name": x.name, "dtype": _DTYPES[x.dtype], "shape": list(x.dims), "meaning": x.meaning}
    return entry | (x.rule or {})


def _domain(domain: Any) -> dict[str, Any]:
    """Kind of a domain, and its corners where it is a box."""
    found: dict[str, Any] = {"kind": type(domain).__name__.lower(), "coordinates": domain.coord_dim}
    if isinstance(domain, Box):
        return found | {"lower": list(domain.lower), "upper": list(domain.upper), "units": list(domain.units)}
    if isinstance(domain, Sphere):
        return found | {"radius": 1.0}
    if isinstance(domain, Surface):
        vertices = domain.mesh.vertices
        return found | {
            "lower": vertices.amin(dim=0).tolist(), "upper": vertices.amax(dim=0).tolist(), "area": domain.mesh.area,
        }  # fmt: skip
    return found
