"""Renders of any size, streamed in tiles to one file or folder, by its suffix."""

from inrgan.rendering.formats import RENDER_SUFFIXES
from inrgan.rendering.render import partial_folder, render_file

__all__ = ["RENDER_SUFFIXES", "partial_folder", "render_file"]
