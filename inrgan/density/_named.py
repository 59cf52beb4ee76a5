"""Density maps by a short notation, as on a command line."""

from inrgan._parsing import parse_numbers
from inrgan.density._gradient import Renderable, gradient_magnitude
from inrgan.density._maps import Density, foveated, load_density
from inrgan.domains import Box
from inrgan.errors import ConfigError


def named_density(text: str, *, field: Renderable) -> Density:
    """``gradient``, ``foveated:x,y`` or ``MAP.npy`` to a density over the field's domain.

    Raises:
        ConfigError: another notation, a gaze outside the domain, or a domain that is no box.
        InrganError: a file that ``load_density`` refuses.

    Example:
        >>> named_density("foveated:0.2,-0.1", field=field)(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    domain = field.domain
    if not isinstance(domain, Box):
        raise ConfigError("density maps are made on boxes; this field lives on another domain")
    if text == "gradient":
        return gradient_magnitude(field)
    kind, _, rest = text.partition(":")
    if kind == "foveated":
        return foveated(parse_numbers(rest, what="gaze"), domain=domain)
    if text.endswith(".npy"):
        return load_density(text, domain=domain)
    raise ConfigError(f"the density is {text!r}; expected gradient, foveated:x,y or a .npy file")
