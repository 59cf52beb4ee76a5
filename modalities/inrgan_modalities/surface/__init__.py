"""Signals on any surface: textures of a mesh."""

from inrgan_modalities.surface._camera import look_at
from inrgan_modalities.surface._images import shaded
from inrgan_modalities.surface._modality import SurfaceModality
from inrgan_modalities.surface._named_view import camera_view, chart_view, surface_view
from inrgan_modalities.surface._read import open_surface
from inrgan_modalities.surface._write import at_vertices, write_surface

__all__ = [
    "SurfaceModality",
    "at_vertices",
    "camera_view",
    "chart_view",
    "look_at",
    "open_surface",
    "shaded",
    "surface_view",
    "write_surface",
]
