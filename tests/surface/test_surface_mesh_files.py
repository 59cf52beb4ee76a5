"""Mesh files and their textures. Oracles: the texture by hand, Pillow's resampling, sRGB by its standard."""

import json
import struct

import numpy as np
import pytest
import trimesh
from inrgan_modalities.occupancy._mesh_read import read_mesh as read_shape
from inrgan_modalities.surface import open_surface
from inrgan_modalities.surface._colors import bilinear, mesh_colors
from PIL import Image

from inrgan.domains import Surface, plain_mesh, read_mesh
from inrgan.errors import DataError

BOX = trimesh.creation.box()


def sheet(n=5):
    """Vertices of a square, where texture coordinates are x and y."""
    side = np.linspace(0, 1, n)
    uv = np.stack([x.reshape(-1) for x in np.meshgrid(side, side)], axis=1)
    corner = np.arange(n * n).reshape(n, n)[:-1, :-1].reshape(-1, 1)
    faces = np.concatenate([corner + np.array([0, 1, n]), corner + np.array([1, n + 1, n])])
    return np.concatenate([uv, np.zeros((n * n, 1))], axis=1), faces, uv


def glb(image, uv=None, factor=None, change=None):
    vertices, faces, where = sheet()
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image, baseColorFactor=factor)
    visual = trimesh.visual.TextureVisuals(uv=where if uv is None else uv, material=material)
    data = trimesh.Trimesh(vertices, faces, visual=visual, process=False).export(file_type="glb")
    return data if change is None else changed(data, change)


def changed(data, change):
    """A glb file whose JSON part a function changes."""
    (length,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + length])
    change(tree)
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    return data[:8] + struct.pack("<III", 20 + len(text) + len(rest), len(text), 0x4E4F534A) + text + rest


def texture(size=4):
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)


def at_vertices(pixels, uv):
    """An independent bilinear rule: distances to the centers of all pixels, repeated around the image."""
    size, out = len(pixels), np.zeros((len(uv), pixels.shape[2]))
    for k, (u, v) in enumerate(uv):
        for row in range(-size, 2 * size):
            for column in range(-size, 2 * size):
                away = abs(u * size - column - 0.5), abs((1 - v) * size - row - 0.5)
                weight = max(0, 1 - away[0]) * max(0, 1 - away[1])
                out[k] += weight * pixels[row % size, column % size]
    return out


def test_a_texture_is_sampled_at_the_vertices(tmp_path):
    pixels = texture()
    vertices, faces, uv = sheet()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.glb").write_bytes(glb(Image.fromarray(pixels)))
    mesh = tmp_path / "mesh.ply"
    mesh.write_bytes(trimesh.Trimesh(vertices, faces, process=False).export(file_type="ply"))
    item = open_surface(tmp_path / "data", Surface(*read_mesh(mesh)), channels=3)[0]
    np.testing.assert_allclose(item.numpy().T, at_vertices(pixels, uv) / 127.5 - 1, atol=1e-5)


def test_bilinear_equals_pillow():
    # Oracle: Pillow's enlargement, whose borders continue by the last pixel.
    pixels = texture(6)
    n = 24
    side = (np.arange(n) + 0.5) / n
    uv = np.stack([x.reshape(-1) for x in np.meshgrid(side, 1 - side)], axis=1)
    found = bilinear(pixels / 255.0, uv, wrap=("clamp", "clamp")).reshape(n, n, 3)
    for c in range(3):
        image = Image.fromarray(pixels[..., c].astype(np.float32)).resize((n, n), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(255 * found[..., c], np.asarray(image), atol=1e-3)
    mirrored = bilinear(pixels / 255.0, uv * [-1, 1] + [2, 2], wrap=("mirror", "mirror"))
    np.testing.assert_allclose(mirrored, found.reshape(-1, 3), atol=1e-12)


@pytest.mark.parametrize(
    ("mode", "channels"), [("RGB", 1), ("L", 3), ("P", 3), ("RGBA", 3), ("RGBA", 4)]
)  # fmt: skip
def test_textures_of_one_color(mode, channels):
    # Oracle: the color itself, and the weights of ITU-R 601; an opaque material has no alpha (glTF 2.0, 3.9.4).
    color = {"L": 90, "RGBA": (250, 40, 90, 7)}.get(mode, (250, 40, 90))
    image = Image.new("RGB" if mode == "P" else mode, (3, 2), color)
    image = image.quantize(4) if mode == "P" else image
    found = mesh_colors("a.glb", glb(image), kind="glb", channels=channels)
    stored = np.array([90, 90, 90, 255] if mode == "L" else [250, 40, 90, 255]) / 127.5 - 1
    exact = [stored[:3] @ [0.299, 0.587, 0.114]] if channels == 1 else stored[:channels]
    np.testing.assert_allclose(found, np.tile(exact, (25, 1)), atol=1e-6)


def test_factors_are_linear():
    # Oracle: sRGB by IEC 61966-2-1: half the light of white is 188 of 255.
    found = mesh_colors("a.glb", glb(Image.new("RGB", (2, 2), (255, 255, 255)), factor=[128, 255, 0, 255]), kind="glb",
                        channels=3)  # fmt: skip
    np.testing.assert_allclose((found[0] + 1) * 127.5, [188, 255, 0], atol=0.6)


def declared(extension):
    def change(tree):
        tree["extensionsUsed"] = [extension]

    return change


def packed(extension):
    def change(tree):
        tree["extensionsUsed"] = tree["extensionsRequired"] = [extension]
        tree["meshes"][0]["primitives"][0]["extensions"] = {extension: {"bufferView": 0, "attributes": {}}}

    return change


def transformed(tree):
    slot = tree["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    slot["extensions"] = {"KHR_texture_transform": {"scale": [2, 2]}}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (glb(Image.new("RGB", (2, 2)), change=packed("KHR_draco_mesh_compression")), "compressed by Draco"),
        (glb(Image.new("RGB", (2, 2)), change=packed("EXT_meshopt_compression")), "compressed by meshoptimizer"),
        (glb(Image.new("RGB", (2, 2)), change=transformed), "transform"),
        (glb(Image.new("I;16", (2, 2))), "texture of kind|damaged"),
        (glb(None), "no texture|without a texture|no colored vertices"),
        (BOX.export(file_type="glb"), "no colored vertices"),
        (glb(Image.new("RGB", (2, 2)))[:-40], "cut short"),
    ],
    ids=["draco", "meshopt", "transform", "deep", "none", "plain", "cut"],
)
def test_what_is_refused_is_named(data, match):
    with pytest.raises(DataError, match=match):
        mesh_colors("a.glb", data, kind="glb", channels=3)
    with pytest.raises(DataError, match="2 channels"):
        mesh_colors("a.glb", data, kind="glb", channels=2)


def test_compressed_meshes_are_named_everywhere(tmp_path):
    data = changed(BOX.export(file_type="glb"), packed("KHR_draco_mesh_compression"))
    path = tmp_path / "a.glb"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.glb is compressed by Draco"):
        read_mesh(path)
    for name, content in (("a.glb", data), ("a.obj", b"DRACO\x02\x02\x01")):
        with pytest.raises(DataError, match=f"{name} is compressed by Draco"):
            read_shape(name, content)
    unused = changed(BOX.export(file_type="glb"), declared("KHR_draco_mesh_compression"))
    assert len(read_shape("a.glb", unused).faces) == 12


def test_bytes_after_a_mesh(caplog, tmp_path):
    # Oracle: the mesh without them. A file that is too short is refused, and text is not mistaken for it.
    data = BOX.export(file_type="stl")
    assert plain_mesh("a.stl", data) == data and not caplog.records
    for more in (b"\0", b"exported by a program" * 9):
        caplog.clear()
        assert plain_mesh("a.stl", data + more) == data and f"a.stl has {len(more)} bytes after" in caplog.text
        assert len(read_shape("a.stl", data + more).faces) == 12
    (tmp_path / "a.stl").write_bytes(data + b"more")
    assert len(read_mesh(tmp_path / "a.stl")[1]) == 12
    for short in (data[:-1], data[:100], data[:80] + bytes(4) + data[84:]):
        with pytest.raises(DataError, match=r"a\.stl states (12|0) triangles"):
            read_shape("a.stl", short)
    text = trimesh.exchange.stl.export_stl_ascii(BOX).encode()
    assert plain_mesh("a.stl", text) == text and len(read_shape("a.stl", text).faces) == 12
    with pytest.raises(DataError, match=r"a\.glb is damaged"):
        plain_mesh("a.glb", BOX.export(file_type="glb") + b"more")
