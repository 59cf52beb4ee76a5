"""GANs whose generator makes functions instead of pixels."""

__version__ = "0.1.0.dev0"
