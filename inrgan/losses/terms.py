"""Loss terms of a training step by name, and their options."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from inrgan._parsing import to_plain
from inrgan.errors import ConfigError
from inrgan.losses.base import AbstractTerm
from inrgan.losses.dense_patch import DensePatchTerm
from inrgan.losses.full_signal import FullSignalTerm, PointsTerm, variable_density
from inrgan.losses.random_resolution import random_resolution
from inrgan.samplers import AbstractSampler, FullGrid

LOSSES = ("full", "random-resolution", "variable-density", "points", "dense-patch", "weights")


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """View options of the losses.

    Raises:
        ConfigError: A number is out of range.

    Example:
        >>> LossOptions().whole_resolution(("full", "dense-patch"), 1024)
        64
    """

    lowest: int = 0
    """Random resolutions: fewest samples along the shortest side; 0 for half of the training resolution."""
    law: Literal["uniform", "log"] = "uniform"
    """Random resolutions: distribution of the number of samples, uniform or log-uniform (log)."""
    stretch: float = 1.0
    """Random resolutions: largest ratio of the spacings along two axes."""
    foveation: float = 2.0
    """Variable density: growth of the spacing with the distance from a random point; 1 doubles it at half a side."""
    shift: float = 0.0
    """Full-domain views: largest shift beyond the domain, as a fraction of it, for extrapolation. The data must be
    statistically the same everywhere."""
    patch: int = 0
    """Dense patches: samples along a side; 0 for half the resolution and at most 64."""
    whole: int = 0
    """Dense patches: samples along the shortest side of the full-domain view; 0 for half the resolution and at most
    64."""
    context_size: int = 0
    """Dense patches: samples along the shortest side of the global context; 0 for the same number as --whole."""
    context: bool = True
    """Dense patches: condition their critic on global context and on the position of the patch."""
    patch_start: float = 5.0
    """Dense patches: thousands of reals before they start."""
    patch_ramp: float = 10.0
    """Dense patches: thousands of reals over which their weight then grows from 0 to 1."""
    patch_near: float = 0.0
    """Dense patches: fraction placed at regions of interest of the modality, such as surfaces."""
    points: int = 512
    """Scattered points: number per signal."""
    points_near: float = 0.0
    """Scattered points: fraction placed at regions of interest of the modality, such as surfaces."""
    weight_critic: Literal["flat", "units"] = "flat"
    """Critic of the loss weights: flat depends on the order of hidden units; units does not."""
    grow_from: int = 0
    """Progressive growing: initial samples along the shortest side; 0 for none."""
    grow_kimg: float = 0.0
    """Progressive growing: thousands of reals until the full resolution."""

    def __post_init__(self):
        numbers = {
            name: value
            for name, value in to_plain(self).items()
            if name not in ("law", "context", "stretch", "weight_critic")
        }
        for name, value in numbers.items():
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{name} of the losses is {value}; expected a number of 0 or more")
        for what, near in (("patches", self.patch_near), ("points", self.points_near)):
            if near > 1:
                raise ConfigError(f"the fraction of {what} at regions of interest is {near}; expected 0 to 1")
        if self.points < 1:
            raise ConfigError(f"the number of scattered points is {self.points}; expected 1 or more")
        if not 1 <= self.stretch <= 16:
            raise ConfigError(f"the stretch of random resolutions is {self.stretch}; expected 1 to 16")
        if (self.grow_from > 0) != (self.grow_kimg > 0):
            raise ConfigError(
                f"growing is from {self.grow_from} samples over {self.grow_kimg} kimg; give both, or neither"
            )

    def whole_resolution(self, names: Sequence[str], resolution: int) -> int:
        """Samples along the shortest side of the full-domain views of a training with these losses."""
        if "dense-patch" not in names:
            return resolution
        return self.whole or _half(resolution)

    def context_resolution(self, names: Sequence[str], resolution: int) -> int:
        """Samples along the shortest side of the global context of the critic of patches."""
        return self.context_size or self.whole_resolution(names, resolution)

    def patch_side(self, resolution: int) -> int:
        """Samples along a side of a dense patch."""
        return self.patch or _half(resolution)

    def resolution_at(self, kimg: float, resolution: int) -> int:
        """Samples along the shortest side after so many thousand reals, by progressive growing.

        The resolution grows exponentially, in steps of a multiple of 4, so that every octave takes equally long. (The
        schedule replaces new layers: Karras et al. 2018 grow the network instead.)

        Example:
            >>> LossOptions(grow_from=16, grow_kimg=10).resolution_at(5, 64)
            32
        """
        if self.grow_from == 0 or kimg >= self.grow_kimg or self.grow_from >= resolution:
            return resolution
        now = self.grow_from * (resolution / self.grow_from) ** (kimg / self.grow_kimg)
        return min(resolution, max(self.grow_from, int(now) // 4 * 4))


def term_weight(names: Sequence[str]) -> float:
    """Weight of each term on full signals; all weights are equal.

    Example:
        >>> term_weight(("full", "random-resolution", "dense-patch"))
        0.5
    """
    return 1 / max(1, len(set(names) - {"dense-patch"}))


def _half(resolution: int) -> int:
    return min(64, max(8, resolution // 2))


def check_names(names: Sequence[str]) -> None:
    """Reject loss names that are unknown, missing or repeated.

    Raises:
        ConfigError: The names are invalid; the message lists the known ones.
    """
    if set(names) - set(LOSSES) or not names or len(set(names)) != len(names):
        raise ConfigError(
            f"losses are {', '.join(names) or 'none'}; expected one or more of {', '.join(LOSSES)}, once each"
        )


def terms(
    names: Sequence[str],
    *,
    resolution: int,
    smallest: int,
    options: LossOptions | None = None,
    through: Callable[[AbstractSampler], AbstractSampler] | None = None,
    extra: Mapping[str, AbstractTerm] | None = None,
) -> tuple[AbstractTerm, ...]:
    """Loss terms of a training, by name.

    Args:
        names: Any of ``LOSSES``; dense patches only together with a loss on full signals.
        resolution: Training samples along the shortest side.
        smallest: Fewest samples along a side that the critic accepts.
        options: Options of the losses; the defaults where None.
        through: Function from a sampler of the whole domain to the one in use; None for the sampler itself.
        extra: Further terms with their own critic, by name.

    Raises:
        ConfigError: A name is unknown or repeated, there is none, or the options do not fit.
    """
    options = options or LossOptions()
    check_names(names)
    if tuple(names) == ("dense-patch",):
        raise ConfigError("losses are dense-patch alone, and no critic would see the full signal; add full")
    whole = options.whole_resolution(names, resolution)
    if whole > resolution:
        raise ConfigError(
            f"the full-domain view has {whole} samples and full density {resolution}; expected no more than that"
        )
    weight = term_weight(names)
    made: dict[str, AbstractTerm] = {}
    if "full" in names:
        made["full"] = FullSignalTerm("full", FullGrid(whole), shift=options.shift, weight=weight, through=through)
    if "random-resolution" in names:
        made["random-resolution"] = random_resolution(
            whole, lowest=options.lowest or max(smallest, whole // 2), law=options.law, aspect=options.stretch,
            shift=options.shift, weight=weight, through=through,
        )  # fmt: skip
    if "variable-density" in names:
        made["variable-density"] = variable_density(
            whole, strength=options.foveation, shift=options.shift, weight=weight, through=through
        )
    if "points" in names:
        made["points"] = PointsTerm(resolution, count=options.points, near=options.points_near, weight=weight)
    if "weights" in names:
        if extra is None or "weights" not in extra:
            raise ConfigError("the loss weights needs fitted functions to compare with; use inrgan convert --to inrs")
        made["weights"] = extra["weights"]
    if "dense-patch" in names:
        made["dense-patch"] = DensePatchTerm(
            resolution, patch=options.patch_side(resolution), whole=options.context_resolution(names, resolution),
            start=options.patch_start, ramp=options.patch_ramp, context=options.context, near=options.patch_near,
        )  # fmt: skip
    return tuple(made[name] for name in names)
