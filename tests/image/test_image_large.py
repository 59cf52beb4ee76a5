"""Images that are never held whole. Oracle: the whole image, resampled."""

import pytest
import torch
from inrgan_modalities.image._synthetic import SyntheticShapes

from inrgan import Box, ImageModality
from inrgan.data import AbstractLargeItem


def whole(item):
    return item.read(0, tuple(slice(0, n) for n in item.shape[1:]))


def test_large_shapes_are_read_in_parts():
    item = SyntheticShapes(3, size=1536, seed=1)[2]
    assert isinstance(item, AbstractLargeItem) and item.shape == (3, 1536, 1536)
    assert isinstance(SyntheticShapes(3, size=1024, seed=1)[2], torch.Tensor)
    window = (slice(100, 300), slice(700, 900))
    assert torch.equal(item.read(0, window), whole(item)[:, 100:300, 700:900])
    for level in range(item.levels):
        side = 1536 >> level
        assert side << level == 1536
        assert item.read(level, (slice(0, side), slice(side - 1, side))).shape == (3, side, 1)


@pytest.mark.parametrize(
    "region", [(-1, -1, 1, 1), (-0.1, 0.2, 0.15, 0.45), (0.9, 0.9, 1, 1), (-1.5, -0.2, -0.9, 0.4), (1.1, 1.1, 1.2, 1.2)]
)
@pytest.mark.parametrize("side", [16, 100])
def test_seen_as_if_it_were_whole(region, side):
    # A level is drawn anew rather than averaged, which moves an edge's ramp by a fraction of the view's sample.
    modality = ImageModality(resolution=512)
    items = [SyntheticShapes(4, size=1536, seed=0)[i] for i in range(2)]
    view = Box(2).grid((side, side), region=region)
    got, expected = modality.observe(items, view), modality.observe([whole(x) for x in items], view)
    assert modality.item_spacing(items[0]) == modality.item_spacing(whole(items[0]))
    full = float(view.spacing.max()) <= 2 / 1536
    difference = (got - expected).abs()
    assert float(difference.max()) < (1e-5 if full else 0.35)
    assert float(difference.mean()) < (1e-6 if full else 5e-3)


def test_patches_of_large_shapes():
    modality = ImageModality(resolution=4096)
    source = modality.source(None)
    items = [source[i] for i in range(3)]
    assert modality.item_spacing(items[0]) <= 2 / 4096
    view = Box(2).patches(32, torch.full((3,), 2 / 4096), generator=torch.Generator().manual_seed(0))
    seen = modality.observe(items, view)
    for i in range(3):
        torch.testing.assert_close(modality.observe([items[i]], view.row(i))[0], seen[i], rtol=0, atol=1e-6)
