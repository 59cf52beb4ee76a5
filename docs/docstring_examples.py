"""Show a docstring's `Example:` as code: the parser knows only the plural, and makes a note of the singular."""

import re
from typing import Any

import griffe


class DocstringExamples(griffe.Extension):
    """Reads every `Example:` as `Examples:`."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
