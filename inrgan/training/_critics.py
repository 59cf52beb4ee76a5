"""The critics of a run, and whether its terms fit them."""

from typing import Any

from torch import nn

from inrgan._random import step_generator
from inrgan.config import TrainConfig
from inrgan.errors import ConfigError
from inrgan.generator import Generator
from inrgan.inrs import NumberSpace
from inrgan.losses import AbstractTerm
from inrgan.modality import Modality
from inrgan.sizes import CriticSizes


def critics(config: TrainConfig, sizes: CriticSizes, *, space: NumberSpace | None = None) -> nn.ModuleDict:
    """The critics of whole signals, of patches, of scattered points and of weights, where the losses ask for them.

    Raises:
        ConfigError: the modality has none of a kind.
    """
    modality = config.modality
    made: dict[str, nn.Module] = {}
    if set(config.losses) - {"points", "dense-patch", "weights"}:
        full = config.view_options.whole_resolution(config.losses, modality.resolution)
        made["whole"] = modality.at(full).critic(sizes)
    if "dense-patch" in config.losses:
        side = config.view_options.patch_side(modality.resolution)
        shown = config.view_options.context_resolution(config.losses, modality.resolution)
        made["patch"] = modality.patch_critic(sizes, patch=side, whole=shown, context=config.views.context)
    if "points" in config.losses:
        made["points"] = modality.points_critic(sizes, count=config.view_options.points)
    if "weights" in config.losses:
        assert space is not None, "a critic of weights compares with fitted functions"
        made["weights"] = space.critic(config.views.weight_critic, width=sizes.max_width)
    return nn.ModuleDict(made)


def smallest(critics: nn.ModuleDict) -> int:
    """Fewest samples along a side that the critic of wholes accepts; 1 where there is none."""
    return int(critics["whole"].smallest) if "whole" in critics else 1  # type: ignore[arg-type]


def check_term(term: AbstractTerm, config: TrainConfig, *, smallest: int) -> None:
    """Refuse views that the critic is too deep for, or that cannot be, before anything is written.

    Args:
        term: of the loss.
        config: of the run.
        smallest: fewest samples along a side that the critic of wholes accepts.

    Raises:
        ConfigError: with what to change.
    """
    if config.modality.known_in_part and (term.critic != "points" or config.augment != "none"):
        raise ConfigError(
            f"losses are {', '.join(config.losses)} and augment is {config.augment}, and items of "
            f"{config.modality.name} are known in part; use the loss points alone, and no augmentation"
        )
    if term.near > 0 and type(config.modality).places is Modality.places:
        what, flag = ("points", "points") if term.critic == "points" else ("patches", "patch")
        raise ConfigError(
            f"{what} were to lie where signals are worth a look, and {config.modality.name} knows no such places; "
            f"leave out --{flag}-near"
        )
    resolution = config.views.resolution_at(0.0, config.modality.resolution)
    rng = step_generator(config.seed, purpose=f"v:{term.name}", step=0)
    view = term.views(config.modality.domain, batch=config.batch, generator=rng, resolution=resolution)[0]
    if term.critic != "points" and min(view.shape) < smallest:
        raise ConfigError(
            f"the views of {term.name} have {'x'.join(map(str, view.shape))} samples and the critic asks for "
            f"{smallest} along a side; raise the resolution, or lower --foveation or raise --grow-from"
        )


def check_functions(space: NumberSpace, config: TrainConfig, G: Any, *, begun: object) -> None:
    """Refuse fitted functions that the generator's cannot be compared with.

    Args:
        space: of the functions.
        config: of the run.
        G: the generator.
        begun: what it started from; None for a new one.

    Raises:
        ConfigError: with what to change.
    """
    if not isinstance(G, Generator):
        raise ConfigError(f"a critic of weights looks at functions of inrgan.Generator; got {type(G).__name__}")
    own = {"name": config.modality.name, "arguments": config.modality.arguments()}
    if space.modality != own:
        raise ConfigError(
            f"the functions in {config.inrs} were fitted as {space.modality}, and the training is of {own}; use equal "
            "flags"
        )
    space.check(G.inr)
    if space.modulations and config.losses != ("weights",):
        raise ConfigError(
            f"the functions in {config.inrs} are modulations of one hypernetwork, which other losses would change; "
            "take the loss weights alone, or fit weights"
        )
    if space.modulations and begun is None:
        raise ConfigError(
            f"the functions in {config.inrs} are modulations of the hypernetwork there; add --init-from "
            f"{config.inrs}/generator"
        )
