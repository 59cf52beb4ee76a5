"""Picture and film files, for every adapter that reads, writes or previews with them."""

from inrgan.pictures._animation import ANIMATION_SUFFIXES, write_animation
from inrgan.pictures._npy import check_floats, load_npy, read_npy
from inrgan.pictures._read import SUFFIXES, read_image
from inrgan.pictures._write import WRITE_SUFFIXES, tile, write_image

__all__ = [
    "ANIMATION_SUFFIXES",
    "SUFFIXES",
    "WRITE_SUFFIXES",
    "check_floats",
    "load_npy",
    "read_image",
    "read_npy",
    "tile",
    "write_animation",
    "write_image",
]
