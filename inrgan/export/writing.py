"""Graphs as ONNX files: traced, with weights inside, and without anything of the machine that wrote them."""

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inrgan.errors import ConfigError, MissingDependency
from inrgan.export.graphs import Graph
from inrgan.files import replacing

OPSET = 18

_FIRST = 5
"""Length of the first dynamic axis of the tensors that graphs are traced with; no two are equal."""
_HALVED = 64
"""Size from which on parameters are stored in half precision."""


def require(*modules: str) -> None:
    """Check that libraries of the extra ``export`` are installed.

    Raises:
        MissingDependency: One is not.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingDependency(name, extra="export", why="Export to ONNX") from error


def onnx_model(graph: Graph, *, half: bool) -> Any:
    """Trace a graph, as an ``onnx.ModelProto``.

    Args:
        graph: Graph to trace.
        half: Whether parameters are stored in half precision; all is computed in the same precision anyway.

    Raises:
        ConfigError: A part of it has no counterpart in ONNX.
    """
    import onnx

    sizes: dict[str, int] = {}
    examples = []
    for x in graph.inputs:
        lengths = [sizes.setdefault(n, _FIRST + len(sizes)) if isinstance(n, str) else n for n in x.dims]
        examples.append(_example(lengths, x.dtype))
    dynamic = tuple(
        {a: torch.export.Dim.AUTO for a, n in enumerate(x.dims) if isinstance(n, str)} for x in graph.inputs
    )
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(graph.module, tuple(examples), dynamic_shapes=(dynamic,), strict=False)
            traced = torch.onnx.export(
                program, input_names=[x.name for x in graph.inputs], output_names=[name for name, _ in graph.outputs],
                dynamo=True, external_data=False, optimize=True, opset_version=OPSET, verbose=False,
            )  # fmt: skip
    except Exception as error:  # a tracer raises many kinds
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"the graph {graph.name} cannot be exported: {type(error).__name__}: {reason}; "
            "a backbone or an encoding does what ONNX has no counterpart of"
        ) from error
    assert traced is not None
    model = traced.model_proto
    _strip(model)
    _name_lengths(model, graph)
    if half:
        _store_in_half(model)
    onnx.checker.check_model(model)
    return model


def write_model(model: Any, path: Path) -> None:
    """Write a model to one file.

    Raises:
        WriteError: The file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _example(lengths: list[int], dtype: torch.dtype) -> Tensor:
    if dtype == torch.int64:
        return torch.zeros(lengths, dtype=dtype)
    return torch.linspace(0, 1, max(1, int(torch.tensor(lengths).prod())) if lengths else 1, dtype=dtype).reshape(
        lengths
    )


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _strip(model: Any) -> None:
    """Remove stack traces, module names and texts; what is left is what a runtime reads."""
    del model.metadata_props[:]
    model.ClearField("doc_string")
    model.producer_name, model.producer_version = "inrgan", ""
    for part in (*_graphs(model.graph), *model.functions):
        part.ClearField("doc_string")
        del part.metadata_props[:]
        del part.value_info[:]
        for node in part.node:
            node.ClearField("doc_string")
            del node.metadata_props[:]
    for part in _graphs(model.graph):
        for value in (*part.initializer, *part.input, *part.output):
            value.ClearField("doc_string")
            del value.metadata_props[:]


def _name_lengths(model: Any, graph: Graph) -> None:
    """Names of the lengths that a user chooses, instead of the tracer's.

    Raises:
        ConfigError: A length has become a constant.
    """
    values = {x.name: x for x in (*model.graph.input, *model.graph.output)}
    wanted = {x.name: x.dims for x in graph.inputs} | dict(graph.outputs)
    assert set(values) == set(wanted), f"{graph.name} has {sorted(values)}; expected {sorted(wanted)}"
    for name, dims in wanted.items():
        shape = values[name].type.tensor_type.shape.dim
        assert len(shape) == len(dims), f"{name} of {graph.name} has {len(shape)} axes; expected {len(dims)}"
        for dim, length in zip(shape, dims, strict=True):
            if isinstance(length, int):
                assert dim.dim_value in (0, length), f"{name} of {graph.name}: {dim.dim_value} is not {length}"
                dim.dim_value = length
            elif dim.HasField("dim_value"):
                raise ConfigError(
                    f"{name} of the graph {graph.name} has the fixed length {dim.dim_value} where {length} may vary; "
                    "its backbone cannot be exported"
                )
            else:
                dim.dim_param = length


def _store_in_half(model: Any) -> None:
    """Store parameters in half precision, followed by a conversion.

    Constants such as frequencies keep their precision: phases are products with them.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    nodes = []
    for x in model.graph.initializer:
        parameter = x.name.startswith(("mapping.", "hypernetwork."))
        if not parameter or x.data_type != TensorProto.FLOAT or np.prod(x.dims) < _HALVED:
            continue
        name, values = x.name, numpy_helper.to_array(x).astype(np.float16)
        assert np.isfinite(values).all(), f"{name} has numbers beyond half precision"
        x.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        nodes.append(helper.make_node("Cast", [x.name], [name], to=TensorProto.FLOAT))
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
