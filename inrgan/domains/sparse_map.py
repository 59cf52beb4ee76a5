"""Sparse linear maps, stored with their transposes."""

from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inrgan.tensors import TensorTree


@final
class SparsePairs(TensorTree):
    """Pairs of a row and a column, in the order of the rows, with the order in which the transposed map reads them.

    The order is found once; the weights of the pairs may change.

    Args:
        row: Row of each pair, ascending.
        column: Column of each pair.
        rows: Number of rows.
        columns: Number of columns.

    Example:
        >>> pairs = SparsePairs(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 2]), rows=2, columns=3)
        >>> pairs.product(torch.eye(3), torch.tensor([1.0, 2.0, 3.0])).tolist()
        [[0.0, 0.0, 1.0], [2.0, 0.0, 3.0]]
    """

    tensor_fields = ("row", "column", "_index", "_transposed")

    def __init__(self, row: Int[Tensor, "K"], column: Int[Tensor, "K"], *, rows: int, columns: int):
        self.row, self.column, self.rows, self.columns = row, column, rows, columns
        self._index = torch.stack([row, column])
        # Only derivatives need the transposed map. What is made without them, such as a render, saves the sort.
        self._transposed = self._find_transposed() if torch.is_grad_enabled() else None

    def product(self, table: Float[Tensor, "C F"], weight: Float[Tensor, "K"]) -> Float[Tensor, "R F"]:
        """Sum of the table's rows, by the weights; differentiable any number of times in the table.

        Where the weights require a gradient, the product is differentiable any number of times in them, too. It then
        takes several times as long, and memory for every pair. Without any gradient it takes the least time.
        """
        if not torch.is_grad_enabled() or not (table.requires_grad or weight.requires_grad):
            starts = torch.searchsorted(self.row, torch.arange(self.rows + 1, device=self.row.device))
            summed = F.embedding_bag(
                self.column, table.detach().to(weight.dtype), starts, per_sample_weights=weight.detach(), mode="sum",
                include_last_offset=True,
            )  # fmt: skip
            return summed.to(table.dtype)
        if weight.requires_grad:
            terms = table.index_select(0, self.column) * weight[:, None].to(table.dtype)
            return terms.new_zeros(self.rows, table.shape[1]).index_add(0, self.row, terms)
        if self._transposed is None:
            self._transposed = self._find_transposed()
        order, transposed = self._transposed
        weight = weight.detach()
        with torch.autocast(table.device.type, enabled=False):  # autocast would round only one of the two factors
            return _Product.apply(
                table.to(weight.dtype), self._index, weight, transposed, weight.index_select(0, order), self.rows,
                self.columns,
            ).to(table.dtype)  # fmt: skip

    def _find_transposed(self) -> tuple[Int[Tensor, "K"], Int[Tensor, "2 K"]]:
        """Order in which the transposed map reads the pairs, and its indices in that order."""
        order = self.column.argsort(stable=True)
        return order, self._index.flip(0).index_select(1, order)

    def row_sums(self, weight: Float[Tensor, "K"]) -> Float[Tensor, "R"]:
        """Sum of the weights of each row; differentiable any number of times."""
        return weight.new_zeros(self.rows).index_add(0, self.row, weight)


class _Product(torch.autograd.Function):
    """Product of a sparse matrix and a dense one, whose derivative is the product with the transposed matrix.

    torch's own derivative sorts the pairs in every call.
    """

    @staticmethod
    def forward(
        table: Tensor, index: Tensor, weight: Tensor, transposed: Tensor, transposed_weight: Tensor, rows: int,
        columns: int,
    ) -> Tensor:  # fmt: skip
        del transposed, transposed_weight
        matrix = torch.sparse_coo_tensor(index, weight, (rows, columns), check_invariants=False, is_coalesced=True)
        return torch.sparse.mm(matrix, table)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        del output
        _, *both, ctx.rows, ctx.columns = inputs
        ctx.save_for_backward(*both)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        index, weight, transposed, transposed_weight = ctx.saved_tensors
        found = _Product.apply(grad, transposed, transposed_weight, index, weight, ctx.columns, ctx.rows)
        return found, None, None, None, None, None, None
