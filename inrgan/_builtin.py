"""The adapters that come with inrgan: the one place where the core names them, as strings."""

BUILT_IN = {
    "image": "inrgan_modalities.image:ImageModality",
    "spherical": "inrgan_modalities.spherical:SphericalModality",
}
