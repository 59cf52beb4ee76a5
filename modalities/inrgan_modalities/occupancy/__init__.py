"""3D shapes as fields, read from meshes and written as meshes."""

from inrgan_modalities.occupancy._extract import Mesh, extract
from inrgan_modalities.occupancy._field_mesh import field_function, field_mesh
from inrgan_modalities.occupancy._mesh_file import simplify, write_meshes
from inrgan_modalities.occupancy._metrics import shape_metrics, volumetric_iou
from inrgan_modalities.occupancy._modality import OccupancyModality
from inrgan_modalities.occupancy._points import SetScores, chamfer, earth_mover, set_scores
from inrgan_modalities.occupancy._shade import shade
from inrgan_modalities.occupancy._shapes import AbstractShape, Ball, Cuboid, Torus, Union, chair, sample_grid
from inrgan_modalities.occupancy._synthetic import SyntheticShapes3D

__all__ = [
    "AbstractShape",
    "Ball",
    "Cuboid",
    "Mesh",
    "OccupancyModality",
    "SetScores",
    "SyntheticShapes3D",
    "Torus",
    "Union",
    "chair",
    "chamfer",
    "earth_mover",
    "extract",
    "field_function",
    "field_mesh",
    "sample_grid",
    "set_scores",
    "shade",
    "shape_metrics",
    "simplify",
    "volumetric_iou",
    "write_meshes",
]
