"""Imports go one way and in no circles. Oracle: the arrows of the design, checked on the syntax trees.

Imports for type checkers alone count as others do; of the package itself, its stub types what it loads on first use.
"""

import ast
import importlib
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import inrgan

ROOT = Path(__file__).parents[2]
CORE, ADAPTERS = ROOT / "inrgan", ROOT / "modalities" / "inrgan_modalities"

# What each part may import, beside itself and what everyone may.
EVERYONE = {"errors", "_random", "tensors", "files", "process"}
ALLOWED = {
    "views": set(),
    "domains": {"views", "resampling"},
    "samplers": {"views", "domains"},
    "encodings": {"views", "domains", "resampling"},
    "resampling": {"views"},
    "_parsing": {"domains"},
    "density": {"views", "domains", "_parsing"},
    "layers": set(),
    "inr": {"views", "domains", "encodings", "layers", "resampling"},
    "hypernetwork": {"inr", "layers"},
    "blocks": {"views", "domains", "inr"},
    "field": {"views", "domains", "inr", "blocks"},
    "discriminators": {"views", "domains", "inr", "layers"},
    "losses": {"views", "samplers", "domains", "_parsing"},
    "augmentation": {"views", "domains"},
    "data": {"views", "resampling"},
    "metrics": {"views", "domains", "images"},
    "sizes": set(),
    "capabilities": {"views", "encodings", "augmentation", "data", "field"},
    "modality": {
        "views",
        "domains",
        "samplers",
        "encodings",
        "discriminators",
        "data",
        "metrics",
        "sizes",
        "_parsing",
    },
    "images": {"data"},
    "registry": {"modality", "_parsing"},
    "checkpoint": {"field", "inr", "modality", "registry", "sizes", "_parsing"},
    "generator": {"data", "field", "inr", "hypernetwork", "modality", "capabilities", "sizes", "checkpoint", "views"},
    "config": {"capabilities", "data", "losses", "modality", "sizes", "_parsing"},
    "recipes": {"config", "losses", "modality", "sizes"},
    "interpolation": {"views"},
    "fitting": {"views", "inr", "hypernetwork"},
    "rendering": {"domains", "blocks", "generator", "checkpoint", "images", "_parsing"},
    "export": {"domains", "encodings", "field", "generator", "hypernetwork", "inr", "resampling", "views"},
    "inrs": {
        "config",
        "generator",
        "sizes",
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
        "fitting",
        "registry",
    },
    "analysis": {
        "capabilities",
        "views",
        "domains",
        "data",
        "images",
        "field",
        "fitting",
        "inr",
        "modality",
        "generator",
        "interpolation",
    },
}
# Adapters may use these, and not the package's front door: it is the last to be complete.
PUBLIC = {
    f"inrgan.{p.stem}" for p in CORE.iterdir() if not p.name.startswith("_") and (p.is_dir() or p.suffix == ".py")
}


def imports(path):
    """Modules imported anywhere in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "inrgan")


def modules():
    """Every module of both packages, by name, with the modules that it imports anywhere."""
    paths = {}
    for top in (CORE, ADAPTERS):
        for path in top.rglob("*.py"):
            name = ".".join(path.relative_to(top.parent).with_suffix("").parts)
            paths[name.removesuffix(".__init__")] = path
    found = {}
    for name, path in paths.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        wanted = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
        for node in (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)):
            submodules = {f"{node.module}.{a.name}" for a in node.names} & set(paths)
            wanted |= submodules or {node.module}
        found[name] = wanted & set(paths)
    return found


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
    for module in imports(path):
        if module.partition(".")[0] == "inrgan":
            assert module in PUBLIC, f"{path.name} imports {module}, which is no public module"


def test_no_module_imports_itself_by_way_of_others():
    try:
        tuple(TopologicalSorter(modules()).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_adapters_are_named_in_one_place():
    named = [p.name for p in CORE.rglob("*.py") if "inrgan_modalities" in p.read_text(encoding="utf-8")]
    assert named == ["registry.py"]


def test_the_stub_types_all_public_names():
    stub = ast.parse((CORE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {a.asname: node.module for node in stub.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert sorted(typed) == sorted(inrgan.__all__)
    for name, module in typed.items():
        assert getattr(importlib.import_module(module), name) is getattr(inrgan, name)


def test_the_walk_sees_arrows(tmp_path):
    # The walk itself: what it must find.
    file = tmp_path / "x.py"
    file.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import hidden\n"
        "def f():\n    from inrgan.cli import main\n    from inrgan import sizes\n"
    )
    assert {"inrgan.cli", "inrgan.sizes", "hidden"} <= set(imports(file))
    edges = modules()
    assert "inrgan.views" in edges["inrgan.field"] and "inrgan" not in edges["inrgan_modalities.image._modality"]


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
