"""Color profiles: pixels as sRGB, as a color-managed viewer shows them."""

import functools
import io
import logging
from typing import Any

# Step of the table that decides whether a profile is sRGB itself, and the largest difference that cannot be seen.
_TABLE_STEP = 15
_NO_DIFFERENCE = 2


# Any, since Pillow is not imported when annotations are evaluated.
def to_srgb(image: Any, profile: bytes | None) -> Any:
    """An image of 8 bits per channel in sRGB.

    Alpha stays. An image without a profile is sRGB already, by convention. A profile that is damaged, or of another
    kind than the pixels, is not used, with a warning, as in viewers.

    Args:
        image: Pillow image.
        profile: Its ICC profile.

    Returns:
        The same image, or one of mode RGB or RGBA.

    Example:
        >>> to_srgb(Image.new("RGB", (2, 2)), None).mode
        'RGB'
    """
    mode, transform = _found(image, profile)
    if transform is None:
        return image
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        if mode == "RGB":
            image = image.convert("RGB")
    from PIL import ImageCms

    shown = ImageCms.applyTransform(image if image.mode == mode else image.convert(mode), transform)
    assert shown is not None, "a transform that is not in place returns an image"
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


def keeps_colors(image: Any, profile: bytes | None) -> bool:
    """Whether ``to_srgb`` leaves an image as it is.

    Example:
        >>> keeps_colors(Image.new("RGB", (2, 2)), None)
        True
    """
    return _found(image, profile)[1] is None


def _found(image: Any, profile: bytes | None) -> tuple[str, Any]:
    """Mode in which a profile describes an image, and its transform to sRGB, if any."""
    mode = "CMYK" if image.mode == "CMYK" else "RGB"
    if not profile or image.mode == "LAB":  # whose values are absolute
        return mode, None
    if image.mode in ("1", "L", "LA", "La") and profile[16:20] == b"GRAY":
        mode = "L"
    return mode, _transform(profile, mode)


def profile_name(profile: bytes) -> str:
    """Description of a profile in words, or ``damaged``.

    Example:
        >>> profile_name(b"no profile")
        'damaged'
    """
    try:
        from PIL import ImageCms

        return ImageCms.getProfileDescription(io.BytesIO(profile)).strip()[:40] or "unnamed"  # type: ignore[arg-type]
    except Exception:  # as above
        return "damaged"


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    """Transform of pixels to sRGB; None where the profile cannot be used, or changes nothing that can be seen."""
    from PIL import ImageCms

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
        )
        return transform if mode == "CMYK" or _differs(transform, mode) else None
    except Exception as error:  # of damaged profiles, and of those of other pixels, in many ways
        logging.getLogger("inrgan").warning(
            "A color profile (%s) does not fit its images of mode %s and is not used (%s).", profile_name(profile),
            mode, str(error) or type(error).__name__,
        )  # fmt: skip
        return None


def _differs(transform: Any, mode: str) -> bool:
    """Whether a transform changes any value of a table of colors visibly."""
    import numpy as np
    from PIL import Image, ImageCms

    steps = np.arange(0, 256, _TABLE_STEP, dtype=np.uint8)
    if mode == "L":
        colors = steps[None]
        table = np.stack([colors] * 3, axis=-1)
    else:
        colors = table = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    shown = np.asarray(ImageCms.applyTransform(Image.fromarray(colors), transform))
    return bool(np.abs(shown.astype(int) - table).max() > _NO_DIFFERENCE)
