"""Sources of node numbers: data, with a record of what the numbers cover, or inputs of a graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from inrgan.errors import ConfigError
from inrgan.export.lattices import AXES, AbstractNumberSource, TracedBoxLattice
from inrgan.views import View


@dataclass(frozen=True, kw_only=True)
class GraphInput:
    """Input of a graph.

    Attributes:
        name: Name.
        dims: Length of each axis: a number, or the name of a length that a user chooses.
        dtype: Data type.
        meaning: What it is, for export.json.
        rule: For node numbers: what they cover, and the lattice's origin and cell.
    """

    name: str
    dims: tuple[int | str, ...]
    dtype: torch.dtype
    meaning: str
    rule: dict[str, Any] | None = None


@final
class RecordedNumbers(AbstractNumberSource):
    """Node numbers from data, with a record of what they cover.

    Args:
        axes: Positions along each coordinate of a product of positions; None for scattered points.
    """

    def __init__(self, axes: Sequence[Tensor] | None):
        self.entries: dict[str, GraphInput] = {}
        self._scattered = axes is None
        self._kept = list(axes or ())  # an id is that of no other tensor while its own is kept
        self._labels = {id(x): name for x, name in zip(self._kept, AXES, strict=False)}

    def range(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        name = f"{lattice.name}_{AXES[d]}"
        p = lattice.position(x, d)
        covers = AXES[d] if self._scattered else self._labels.get(id(x))
        if covers is None:
            raise ConfigError(f"the positions of {name} follow from no coordinate; this encoding cannot be exported")
        self.entries[name] = GraphInput(
            name=name, dims=(name,), dtype=torch.int64, meaning="node numbers",
            rule={"covers": covers, "origin": lattice.box.origin[d], "cell": lattice.box.cell[d]},
        )  # fmt: skip
        first, last = p.amin().floor() - 1, p.amax().floor() + 2
        return torch.arange(int(first), int(last) + 1, dtype=x.dtype)[None]

    def visited(self, lattice: TracedBoxLattice, nodes: View) -> None:
        assert nodes.axes is not None
        for d in lattice.box.spanned:
            self._kept.append(nodes.axes[d])
            self._labels[id(nodes.axes[d])] = f"{lattice.name}_{AXES[d]}"

    def index(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        del lattice
        name = f"{AXES[d]}_index"
        self.entries[name] = GraphInput(
            name=name, dims=("points",), dtype=torch.int64,
            meaning=f"position of each point's {AXES[d]} in the {AXES[d]} that nodes got",
        )  # fmt: skip
        return x[0].unique(return_inverse=True)[1]


@final
class GivenNumbers(AbstractNumberSource):
    """Node numbers that are inputs of a graph, by name."""

    def __init__(self, tensors: dict[str, Tensor]):
        self._tensors = tensors

    def range(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        return self._tensors[f"{lattice.name}_{AXES[d]}"].to(x.dtype)[None]

    def visited(self, lattice: TracedBoxLattice, nodes: View) -> None:
        del lattice, nodes

    def index(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        del lattice, x
        return self._tensors[f"{AXES[d]}_index"]
