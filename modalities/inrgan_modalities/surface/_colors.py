"""Colors at the vertices of mesh files, stored there or sampled from a texture."""

import io
from typing import Any

import numpy as np

from inrgan.domains import glb_tree, plain_mesh
from inrgan.errors import DataError, MissingDependency

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_WRAPS = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
_LUMA = np.array([0.299, 0.587, 0.114])


def mesh_colors(name: str, data: bytes, *, kind: str, channels: int) -> np.ndarray:
    """Colors (V, C) at the vertices of a mesh file: uint8 as stored, or floats in [−1, 1] from a texture.

    A texture is sampled at the texture coordinates of each vertex, bilinearly between the centers of its pixels, and is
    taken as sRGB like images, without a color profile, as glTF states. Factors of the material and colors at vertices
    beside a texture are linear, and multiply it.

    Args:
        name: Name of the file.
        data: Content of the file.
        kind: Suffix of the format without its dot.
        channels: 1 for luma, 3 for color, 4 with alpha.

    Raises:
        DataError: The file cannot be read, or has neither colored vertices nor a texture that is understood.
        MissingDependency: trimesh is not installed.

    Example:
        >>> mesh_colors("bunny.glb", Path("bunny.glb").read_bytes(), kind="glb", channels=3).shape
        (35947, 3)
    """
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependency("trimesh", extra="surface", why="Reading meshes") from error
    if channels not in (1, 3, 4):
        raise DataError(f"{name} has colors, and the training has {channels} channels; expected 1, 3 or 4. Give .npy")
    data = plain_mesh(name, data)
    try:
        scene: Any = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False)
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh)]
        looks: list[Any] = [part.visual for part in parts]
        kinds = {visual.kind for visual in looks}
    except Exception as error:  # parsers of untrusted files raise all kinds of errors
        raise DataError(f"{name} cannot be read as a mesh ({type(error).__name__}: {error}).") from error
    if not looks or not kinds <= {"vertex", "texture"}:
        found = ", ".join(sorted(str(k) for k in kinds)) or "no mesh"
        raise DataError(f"{name} has no colored vertices and no texture (its colors are of kind {found}).")
    try:
        if kinds == {"vertex"}:
            return _stored(np.concatenate([np.asarray(visual.vertex_colors) for visual in looks]), channels)
        wrap = _wrap(name, data)
        return np.concatenate([_part(name, visual, wrap=wrap, channels=channels) for visual in looks])
    except DataError:
        raise
    except Exception as error:  # arrays of damaged files do not fit each other, and images do not decode
        raise DataError(f"{name} has damaged colors ({type(error).__name__}: {error}). Export it again.") from error


def _stored(colors: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        return np.round(colors[:, :3] @ _LUMA).astype(np.uint8)[:, None]
    return np.ascontiguousarray(colors[:, :channels])


def _part(name: str, visual: Any, *, wrap: tuple[str, str], channels: int) -> np.ndarray:
    if visual.kind == "vertex":
        colors = np.asarray(visual.vertex_colors, np.float64) / 255
    else:
        colors = _sampled(name, visual, wrap)
    if channels == 1:
        colors = (colors[:, :3] @ _LUMA)[:, None]
    return (2 * colors[:, :channels] - 1).astype(np.float32)


def _sampled(name: str, visual: Any, wrap: tuple[str, str]) -> np.ndarray:
    """Colors (V, 4) in [0, 1] of the texture at the vertices."""
    material = visual.material
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is None or visual.uv is None:
        raise DataError(f"{name} has a material without a texture in the file; expected one, or colored vertices.")
    if image.mode not in _MODES:
        raise DataError(f"{name} has a texture of kind {image.mode}; expected 8 bits, gray or color. Convert it.")
    uv = np.asarray(visual.uv, np.float64)
    if not np.isfinite(uv).all():
        raise DataError(f"{name} has texture coordinates that are NaN or infinite; fix the file.")
    pixels = np.asarray(image.convert("RGBA"), np.float64) / 255
    colors = bilinear(pixels, uv, wrap=wrap)
    if getattr(material, "alphaMode", None) in (None, "OPAQUE"):
        colors[:, 3] = 1
    factor = np.ones(4)
    if getattr(material, "baseColorFactor", None) is not None:
        factor = np.asarray(material.baseColorFactor, np.float64) / 255
    at_vertices = (getattr(visual, "vertex_attributes", None) or {}).get("color")
    if at_vertices is not None:
        stored = np.asarray(at_vertices)
        linear = stored.astype(np.float64) / (np.iinfo(stored.dtype).max if stored.dtype.kind == "u" else 1)
        factor = factor * np.concatenate([linear, np.ones((len(linear), 4 - linear.shape[1]))], axis=1)
    if (factor != 1).any():
        colors[:, :3] = _encoded(_decoded(colors[:, :3]) * factor[..., :3])
        colors[:, 3] *= factor[..., 3]
    return colors


def bilinear(pixels: np.ndarray, uv: np.ndarray, *, wrap: tuple[str, str] = ("repeat", "repeat")) -> np.ndarray:
    """Samples (V, C) of an image (H, W, C) at texture coordinates (V, 2), u to the right and v up from its lower left.

    Args:
        pixels: Image; the center of the first pixel is at u = 1/(2W), v = 1 − 1/(2H).
        uv: Texture coordinates; the image covers [0, 1]².
        wrap: Continuation outside along u and v: ``repeat``, ``clamp`` or ``mirror``.

    Example:
        >>> bilinear(np.eye(2)[..., None], np.array([[0.25, 0.75], [0.5, 0.5]]))[:, 0].tolist()
        [1.0, 0.5]
    """
    H, W, _ = pixels.shape
    out = np.zeros((len(uv), pixels.shape[2]))
    x, y = uv[:, 0] * W - 0.5, (1 - uv[:, 1]) * H - 0.5
    left, top = np.floor(x), np.floor(y)
    for i in (0, 1):
        for j in (0, 1):
            weight = np.abs(1 - i - (y - top)) * np.abs(1 - j - (x - left))
            row, column = _wrapped(top + i, H, wrap[1]), _wrapped(left + j, W, wrap[0])
            out += weight[:, None] * pixels[row, column]
    return out


def _wrapped(index: np.ndarray, size: int, wrap: str) -> np.ndarray:
    if wrap == "clamp":
        return index.clip(0, size - 1).astype(np.int64)
    if wrap == "repeat":
        return np.mod(index, size).astype(np.int64)
    turned = np.mod(index, 2 * size).astype(np.int64)
    return np.minimum(turned, 2 * size - 1 - turned)


def _wrap(name: str, data: bytes) -> tuple[str, str]:
    """Continuation of the textures of a glb file, which trimesh does not keep; refuses what it ignores."""
    tree, modes = glb_tree(data), set()
    for material in tree.get("materials", []):
        slot = material.get("pbrMetallicRoughness", {}).get("baseColorTexture")
        if slot is None:
            continue
        if slot.get("texCoord", 0) != 0 or "KHR_texture_transform" in slot.get("extensions", {}):
            raise DataError(f"{name} has a texture with transformed or further coordinates; apply the transform first.")
        sampler = tree["textures"][slot["index"]].get("sampler")
        stated = {} if sampler is None else tree["samplers"][sampler]
        modes.add((_WRAPS[stated.get("wrapS", 10497)], _WRAPS[stated.get("wrapT", 10497)]))
    if len(modes) > 1:
        raise DataError(f"{name} has textures that continue in several ways ({sorted(modes)}); expected one.")
    return next(iter(modes), ("repeat", "repeat"))


def _decoded(colors: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values (IEC 61966-2-1)."""
    return np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
