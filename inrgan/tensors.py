"""Trees of tensors: objects whose tensors are moved, pinned or copied together."""

import copy
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class TensorTree:
    """Object made of tensors.

    A subclass names the attributes that hold them; other attributes are shared by all copies.

    Example:
        >>> class Pair(TensorTree):
        ...     tensor_fields = ("both",)
        ...     def __init__(self, a, b):
        ...         self.both = [a, b]
        >>> Pair(torch.zeros(2), torch.ones(3)).to("meta").both[1].shape
        torch.Size([3])
    """

    tensor_fields: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes with tensors, trees, None, or tuples, lists and dictionaries of them."""

    def map(self: T, f: Callable[[Tensor], Tensor], *, memo: dict[int, Any] | None = None) -> T:
        """The same object with a function applied to every tensor.

        Args:
            f: Function of a tensor.
            memo: Results for objects that are shared, by their id; what several attributes share stays shared.
        """
        memo = {} if memo is None else memo
        out = copy.copy(self)
        for name in self.tensor_fields:  # type: ignore[attr-defined]
            object.__setattr__(out, name, mapped(getattr(self, name), f, memo=memo))
        return out

    def to(self: T, device: torch.device | str) -> T:
        """The same on another device; copies from pinned memory run asynchronously.

        Numbers in double precision become single on ``mps``, which has no other.
        """
        single = torch.device(device).type == "mps"

        def moved(x: Tensor) -> Tensor:
            return (x.float() if single and x.dtype == torch.float64 else x).to(device, non_blocking=True)

        return self.map(moved)  # type: ignore[attr-defined]

    def layout(self, *, memo: dict[int, int]) -> Hashable:
        """What decides how a computation on the object proceeds, apart from the numbers in its tensors.

        Args:
            memo: Numbers of the trees that were described before, by their id.
        """
        held = {name: value for name, value in vars(self).items() if name not in self.tensor_fields}
        tensors = ((name, layout_of(getattr(self, name), memo=memo)) for name in self.tensor_fields)
        return type(self), tuple((k, layout_of(v, memo=memo)) for k, v in held.items()), tuple(tensors)


def mapped(value: T, f: Callable[[Tensor], Tensor], *, memo: dict[int, Any] | None = None) -> T:
    """A tensor, a tree, or a nest of them, with a function applied to every tensor; see ``TensorTree.map``.

    Example:
        >>> mapped((torch.zeros(2), None), lambda x: x + 1)
        (tensor([1., 1.]), None)
    """
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    result: Any = value
    if isinstance(value, Tensor):
        result = f(value)
    elif isinstance(value, TensorTree):
        result = value.map(f, memo=memo)
    elif isinstance(value, (tuple, list)):
        result = type(value)(mapped(x, f, memo=memo) for x in value)
    elif isinstance(value, dict):
        result = {key: mapped(x, f, memo=memo) for key, x in value.items()}
    if isinstance(value, (Tensor, TensorTree)):
        memo[id(value)] = result
    return result


def layout_of(value: Any, *, memo: dict[int, int] | None = None) -> Hashable:
    """Shapes and types of all tensors of a tree or a nest of trees, and all other values in it.

    Computations on two objects of equal layout are the same operations on tensors of the same shapes. Objects that are
    no tensors, trees, numbers, names or nests of them count by their identity.

    Args:
        value: Tree, or nest of trees.
        memo: Numbers of the trees that were described before, by their id; an object that comes again counts by its
            number.

    Example:
        >>> layout_of([torch.zeros(2)]) == layout_of([torch.ones(2)])
        True
    """
    memo = {} if memo is None else memo
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype, value.device
    if isinstance(value, TensorTree):
        if id(value) in memo:
            return "again", memo[id(value)]
        memo[id(value)] = len(memo)
        return value.layout(memo=memo)
    if isinstance(value, (tuple, list)):
        return tuple(layout_of(x, memo=memo) for x in value)
    if isinstance(value, Mapping):
        return tuple((layout_of(k), layout_of(x, memo=memo)) for k, x in value.items())
    if isinstance(value, slice):
        return value.start, value.stop, value.step
    known = (bool, int, float, str, range, torch.dtype, torch.device)
    return value if value is None or isinstance(value, known) else id(value)


def tensors_of(value: Any, *, memo: dict[int, Any] | None = None) -> list[Tensor]:
    """All tensors of a tree or a nest of trees, in a fixed order; shared ones once.

    Example:
        >>> len(tensors_of([torch.zeros(2), (torch.ones(1), None)]))
        2
    """
    found: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        found.append(x)
        return x

    mapped(value, note, memo=memo)
    return found
