"""The adapters that come with inrgan: the one place where the core names them, as strings."""

BUILT_IN = {
    "audio": "inrgan_modalities.audio:AudioModality",
    "image": "inrgan_modalities.image:ImageModality",
    "occupancy": "inrgan_modalities.occupancy:OccupancyModality",
    "spherical": "inrgan_modalities.spherical:SphericalModality",
    "surface": "inrgan_modalities.surface:SurfaceModality",
    "video": "inrgan_modalities.video:VideoModality",
}
