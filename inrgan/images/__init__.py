"""Image and animation files, for every adapter that reads, writes or previews with them."""

from inrgan.images.read import SUFFIXES, check_floats, load_npy, read_image, read_npy
from inrgan.images.write import ANIMATION_SUFFIXES, WRITE_SUFFIXES, tile, to_bytes, write_animation, write_image

__all__ = [
    "ANIMATION_SUFFIXES",
    "SUFFIXES",
    "WRITE_SUFFIXES",
    "check_floats",
    "load_npy",
    "read_image",
    "read_npy",
    "tile",
    "to_bytes",
    "write_animation",
    "write_image",
]
