"""Operations on all tensors of a structure."""

import copy
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Copy of a structure, with a function of each of its tensors in their place.

    Structures are lists, tuples, dictionaries, and objects that move to a device with ``to``, such as views with their
    stencils. Everything else is kept as it is, networks included.

    Args:
        value: Structure.
        function: Function of one tensor.

    Example:
        >>> map_tensors({"a": [torch.zeros(2)], "b": "text"}, lambda x: x + 1)
        {'a': [tensor([1., 1.])], 'b': 'text'}
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(x, function) for x in value))
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(x, function) for x in value)
    if isinstance(value, (dict, WeakKeyDictionary)):
        return type(value)({key: map_tensors(x, function) for key, x in value.items()})
    if isinstance(value, (nn.Module, type)) or not hasattr(value, "to") or not hasattr(value, "__dict__"):
        return value
    copied = copy.copy(value)
    vars(copied).update({name: map_tensors(x, function) for name, x in vars(value).items()})
    return copied
