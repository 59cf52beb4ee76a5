"""Generators as files that other programs evaluate: ONNX.

The heavy libraries are loaded by ``export_onnx`` alone.
"""

import copy
from pathlib import Path
from typing import Literal

from inrgan.errors import ConfigError
from inrgan.export.check import BOUNDS, measured_errors, refuse
from inrgan.export.description import FORMAT, VERSION, description_of
from inrgan.export.graphs import graphs_of
from inrgan.export.runtime import ExportedField, node_numbers, session
from inrgan.export.writing import onnx_model, require, write_model
from inrgan.files import user_path, write_json
from inrgan.generator import Generator
from inrgan.process import progress_bar

__all__ = ["BOUNDS", "FORMAT", "VERSION", "ExportedField", "Precision", "export_onnx", "node_numbers"]

Precision = Literal["fp32", "fp16"]
"""Precision in which parameters are stored; everything is computed in single precision, and coordinates in double."""


def export_onnx(
    G: Generator, folder: str | Path, *, precision: Precision = "fp32", quiet: bool = True
) -> dict[str, float]:
    """Write a generator as ONNX graphs and ``export.json``, after a comparison with its fields in onnxruntime.

    Args:
        G: Generator.
        folder: Folder for the files; ``export.json`` is written last.
        precision: Precision in which parameters are stored.
        quiet: Whether no progress bar is shown.

    Returns:
        Largest differences between the export and the generator, by what was compared.

    Raises:
        ConfigError: A part of the generator cannot be exported, or the export differs by more than its bound.
        MissingDependency: A library of the extra ``export`` is not installed.
        WriteError: A file cannot be written.

    Example:
        >>> max(export_onnx(G, "exported").values()) < 1e-4
        True
    """
    folder = user_path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; expected a folder to write to")
    require("onnx", "onnxscript", "onnxruntime")
    G = copy.deepcopy(G).cpu().float().eval()
    graphs = graphs_of(G)
    description = description_of(G, graphs, precision=precision)
    models, sessions = {}, {}
    with progress_bar(len(graphs), unit="graph", quiet=quiet) as bar:
        for graph in graphs:
            models[graph.name] = onnx_model(graph, half=precision == "fp16")
            sessions[graph.name] = session(models[graph.name].SerializeToString())
            bar.update()
    errors = measured_errors(G, sessions, description)
    refuse(errors, precision=precision)
    for name, model in models.items():
        write_model(model, folder / f"{name}.onnx")
    write_json(folder / "export.json", {**description, "error": {"bound": BOUNDS[precision], **errors}})
    return errors
