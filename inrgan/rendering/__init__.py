"""Renders of any size, streamed in tiles to one file or folder, by its suffix."""

from inrgan.rendering._render import partial_folder, render_file
from inrgan.rendering._writers import RENDER_SUFFIXES

__all__ = ["RENDER_SUFFIXES", "partial_folder", "render_file"]
