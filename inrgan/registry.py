"""Registry of adapters: built in, installed as plug-ins, or named in the environment."""

import importlib
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from inrgan._parsing import from_plain
from inrgan.errors import ConfigError, UnknownModality
from inrgan.modality import Modality

ENTRY_POINTS = "inrgan.modalities"
VARIABLE = "INRGAN_MODALITIES"
BUILT_IN = {
    "audio": "inrgan_modalities.audio:AudioModality",
    "image": "inrgan_modalities.image:ImageModality",
    "occupancy": "inrgan_modalities.occupancy:OccupancyModality",
    "spherical": "inrgan_modalities.spherical:SphericalModality",
    "surface": "inrgan_modalities.surface:SurfaceModality",
    "video": "inrgan_modalities.video:VideoModality",
}
"""Adapters that come with inrgan; only here does the core name them, as strings."""


def modality_names() -> dict[str, str]:
    """All known adapters, name to ``package:Class``. The environment overrides plug-ins, which override built-ins.

    Raises:
        ConfigError: ``INRGAN_MODALITIES`` is not a comma-separated list of ``name=package:Class``.
    """
    found = dict(BUILT_IN)
    found.update({e.name: e.value for e in entry_points(group=ENTRY_POINTS)})
    for entry in filter(None, (e.strip() for e in os.environ.get(VARIABLE, "").split(","))):
        name, equals, target = entry.partition("=")
        if not equals or not all(target.strip().partition(":")):
            raise ConfigError(f"{VARIABLE} has the entry {entry!r}; expected name=package:Class, separated by commas")
        found[name.strip()] = target.strip()
    return found


def modality_class(name: str) -> type[Modality]:
    """Adapter of a name.

    Raises:
        UnknownModality: No adapter has the name, or it cannot be imported.
        MissingDependency: The adapter needs a library that is not installed.
    """
    known = modality_names()
    if name not in known:
        raise UnknownModality(f"unknown modality {name!r}; expected one of {', '.join(sorted(known))}")
    module, _, attribute = known[name].partition(":")
    try:
        cls = getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnknownModality(f"modality {name!r} is {known[name]}, which cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Modality)):
        raise UnknownModality(f"modality {name!r} is {known[name]}, which is not a subclass of inrgan.Modality")
    return cls


def rebuild(name: str, arguments: Any) -> Modality:
    """Adapter from its name and the plain values of its fields.

    Raises:
        UnknownModality: No adapter has the name.
        ConfigError: The values do not fit the adapter.

    Example:
        >>> rebuild("image", {"resolution": 32}).domain.shape(32)
        (32, 32)
    """
    return rebuild_as(modality_class(name), arguments)


def rebuild_as(cls: type[Modality], arguments: Any) -> Modality:
    """Adapter of a class from the plain values of its fields, under their current or earlier names.

    Raises:
        ConfigError: The values do not fit the adapter.

    Example:
        >>> rebuild_as(ImageModality, {"resolution": 32}).resolution
        32
    """
    if isinstance(arguments, Mapping):
        arguments = {cls.renamed_fields.get(key, key): value for key, value in arguments.items()}
    return from_plain(cls, arguments, what=f"modality {cls.name!r}")
