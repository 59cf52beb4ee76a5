"""Network sizes, and the table of presets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inrgan.errors import ConfigError

Backbone = Literal["multiscale", "pointwise", "polynomial", "harmonic-bank"]
Hypernetwork = Literal["factorized", "style", "full"]
Preset = Literal["tiny", "base", "large"]
PRESETS: tuple[Preset, ...] = ("tiny", "base", "large")


@dataclass(frozen=True, kw_only=True)
class GeneratorSizes:
    """Generator sizes; with the modality's arguments they rebuild a generator."""

    z_dim: int = 256
    """Width Z of the latent."""
    w_dim: int = 256
    """Width W of the mapped latent."""
    mapping_depth: int = 2
    """Layers of the mapping network."""
    mapping_rate: float = 0.01
    """Learning rate of the mapping network relative to the rest."""
    hypernetwork: Hypernetwork = "factorized"
    """Kind of hypernetwork, which turns a mapped latent into weights."""
    rank: int = 10
    """Rank of the factorized modulation."""
    modulation: Literal["linear", "plain", "tanh", "sigmoid"] = "linear"
    """Form of the factorized modulation."""
    demodulated: bool = True
    """Normalize the rows of modulated weights. Turn it off only to study the effect; factorized modulation only."""
    backbone: Backbone = "multiscale"
    """Network whose weights the hypernetwork generates."""
    lattices: tuple[int, ...] = ()
    """Cells along the shortest side of each lattice, coarse to fine."""
    widths: tuple[int, ...] = (128,)
    """Layer widths per stage; the last stage runs at the queried points (with a harmonic bank, on the last lattice)."""
    depths: tuple[int, ...] = (7,)
    """Layers per stage."""
    classes: int = 0
    """Number of labels; 0 for an unconditional generator."""

    @property
    def part_dims(self) -> tuple[int, int]:
        """Entries of z and of w that belong to a separately drawn part of the latent, such as motion."""
        return max(1, self.z_dim // 4), max(1, self.w_dim // 4)

    def __post_init__(self):
        sizes = {
            "z_dim": self.z_dim, "w_dim": self.w_dim, "mapping_depth": self.mapping_depth, "rank": self.rank,
            "widths": min(self.widths, default=0), "depths": min(self.depths, default=0),
        }  # fmt: skip
        for name, value in sizes.items():
            if value < 1:
                raise ConfigError(f"{name} of the generator is {getattr(self, name)}; expected 1 or more")
        if not self.demodulated and self.hypernetwork != "factorized":
            raise ConfigError(
                f"rows without normalization need factorized modulation, and the hypernetwork is {self.hypernetwork}; "
                "use factorized"
            )
        if not 0 < self.mapping_rate < float("inf") or self.classes < 0:
            raise ConfigError(f"mapping_rate is {self.mapping_rate}, classes {self.classes}; expected positive numbers")


def current_sizes(data: Any) -> Any:
    """Plain values of ``GeneratorSizes`` from a file, with names of earlier versions replaced by those of today.

    Example:
        >>> current_sizes({"backbone": "carriers"})
        {'backbone': 'harmonic-bank'}
    """
    if isinstance(data, Mapping) and data.get("backbone") == "carriers":
        return {**data, "backbone": "harmonic-bank"}
    return data


@dataclass(frozen=True, kw_only=True)
class CriticSizes:
    """Critic sizes, apart from those that the modality decides."""

    width: int = 32
    """Channels at full resolution; they double whenever the resolution is halved."""
    max_width: int = 512
    """Upper bound on the channels."""
    classes: int = 0
    """Number of labels; 0 for an unconditional critic."""

    def __post_init__(self):
        if self.width < 1 or self.max_width < 1 or self.classes < 0:
            raise ConfigError(f"a critic of {self}; expected widths of 1 or more and classes of 0 or more")


# One row per preset: z, w, rank, widths of (coarse lattice, fine lattice, queried points), depths of the same.
_TABLE: dict[str, tuple[int, int, int, tuple[int, int, int], tuple[int, int, int]]] = {
    "tiny": (64, 128, 4, (128, 96, 96), (2, 2, 4)),
    "base": (256, 256, 8, (384, 256, 96), (3, 3, 4)),
    "large": (512, 512, 10, (512, 384, 128), (4, 4, 5)),
}
_CRITIC_TABLE: dict[str, tuple[int, int]] = {"tiny": (16, 128), "base": (48, 384), "large": (64, 512)}


def check_preset(preset: str) -> None:
    """Check that a preset is in the table.

    Raises:
        ConfigError: The preset is unknown; the message lists the known ones.
    """
    if preset not in _TABLE:
        raise ConfigError(f"unknown preset {preset!r}; expected one of {', '.join(_TABLE)}")


def generator_preset(preset: str, *, resolution: int, backbone: Backbone = "multiscale") -> GeneratorSizes:
    """Generator sizes of a preset for a training resolution.

    The fine lattice has half the resolution, or a quarter from 128 samples on, and at most 64 cells; the coarse lattice
    has a quarter of that. The octaves between the fine lattice and the finest detail are left to the queried points, so
    that the cost of a training on patches does not depend on the full resolution.

    Raises:
        ConfigError: The preset is unknown.

    Example:
        >>> generator_preset("tiny", resolution=32).lattices
        (4, 16)
    """
    check_preset(preset)
    z_dim, w_dim, rank, widths, depths = _TABLE[preset]
    sizes = GeneratorSizes(z_dim=z_dim, w_dim=w_dim, rank=rank, backbone=backbone)
    if backbone in ("multiscale", "harmonic-bank"):
        fine = min(64, max(4, resolution // (2 if resolution <= 64 else 4)))
        coarse = max(4, fine // 4)
        stages = 3 if backbone == "multiscale" else 2
        return replace(sizes, lattices=(coarse, fine), widths=widths[:stages], depths=depths[:stages])
    return replace(sizes, widths=(widths[1],), depths=(sum(depths),))


def critic_preset(preset: str, *, classes: int = 0) -> CriticSizes:
    """Critic sizes of a preset.

    Raises:
        ConfigError: The preset is unknown.
    """
    check_preset(preset)
    width, max_width = _CRITIC_TABLE[preset]
    return CriticSizes(width=width, max_width=max_width, classes=classes)


def override(sizes: GeneratorSizes, changes: dict[str, int | float | str | Sequence[int] | None]) -> GeneratorSizes:
    """Sizes with the given changes; entries that are None keep their value."""
    given: dict[str, Any] = {
        k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in changes.items() if v is not None
    }
    return replace(sizes, **given)
