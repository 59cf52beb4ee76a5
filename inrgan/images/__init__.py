"""Image and animation files, for every adapter that reads, writes or previews with them."""

from inrgan.images.formats import SUFFIXES, image_suffixes, unread_suffixes
from inrgan.images.inspect import ImageInspector
from inrgan.images.npy import load_npy
from inrgan.images.read import check_floats, check_range, read_image
from inrgan.images.write import ANIMATION_SUFFIXES, WRITE_SUFFIXES, tile, to_bytes, write_animation, write_image

__all__ = [
    "ANIMATION_SUFFIXES",
    "SUFFIXES",
    "WRITE_SUFFIXES",
    "ImageInspector",
    "check_floats",
    "check_range",
    "image_suffixes",
    "load_npy",
    "read_image",
    "tile",
    "to_bytes",
    "unread_suffixes",
    "write_animation",
    "write_image",
]
