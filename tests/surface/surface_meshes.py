"""Meshes whose geometry is known in closed form."""

import functools
import math

import torch

from inrgan import Surface


def square(n=16):
    """[-1, 1]² at z = 0, of 2 n² triangles."""
    x = torch.linspace(-1, 1, n + 1, dtype=torch.float64)
    y, x = torch.meshgrid(x, x, indexing="ij")
    vertices = torch.stack([x, y, torch.zeros_like(x)], dim=-1).reshape(-1, 3)
    a = (torch.arange(n)[:, None] * (n + 1) + torch.arange(n)).reshape(-1)
    right, up = a + 1, a + n + 1
    faces = torch.cat([torch.stack([a, right, up], dim=-1), torch.stack([right, up + 1, up], dim=-1)])
    return vertices, faces


def tube(n=48, m=12, *, radius=0.5, height=2.0):
    """A prism of n sides about z, open above and below: it unrolls into a plane exactly."""
    j, i = torch.meshgrid(torch.arange(m + 1), torch.arange(n), indexing="ij")
    turn = 2 * math.pi * i.double() / n
    z = height * (j.double() / m - 0.5)
    vertices = torch.stack([radius * torch.cos(turn), radius * torch.sin(turn), z], dim=-1).reshape(-1, 3)
    a = (torch.arange(m)[:, None] * n + torch.arange(n)).reshape(-1)
    right = (torch.arange(m)[:, None] * n + (torch.arange(n) + 1) % n).reshape(-1)
    faces = torch.cat([torch.stack([a, right, a + n], dim=-1), torch.stack([right, right + n, a + n], dim=-1)])
    return vertices, faces


def ball(times=4):
    """An octahedron, split in four and blown up to the unit sphere several times."""
    vertices = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]]).double()
    faces = torch.tensor([[a, b, c] for a in (0, 3) for b in (1, 4) for c in (2, 5)])
    # Seen from outside, corners run anticlockwise.
    corner = vertices[faces]
    inward = torch.linalg.det(corner) < 0
    faces[inward] = faces[inward].flip(1)
    for _ in range(times):
        mesh = Surface(vertices, faces).mesh.split()
        vertices, faces = mesh.vertices / mesh.vertices.norm(dim=1, keepdim=True), mesh.faces
    return vertices, faces


@functools.lru_cache
def surface(kind, **kwargs):
    return Surface(*{"square": square, "tube": tube, "ball": ball}[kind](**kwargs))
