"""Metrics of videos, in addition to the general ones."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from einops import rearrange

from inrgan.errors import ConfigError, MissingDependency, ShapeError
from inrgan.images import to_bytes
from inrgan.metrics import Comparison, Metric, RandomConvFeatures, frechet_distance, sliced_wasserstein

Protocol = dict[str, str | int | float | bool]

FVD_PROTOCOL: Protocol = {
    "features": "I3D, Kinetics-400, logits", "frames": 16, "stride": 1, "clips": 2048, "clips_per_video": 1,
    "resize": "bilinear to 224x224, no antialiasing", "range": "-1 to 1",
}  # fmt: skip
"""Settings of ``frechet_video_distance``, in which comparable distances have to agree."""

_FRAMES = 4
"""Number of frames of a video that metrics of single frames use."""
_FLOW_VIDEOS = 64
"""Number of videos of a set whose motion is estimated."""
_FLOOR = 1e-10


def video_metrics(seconds: float) -> dict[str, Metric]:
    """Metrics of videos of a given length, by name."""
    return {
        "frame-swd": Metric("lower", _frame_swd),
        "frame-frechet": Metric("lower", _frame_frechet),
        "temporal-spectrum": Metric("lower", lambda c: _spectrum_distance(c, seconds)),
        "warping": Metric("lower", _warping),
        "fvd": Metric("lower", _no_weights),
    }


def temporal_spectrum(values: torch.Tensor) -> torch.Tensor:
    """Mean power of the pixels over time, in dB, at 1 … T // 2 periods per video: (T // 2,).

    The mean over time is subtracted from every pixel, and a periodic Hann window is applied. The squared magnitude of
    the Fourier transform, divided by the sum of the squared window, is averaged over videos, channels and pixels.
    Periodic motion shows as a peak. Powers below 10⁻¹⁰ are raised to that.

    Args:
        values: Videos (N, C, T, H, W) with T of 4 or more.

    Raises:
        ShapeError: There is no video, or there are fewer frames.

    Example:
        >>> temporal_spectrum(torch.zeros(2, 3, 16, 8, 8)).shape
        torch.Size([8])
    """
    if values.ndim != 5 or values.numel() == 0 or values.shape[2] < 4:
        raise ShapeError(f"videos of shape {tuple(values.shape)}; expected (N, C, 4 or more frames, H, W)")
    frames = values.shape[2]
    window = torch.hann_window(frames, dtype=torch.float64).reshape(-1, 1, 1)
    total = torch.zeros(frames // 2 + 1, dtype=torch.float64)
    for part in values.cpu().split(16):
        wide = part.double()
        wide = (wide - wide.mean(dim=2, keepdim=True)) * window
        total += torch.fft.rfft(wide, dim=2).abs().square().sum(dim=(0, 1, 3, 4))
    power = total / (values.numel() / frames) / window.square().sum()
    return 10 * torch.log10(power.clamp(min=_FLOOR))[1 : frames // 2 + 1]


def warping_error(values: torch.Tensor) -> float:
    """Mean absolute difference between frames and the next frames warped back by optical flow, for values in −1 to 1.

    The flow is Farnebäck's (2003; OpenCV, two levels, a window of an eighth of a side) on luma, from every frame to the
    next. The next frame is sampled at the displaced points and compared. Points that leave the frame are ignored.

    Args:
        values: Videos (N, C, T, H, W) with T of 2 or more and C of 1 or 3.

    Raises:
        ShapeError: There is no video, or a single frame.
        MissingDependency: OpenCV is not installed.

    Example:
        >>> warping_error(torch.zeros(2, 3, 4, 32, 32))
        0.0
    """
    if values.ndim != 5 or values.numel() == 0 or values.shape[2] < 2:
        raise ShapeError(f"videos of shape {tuple(values.shape)}; expected (N, C, 2 or more frames, H, W)")
    cv2 = load_opencv(why="Estimating motion")
    bytes_NTHWC = rearrange(to_bytes(values), "b c t h w -> b t h w c").cpu().numpy()
    errors = []
    for video in bytes_NTHWC:
        grey = video[..., 0] if video.shape[-1] == 1 else np.stack([cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in video])
        for k in range(len(video) - 1):
            errors.append(_warped(cv2, video[k], video[k + 1], grey[k], grey[k + 1]))
    return float(np.mean(errors)) * 2 / 255


def _warped(cv2: Any, before: np.ndarray, after: np.ndarray, grey: np.ndarray, grey_after: np.ndarray) -> float:
    rows, columns = grey.shape
    side = max(5, min(rows, columns) // 8 * 2 + 1)
    flow = cv2.calcOpticalFlowFarneback(
        np.ascontiguousarray(grey), np.ascontiguousarray(grey_after), None, 0.5, 2, side, 3, 5, 1.1, 0
    )
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    x, y = x + flow[..., 0], y + flow[..., 1]
    moved = cv2.remap(np.ascontiguousarray(after), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (x >= 0) & (x <= columns - 1) & (y >= 0) & (y <= rows - 1)
    if not inside.any():
        return 255.0
    difference = np.abs(moved.reshape(before.shape).astype(np.float32) - before)
    return float(difference[inside].mean())


def frechet_video_distance(
    real: torch.Tensor, fake: torch.Tensor, *, embed: Callable[[torch.Tensor], torch.Tensor]
) -> float:
    """Fréchet video distance (Unterthiner et al. 2018) with an embedding that you provide, such as I3D.

    Two numbers are comparable only if everything in ``FVD_PROTOCOL`` agrees: report it.

    Args:
        real: Real videos (N, C, T, H, W).
        fake: Generated videos (M, C, T, H, W).
        embed: Map from videos (n, C, T, H, W) in −1 to 1 to embeddings (n, F); called with 16 videos at a time.

    Example:
        >>> x = torch.randn(20, 1, 4, 8, 8)
        >>> frechet_video_distance(x, x, embed=lambda v: v.std(dim=(2, 3))[:, 0])
        0.0
    """
    sets = [torch.cat([embed(part) for part in x.split(16)]).cpu() for x in (real, fake)]
    return frechet_distance(*sets)


def load_opencv(*, why: str) -> Any:
    """The OpenCV library, which estimates motion.

    Raises:
        MissingDependency: OpenCV is not installed.
    """
    try:
        import cv2
    except (ImportError, OSError) as error:
        raise MissingDependency("opencv-python-headless", extra="video", why=why) from error
    cv2.setNumThreads(1)  # frames are small, and threads would only add overhead
    return cv2


def _frames(values: torch.Tensor) -> torch.Tensor:
    """Evenly spaced frames of every video, as images."""
    count = values.shape[2]
    chosen = sorted({round((i + 0.5) * count / _FRAMES - 0.5) for i in range(min(_FRAMES, count))})
    return rearrange(values[:, :, chosen], "b c t h w -> (b t) c h w")


def _frame_swd(c: Comparison) -> tuple[float, Protocol]:
    score = sliced_wasserstein(_frames(c.real), _frames(c.fake), generator=torch.Generator().manual_seed(c.seed))
    return score.mean, {"frames_per_video": _FRAMES, "levels": len(score.levels)}


def _frame_frechet(c: Comparison) -> tuple[float, Protocol]:
    extractor = RandomConvFeatures(c.real.shape[1], dims=2)
    value = frechet_distance(extractor(_frames(c.real)).cpu(), extractor(_frames(c.fake)).cpu())
    return value, {"frames_per_video": _FRAMES, "features": extractor.name}


def _spectrum_distance(c: Comparison, seconds: float) -> tuple[float, Protocol]:
    """Root mean square difference of the temporal spectra, in dB."""
    real, fake = temporal_spectrum(c.real), temporal_spectrum(c.fake)
    value = float((real - fake).square().mean().sqrt())
    return value, {
        "unit": "dB", "highest_hz": round(len(real) / seconds, 3), "lowest_hz": round(1 / seconds, 3),
        "peak_over_reals_db": round(float((fake - real).max()), 2),
    }  # fmt: skip


def _warping(c: Comparison) -> tuple[float, Protocol]:
    real, fake = (warping_error(x[:_FLOW_VIDEOS]) for x in (c.real, c.fake))
    return fake, {
        "of_reals": round(real, 5), "videos": min(_FLOW_VIDEOS, len(c.fake)), "flow": "Farneback, OpenCV",
    }  # fmt: skip


def _no_weights(c: Comparison) -> tuple[float, Protocol]:
    del c
    pinned = ", ".join(f"{k} {v}" for k, v in FVD_PROTOCOL.items())
    raise ConfigError(
        f"fvd needs I3D, whose weights do not come with inrgan; load them and call "
        f"inrgan_modalities.video.frechet_video_distance with the protocol that makes numbers comparable ({pinned}), "
        "or use frechet and swd, which need no weights"
    )


def peak_prominence(decibels: torch.Tensor) -> float:
    """Prominence of the highest peak of a spectrum over both sides of it, in dB; 0 without a peak.

    Example:
        >>> peak_prominence(torch.tensor([0.0, -6.0, -3.0, -12.0]))
        3.0
    """
    x = decibels.tolist()
    best = 0.0
    for i in range(1, len(x) - 1):
        best = max(best, x[i] - max(min(x[:i]), min(x[i + 1 :])))
    return best if math.isfinite(best) else 0.0
