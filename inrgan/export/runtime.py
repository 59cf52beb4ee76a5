"""An export as functions of arrays, in onnxruntime."""

from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from inrgan.export.lattices import AXES

Array = NDArray[Any]


@final
class ExportedField:
    """Functions of an export, evaluated in onnxruntime on one thread.

    Args:
        description: Content of ``export.json``.
        sessions: Sessions of its graphs, by name.
        weights: Outputs of the graph ``nodes`` that depend on ``w`` alone, and ``w``.
    """

    def __init__(self, description: dict[str, Any], sessions: dict[str, Any], *, w: Array):
        self._graphs, self._sessions, self._w = description["graphs"], sessions, w

    def grid(self, axes: list[Array], *, spacing: Array) -> Array:
        """Values on a product grid, (B, C, *S)."""
        given = dict(zip(AXES, axes, strict=False)) | {"spacing": spacing}
        return self._values("grid", given, given)

    def points(self, points: Array, *, spacing: Array) -> Array:
        """Values at points, (B, N, C)."""
        columns = dict(zip(AXES, points.T, strict=False))
        distinct, given = {}, {"points": points, "spacing": spacing}
        for name, x in columns.items():
            distinct[name], index = np.unique(x, return_inverse=True)
            given[f"{name}_index"] = index.astype(np.int64)
        return self._values("points", given, distinct | {"spacing": spacing})

    def _values(self, name: str, given: dict[str, Array], positions: dict[str, Array]) -> Array:
        nodes = self._run("nodes", positions | {"w": self._w}, positions)
        return self._run(name, given | nodes, positions)["values"]

    def _run(self, name: str, given: dict[str, Array], positions: dict[str, Array]) -> dict[str, Array]:
        graph = self._graphs[name]
        numbers = node_numbers(graph["inputs"], positions)
        inputs = {x["name"]: numbers[x["name"]] if x["name"] in numbers else given[x["name"]] for x in graph["inputs"]}
        names = [x["name"] for x in graph["outputs"]]
        return dict(zip(names, self._sessions[name].run(names, inputs), strict=True))


def node_numbers(inputs: list[dict[str, Any]], positions: dict[str, Array]) -> dict[str, Array]:
    """Node numbers that a graph's inputs ask for: those around all positions, from 2 below to 2 above.

    Args:
        inputs: Inputs of a graph, from ``export.json``.
        positions: Positions along each coordinate.

    Example:
        >>> entry = {"name": "lattice0_x", "covers": "x", "origin": 0.0, "cell": 0.5}
        >>> node_numbers([entry], {"x": np.array([0.1])})["lattice0_x"]
        array([-2, -1,  0,  1])
    """
    at, found = dict(positions), {}
    for entry in inputs:
        if "covers" in entry:
            p = (at[entry["covers"]] - entry["origin"]) / entry["cell"] - 0.5
            first, last = int(np.floor(p.min())) - 1, int(np.floor(p.max())) + 2
            numbers = np.arange(first, last + 1, dtype=np.int64)
            at[entry["name"]] = entry["origin"] + (numbers + 0.5) * entry["cell"]
            found[entry["name"]] = numbers
    return found


def session(path_or_bytes: Path | bytes) -> Any:
    """Session of a graph on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    source = path_or_bytes if isinstance(path_or_bytes, bytes) else str(path_or_bytes)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
