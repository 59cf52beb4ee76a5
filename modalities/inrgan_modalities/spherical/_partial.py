"""Observation of spheres that are known in part."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import observe_sphere
from inrgan.views import View

_LEAST = 0.5
"""Known fraction of a filter's weight above which a value is known."""


def observe_known(
    items: Sequence[Tensor], view: View, *, channels: int
) -> tuple[Float[Tensor, "B C *S"], Float[Tensor, "B *S"]]:
    """Values of items at a view, and where they are known: 1, or 0 where they are not and the values are 0.

    The filter of ``observe_sphere`` averages over known cells alone (normalized convolution, Knutsson and Westin 1993),
    so that a coast has no influence of what is beyond it.

    Args:
        items: Equirectangular arrays (C, H, W), with NaN in all channels where nothing is known.
        view: View of the sphere; one for all items or one for each.
        channels: Number of channels, C.
    """
    by_kind: dict[tuple[object, ...], list[int]] = {}
    for i, item in enumerate(items):
        partial = item.is_floating_point() and bool(torch.isnan(item).any())
        by_kind.setdefault((*item.shape, item.dtype, partial), []).append(i)
    out, known = torch.empty(len(items), channels, *view.shape), torch.ones(len(items), *view.shape)
    for (*_, partial), rows in by_kind.items():
        stacked, own = torch.stack([items[i] for i in rows]), view.rows(rows)
        if not partial:
            out[rows] = observe_sphere(stacked, own)
            continue
        there = torch.isfinite(stacked[:, :1])
        # Halves, since the filter overshoots next to a coast and its results are clipped at 1.
        share = observe_sphere(there.to(stacked.dtype) / 2, own) * 2
        seen = observe_sphere(torch.where(there, stacked, 0.0) / 2, own) * 2
        out[rows] = torch.where(share > _LEAST, (seen / share.clamp(min=_LEAST)).clamp(-1, 1), 0.0)
        known[rows] = (share[:, 0] > _LEAST).float()
    return out, known


def normalized_weights(weights: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """Weights with mean 1 in every row; rows without any stay 0."""
    return weights / weights.mean(dim=1, keepdim=True).clamp(min=1e-12)
