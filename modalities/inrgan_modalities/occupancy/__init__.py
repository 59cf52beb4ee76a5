"""Solids as fields: from meshes, to meshes."""

from inrgan_modalities.occupancy._extract import Mesh, extract
from inrgan_modalities.occupancy._modality import OccupancyModality
from inrgan_modalities.occupancy._shade import shade
from inrgan_modalities.occupancy._solids import AbstractSolid, Ball, Cuboid, Torus, Union, chair, sample_grid
from inrgan_modalities.occupancy._synthetic import SyntheticSolids

__all__ = [
    "AbstractSolid",
    "Ball",
    "Cuboid",
    "Mesh",
    "OccupancyModality",
    "SyntheticSolids",
    "Torus",
    "Union",
    "chair",
    "extract",
    "sample_grid",
    "shade",
]
