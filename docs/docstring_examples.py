"""Rendering of `Example:` in docstrings as code, because the parser knows only the plural."""

import re
from typing import Any

import griffe


class DocstringExamples(griffe.Extension):
    """Griffe extension that reads every `Example:` as `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
