"""Imports go one way. Oracle: the arrows that the design draws, checked on the syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import inrgan

ROOT = Path(__file__).parents[2]
CORE, ADAPTERS = ROOT / "inrgan", ROOT / "modalities" / "inrgan_modalities"

# What each part may import, beside itself and what everyone may.
EVERYONE = {"errors", "_typing", "_random", "files", "values", "process", "_legendre"}
ALLOWED = {
    "views": set(),
    "_axis_maps": set(),
    "domains": {"views", "resampling", "_axis_maps"},
    "samplers": {"views", "domains"},
    "encodings": {"views", "resampling"},
    "resampling": {"views", "_axis_maps"},
    "_parsing": {"domains"},
    "density": {"views", "domains", "_parsing"},
    "_layers": set(),
    "inr": {"views", "domains", "encodings", "_layers"},
    "hypernetwork": {"inr", "_layers"},
    "field": {"views", "domains", "inr"},
    "discriminators": {"views", "domains", "inr", "_layers"},
    "losses": {"views", "samplers", "domains", "_parsing"},
    "augmentation": {"views", "domains"},
    "data": {"views", "resampling"},
    "metrics": {"views", "domains"},
    "sizes": set(),
    "modality": {
        "views",
        "domains",
        "samplers",
        "encodings",
        "discriminators",
        "augmentation",
        "data",
        "field",
        "metrics",
        "sizes",
        "_parsing",
    },
    "pictures": set(),
    "registry": {"modality", "_parsing"},
    "checkpoint": {"field", "inr", "modality", "registry", "sizes", "_parsing"},
    "generator": {"field", "inr", "hypernetwork", "modality", "sizes", "checkpoint"},
    "config": {"data", "losses", "modality", "sizes", "_parsing"},
    "recipes": {"config", "losses", "modality", "sizes"},
    "interpolation": {"field", "views"},
    "rendering": {"domains", "field", "generator", "checkpoint", "_parsing"},
    "inrs": {
        "discriminators",
        "losses",
        "domains",
        "views",
        "data",
        "field",
        "inr",
        "hypernetwork",
        "checkpoint",
        "_parsing",
        "modality",
        "generator",
        "sizes",
    },
    "analysis": {"views", "domains", "data", "pictures", "field", "inr", "modality", "generator", "interpolation"},
}
# Adapters may use these and what the package's own __init__ offers.
PUBLIC = {"inrgan"} | {
    f"inrgan.{p.stem}" for p in CORE.iterdir() if not p.name.startswith("_") and (p.is_dir() or p.suffix == ".py")
}


def imports(path):
    """Modules imported anywhere in a file, except for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            skipped.update(id(inner) for inner in ast.walk(node))
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "inrgan")


def part(path):
    relative = path.relative_to(CORE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_core_arrows(path):
    mine = part(path)
    for module in imports(path):
        top, _, rest = module.partition(".")
        assert top != "inrgan_modalities", f"the core names adapters as strings only: {module}"
        if top == "inrgan" and rest and mine in ALLOWED:
            other = rest.partition(".")[0]
            assert other == mine or other in ALLOWED[mine] | EVERYONE, f"{mine} must not import {module}"
            if other != mine:
                assert "._" not in rest, f"{path.name} reaches into {module}"


@pytest.mark.parametrize("path", sorted(ADAPTERS.rglob("*.py")), ids=lambda p: str(p.relative_to(ADAPTERS)))
def test_adapters_use_public_names(path):
    public = set(inrgan.__all__)
    for module in imports(path):
        if module.partition(".")[0] != "inrgan":
            continue
        name = module.partition(".")[2]
        assert name in public or module in PUBLIC, f"{path.name} imports {module}, which is not public"


def test_the_walk_sees_arrows(tmp_path):
    # The walk itself: what it must find, and what it must not.
    file = tmp_path / "x.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hidden\n"
        "def f():\n    from inrgan.cli import main\n    from inrgan import sizes\n"
    )
    found = set(imports(file))
    assert {"inrgan.cli", "inrgan.sizes"} <= found and "hidden" not in found


HEAVY = {
    "torchvision", "torchaudio", "open3d", "decord", "trimesh", "gradio", "matplotlib", "PIL", "tyro", "tensorboard",
    "soundfile", "av", "skimage", "scipy",
}  # fmt: skip


def test_import_is_light():
    # Oracle: sys.modules of a fresh interpreter, less what torch and the other requirements load by themselves.
    code = (
        "import sys, torch, numpy, einops, safetensors.torch, huggingface_hub, jaxtyping; before = set(sys.modules); "
        "import inrgan, inrgan.testing; from inrgan import Generator, Box, Modality; "
        "new = set(sys.modules) - before; print(sorted({m.partition('.')[0] for m in new} | (new & {'torch._dynamo'})))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(out.stdout)
    assert "inrgan" in loaded and not set(loaded) & {*HEAVY, "inrgan_modalities", "torch._dynamo"}


def test_public_names_exist():
    assert all(getattr(inrgan, name) is not None for name in inrgan.__all__)
    with pytest.raises(AttributeError, match="nosuch"):
        _ = inrgan.nosuch
