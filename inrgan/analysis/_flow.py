"""How much of the change from one picture to another dense optical flow explains."""

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import MissingDependency, ShapeError

_LEVELS, _ITERATIONS, _POLY = 3, 5, (5, 1.1)


def explained_by_flow(
    before: Float[Tensor, "..."], after: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Mean squared change from ``before`` to ``after``, and what is left of it after the flow between them.

    Farnebäck's optical flow (2003; OpenCV, three levels, a window of an eighth of the shorter side) from ``after`` back
    to ``before`` on the mean of the channels, stretched to 8 bits by the extremes of both batches; ``before`` is
    sampled where the flow says, by cubic interpolation. Pictures hold no values between their samples, so that some
    change is left of a perfect motion, too.

    Args:
        before: pictures (B, C, H, W).
        after: as many.

    Returns:
        The change and the rest, per picture.

    Raises:
        ShapeError: pictures that do not fit.
        MissingDependency: OpenCV is not installed.

    Example:
        >>> x = torch.rand(2, 3, 32, 32)
        >>> explained_by_flow(x, x.roll(1, dims=3))[0].shape
        torch.Size([2])
    """
    if before.shape != after.shape or before.ndim != 4:
        raise ShapeError(f"pictures of {tuple(before.shape)} and {tuple(after.shape)}; expected twice (B, C, H, W)")
    try:
        import cv2
    except ImportError:
        raise MissingDependency("opencv-python-headless", extra="studies", why="optical flow") from None
    a, b = before.detach().cpu().float().numpy(), after.detach().cpu().float().numpy()
    grey = np.stack([a.mean(axis=1), b.mean(axis=1)])
    low, high = float(grey.min()), float(grey.max())
    bytes_ = np.round((grey - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    rows, columns = a.shape[2:]
    window = max(5, min(rows, columns) // 8)
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    change, rest, unknown = [], [], np.zeros((rows, columns, 2), np.float32)
    for i in range(len(a)):
        flow = cv2.calcOpticalFlowFarneback(
            bytes_[1, i], bytes_[0, i], unknown.copy(), 0.5, _LEVELS, window, _ITERATIONS, *_POLY, 0
        )  # fmt: skip
        moved = [
            cv2.remap(channel, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            for channel in a[i]
        ]
        change.append(float(np.square(b[i] - a[i]).mean()))
        rest.append(min(change[-1], float(np.square(b[i] - np.stack(moved)).mean())))
    return torch.tensor(change), torch.tensor(rest)
