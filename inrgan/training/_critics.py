"""The critics of a run, and whether its terms fit them."""

from torch import nn

from inrgan._random import step_generator
from inrgan._sizes import CriticSizes
from inrgan.errors import ConfigError
from inrgan.losses import AbstractTerm
from inrgan.modality import Modality
from inrgan.training._config import TrainConfig


def critics(config: TrainConfig, sizes: CriticSizes) -> nn.ModuleDict:
    """The critic of whole signals, and that of patches where there are any."""
    modality = config.modality
    whole = config.looks.whole_resolution(config.losses, modality.resolution)
    made: dict[str, nn.Module] = {"whole": modality.at(whole).critic(sizes)}
    if "dense-patch" in config.losses:
        side = config.looks.patch_side(modality.resolution)
        shown = config.looks.context_resolution(config.losses, modality.resolution)
        made["patch"] = modality.patch_critic(sizes, patch=side, whole=shown, context=config.views.context)
    return nn.ModuleDict(made)


def check_term(term: AbstractTerm, config: TrainConfig, *, smallest: int) -> None:
    """Refuse views that the critic is too deep for, or that cannot be, before anything is written.

    Args:
        term: of the loss.
        config: of the run.
        smallest: fewest samples along a side that the critic of wholes accepts.

    Raises:
        ConfigError: with what to change.
    """
    if term.near > 0 and type(config.modality).place is Modality.place:
        raise ConfigError(
            f"patches were to lie where signals are worth a look, and {config.modality.name} knows no such places; "
            "leave out --patch-near"
        )
    resolution = config.views.resolution_at(0.0, config.modality.resolution)
    rng = step_generator(config.seed, purpose=f"v:{term.name}", step=0)
    view = term.views(config.modality.domain, batch=config.batch, generator=rng, resolution=resolution)[0]
    if min(view.shape) < smallest:
        raise ConfigError(
            f"the views of {term.name} have {'x'.join(map(str, view.shape))} samples and the critic asks for "
            f"{smallest} along a side; raise the resolution, or lower --foveation or raise --grow-from"
        )
