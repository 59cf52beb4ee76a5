"""Meshes of generated fields, with normals from analytic gradients."""

from dataclasses import replace

import numpy as np
import torch

from inrgan.field import Field
from inrgan_modalities.occupancy._extract import Mesh, extract
from inrgan_modalities.occupancy._mesh_file import simplify
from inrgan_modalities.occupancy._refine import Function

_AT_ONCE = 1 << 16


def field_function(field: Field, *, spacing: float) -> Function:
    """The first of a batch of fields, band-limited to a spacing, as a function of numpy arrays.

    Example:
        >>> field_function(field, spacing=2 / 64)(np.zeros((5, 3), np.float32)).shape
        (5,)
    """

    @torch.no_grad()
    def function(points: np.ndarray) -> np.ndarray:
        dtype = field.weights[0].weight.dtype
        parts = torch.from_numpy(np.ascontiguousarray(points, np.float32)).to(field.device, dtype).split(_AT_ONCE)
        return torch.cat([field(p, spacing=spacing)[0, :, 0].float().cpu() for p in parts]).numpy()

    return function


def field_mesh(field: Field, resolution: int, *, trained: int, faces: int = 0) -> Mesh:
    """The surface of the first of a batch of fields.

    Args:
        field: Field of shapes.
        resolution: Number of samples along each axis.
        trained: Number of samples along each axis in training; the coarse pass has twice as many, so that it resolves
            everything that the field represents.
        faces: Approximate number of triangles to keep; 0 for all.

    Raises:
        NonFiniteError: The field has NaN or infinite values.
        MissingDependency: A library is not installed.

    Example:
        >>> field_mesh(field, 64, trained=32).closed
        True
    """
    spacing = 2 / resolution
    mesh = extract(field_function(field, spacing=spacing), resolution, coarse=min(resolution, 2 * trained))
    if faces:
        mesh = simplify(mesh, faces=faces)
    normals = _normals(field, mesh.vertices, spacing=spacing)
    # Where the faces of the cube close a shape, they are its surface.
    beyond = np.abs(mesh.vertices) > 1 - spacing / 2 + 1e-9
    closing = beyond.any(axis=1)
    sides = np.sign(mesh.vertices) * beyond
    normals[closing] = sides[closing] / np.linalg.norm(sides[closing], axis=1, keepdims=True)
    return replace(mesh, normals=normals)


def _normals(field: Field, vertices: np.ndarray, *, spacing: float) -> np.ndarray:
    """Unit vectors along the gradient of the field, which points outward."""
    parts = []
    for part in torch.from_numpy(vertices.astype(np.float32)).to(field.device).split(_AT_ONCE // 4):
        coords = part.to(field.weights[0].weight.dtype).requires_grad_(True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(field(coords, spacing=spacing)[0, :, 0].sum(), coords)
        parts.append((slope / slope.norm(dim=-1, keepdim=True).clamp(min=1e-12)).float().cpu())
    return torch.cat(parts).numpy() if parts else np.zeros((0, 3), np.float32)
