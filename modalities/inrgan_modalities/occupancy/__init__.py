"""Solids as fields: from meshes, to meshes."""

from inrgan_modalities.occupancy._extract import Mesh, extract
from inrgan_modalities.occupancy._field_mesh import field_mesh
from inrgan_modalities.occupancy._mesh_file import simplify, write_meshes
from inrgan_modalities.occupancy._metrics import solid_metrics, volumetric_iou
from inrgan_modalities.occupancy._modality import OccupancyModality
from inrgan_modalities.occupancy._points import chamfer, earth_mover
from inrgan_modalities.occupancy._set_scores import SetScores, set_scores
from inrgan_modalities.occupancy._shade import shade
from inrgan_modalities.occupancy._solids import AbstractSolid, Ball, Cuboid, Torus, Union, chair, sample_grid
from inrgan_modalities.occupancy._synthetic import SyntheticSolids

__all__ = [
    "AbstractSolid",
    "Ball",
    "Cuboid",
    "Mesh",
    "OccupancyModality",
    "SetScores",
    "SyntheticSolids",
    "Torus",
    "Union",
    "chair",
    "chamfer",
    "earth_mover",
    "extract",
    "field_mesh",
    "sample_grid",
    "set_scores",
    "shade",
    "simplify",
    "solid_metrics",
    "volumetric_iou",
    "write_meshes",
]
