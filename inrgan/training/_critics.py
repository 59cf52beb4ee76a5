"""The critics of a run, and whether its terms fit them."""

from torch import nn

from inrgan._random import step_generator
from inrgan._sizes import CriticSizes
from inrgan.errors import ConfigError
from inrgan.losses import AbstractTerm
from inrgan.modality import Modality
from inrgan.training._config import TrainConfig


def critics(config: TrainConfig, sizes: CriticSizes) -> nn.ModuleDict:
    """The critic of whole signals, and those of patches and of scattered points, where the losses ask for them.

    Raises:
        ConfigError: the modality has none of a kind.
    """
    modality = config.modality
    made: dict[str, nn.Module] = {}
    if set(config.losses) - {"points", "dense-patch"}:
        made["whole"] = modality.at(config.looks.whole_resolution(config.losses, modality.resolution)).critic(sizes)
    if "dense-patch" in config.losses:
        side = config.looks.patch_side(modality.resolution)
        shown = config.looks.context_resolution(config.losses, modality.resolution)
        made["patch"] = modality.patch_critic(sizes, patch=side, whole=shown, context=config.views.context)
    if "points" in config.losses:
        made["points"] = modality.points_critic(sizes, count=config.looks.points)
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
