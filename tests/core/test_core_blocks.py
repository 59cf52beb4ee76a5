"""Renders in blocks that share work. Oracles: fields in double precision, coordinates of nodes, slow sums, waves."""

import copy
import math

import pytest
import torch

from inrgan import Box, Field, Sphere, View
from inrgan.domains.box_lattice import SharedNumbers, _GatherStencil
from inrgan.domains.sparse_map import SparsePairs
from inrgan.encodings import AbstractEncoding, FourierEncoding, JoinedEncoding, NoiseEncoding, SineEncoding
from inrgan.inr import LayerWeights, MultiScaleINR
from inrgan.resampling.chebyshev import chebyshev_grid, degree_of
from inrgan.views import scattered


def fields(domain, *, count=2, resolution=32, lattices=(4, 8), noise=False):
    """Fields with random weights, whose signals vary."""

    def encoding(spacing):
        if noise:
            return NoiseEncoding(
                domain.coord_dim, longest_period=domain.longest_period, spacing=spacing, octaves=2, channels=6,
                decay=0.5,
            )  # fmt: skip
        return FourierEncoding(
            domain.coord_dim, longest_period=domain.longest_period, spacing=spacing, octaves=2, oblique=6, decay=0.5,
            isotropic=isinstance(domain, Sphere),
        )  # fmt: skip

    stages = len(lattices) + 1
    inr = MultiScaleINR(
        domain, encoding=encoding, spacing=domain.spacing(resolution), channels=2, lattices=lattices,
        widths=(12,) * stages, depths=(2,) * stages,
    )  # fmt: skip
    torch.manual_seed(0)
    weights = [
        LayerWeights(torch.randn(count, s.outputs, s.inputs) / math.sqrt(s.inputs), 0.1 * torch.randn(count, s.outputs))
        for s in inr.layers
    ]
    return Field(inr, weights, domain=domain)


def in_double(field):
    weights = [LayerWeights(x.weight.double(), x.bias.double()) for x in field.weights]
    return Field(copy.deepcopy(field.inr).double(), weights, domain=field.domain)


VIEWS = [
    (Box(1), (140_000,), (4, 8)),
    (Box(2), (300, 520), (4, 8)),
    (Box(2), (300, 520), ()),
    (Box(2, aspect=(2, 1)), (300, 300), (16,)),
    (Box(3), (34, 40, 70), (4, 8)),
    (Sphere(), (260, 270), (4, 8)),
]


@pytest.mark.parametrize(
    "domain, shape, lattices, noise",
    [(*view, False) for view in VIEWS] + [(*view, True) for view in VIEWS[:4]],
)
def test_blocks_hold_the_values_at_their_points(domain, shape, lattices, noise):
    # Oracle: the field in double precision, asked at coordinates, which knows no blocks and no nodes of a whole view.
    field = fields(domain, lattices=lattices, noise=noise)
    whole = field.render(shape)
    view = domain.grid(shape)
    pick = torch.randperm(view.count, generator=torch.Generator().manual_seed(1))[:2000]
    with torch.no_grad():
        expected = in_double(field)(view.coords[0, pick].double(), spacing=view.spacing[:, :1].double())
    assert whole.std() > 0.2
    torch.testing.assert_close(whole.flatten(2)[..., pick].mT.double(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("domain, shape, lattices", VIEWS)
def test_lattice_stages_are_evaluated_once(domain, shape, lattices, monkeypatch):
    # Oracles: the number of evaluations; the whole, bit for bit.
    asked = []
    plain = MultiScaleINR._stage

    def counted(self, k, *args):
        asked.append(k)
        return plain(self, k, *args)

    monkeypatch.setattr(MultiScaleINR, "_stage", counted)
    renderer = fields(domain, lattices=lattices).renderer(shape)
    whole = renderer.window()
    windows = [tuple(slice(0, min(n, 9)) for n in shape), tuple(slice(n - 40, n - 3) for n in shape)]
    for window in windows:
        assert torch.equal(renderer.window(window), whole[(..., *window)])
    assert [asked.count(k) for k in range(len(lattices))] == [1] * len(lattices)
    for window in windows:
        assert torch.equal(fields(domain, lattices=lattices).render(shape, window=window), whole[(..., *window)])


@pytest.mark.parametrize(
    "domain, shape, block",
    [
        (Box(1), (900,), (slice(100, 351),)),
        (Box(2), (90, 120), (slice(0, 30), slice(99, 120))),
        (Box(3), (20, 21, 22), (slice(19, 20), slice(3, 9), slice(0, 22))),
        (Sphere(), (40, 80), (slice(0, 8), slice(70, 80))),
    ],
)
def test_nodes_of_a_block_are_found_among_those_of_the_whole(domain, shape, block):
    # Oracle: the coordinates of the nodes.
    lattice, view = domain.lattice(7), domain.grid(shape)
    cover, own = lattice.cover(view), lattice.numbers(view.window(block))
    where = own.within(cover)
    assert torch.equal(cover.nodes.coords[:, where], own.nodes.coords)
    assert len(where) < cover.nodes.count


def test_views_without_a_short_list_of_nodes():
    lattice = Box(2).lattice(512)
    assert lattice.cover(Box(2).grid((8, 8))) is None  # samples far apart read nodes of their own
    assert lattice.cover(scattered(torch.rand(2, 50, 2))) is None  # samples have points of their own


def test_dense_lattices_are_not_kept():
    # Oracle: values of the field at the blocks themselves, which render nothing in common.
    field = fields(Box(1), lattices=(90_000,))
    view = Box(1).grid((80_000,))
    with torch.no_grad():
        part = field(view.window((slice(65536, 80_000),)))
    assert torch.equal(field.look(view)[..., 65536:], part)


@pytest.mark.parametrize("turns", [0.0, 0.3, 1.0, 6.0, 30.0])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-12])
def test_degrees_suffice_and_are_not_far_too_high(turns, tolerance):
    # Oracle: waves of up to as many turns, at points between the nodes; and Nyquist's two samples a turn.
    view = Box(1).grid((400,), dtype=torch.float64)
    highest = turns / 2 / (399 / 400)
    assert view.axes is not None
    grid = chebyshev_grid(view, (highest,), tolerance=tolerance)
    assert grid is not None and grid.view.axes is not None
    assert grid.view.shape[0] == degree_of(turns, tolerance=tolerance) + 1
    f = highest * torch.linspace(-1, 1, 7, dtype=torch.float64)
    phase = torch.arange(7, dtype=torch.float64)

    def waves(x):
        return torch.sin(2 * math.pi * x[:, None] * f + phase)

    across, lines = grid.lines(waves(grid.view.axes[0][0])[None])
    assert ((across @ lines)[0, 0] - waves(view.axes[0][0])).abs().max() < max(tolerance, 2e-14)
    assert grid.view.shape[0] < 4.3 * turns + 34


def test_lines_are_interpolated_along_all_axes_but_x():
    # Oracle: the encoding at every point.
    encoding = JoinedEncoding(
        [
            FourierEncoding(3, longest_period=4.0, spacing=0.2, oblique=5),
            SineEncoding(3, highest=1.0, count=4),
            NoiseEncoding(3, longest_period=4.0, spacing=0.2, channels=3),
        ]
    )
    view = Box(3, aspect=(1, 1, 2)).grid((60, 9, 80), region=(-1, 0, -1, 0, 0.5, 1), dtype=torch.float64)
    encoding = encoding.double()
    parts = encoding.at_nodes(view, tolerance=1e-9)
    assert parts is not None and sum(part.features.shape[1] for part in parts) < view.count
    found = []
    for part in parts:
        across, lines = part.lines(part.features)
        found.append((across @ lines).flatten(1, 2))
    found = torch.cat(found, dim=-1)
    torch.testing.assert_close(found, encoding(view), rtol=0, atol=1e-8)


class Unknown(AbstractEncoding):
    size = 1

    def forward(self, view: View):
        return view.coords[..., :1]


def test_views_that_few_nodes_do_not_stand_for():
    fine, known = Box(2).grid((64, 64)), (1.0, 1.0)
    assert chebyshev_grid(fine, known, tolerance=1e-7) is not None
    assert chebyshev_grid(fine, (12.0, 12.0), tolerance=1e-7) is None  # too few samples
    assert chebyshev_grid(fine, (1e9, 1e9), tolerance=1e-7) is None
    assert chebyshev_grid(scattered(fine.coords), known, tolerance=1e-7) is None
    waves = FourierEncoding(2, longest_period=4.0, spacing=0.2)
    assert waves.at_nodes(fine, tolerance=1e-7) is not None
    for other in (Unknown(), SineEncoding(2, highest=40.0, count=8)):
        assert JoinedEncoding([waves, other]).at_nodes(fine, tolerance=1e-7) is None


TYPES = [(torch.float32, 1e-5), (torch.float64, 1e-12), (torch.bfloat16, 0.02)]


@pytest.mark.parametrize("dtype, atol", TYPES)
@pytest.mark.parametrize("batch, own, count", [(1, 1, 500), (3, 1, 500), (3, 3, 400), (2, 1, 0)])
def test_sums_without_gradients_equal_those_with(dtype, atol, batch, own, count):
    # Oracle: the sum that records gradients, in double precision.
    points = torch.rand(own, max(count, 400), 2, generator=torch.Generator().manual_seed(0)) - 0.5
    lattice = Box(2).lattice(5)
    stencil = _GatherStencil(lattice, points[:, :count], SharedNumbers(lattice, points))
    features = torch.randn(batch, stencil.nodes.count, 7, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = stencil.interpolate(features.double().clone().requires_grad_()).detach()
    plain = stencil.interpolate(features)
    with torch.no_grad():
        off = stencil.interpolate(features.clone().requires_grad_())
    assert plain.shape == (batch, count, 7) and plain.dtype == dtype and torch.equal(plain, off)
    torch.testing.assert_close(plain.double(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype, atol", TYPES)
def test_sparse_products_without_gradients_equal_those_with(dtype, atol):
    # Oracle: a dense matrix. One row and the last have no pairs.
    row, column = torch.tensor([0, 0, 2, 2, 2, 3]), torch.tensor([4, 1, 0, 3, 4, 2])
    weight, table = torch.rand(6).double(), torch.randn(5, 3).to(dtype)
    matrix = torch.zeros(5, 5, dtype=torch.float64).index_put((row, column), weight)
    with torch.no_grad():
        pairs = SparsePairs(row, column, rows=5, columns=5)
        off = pairs.product(table, weight)
    on = pairs.product(table.clone().requires_grad_(), weight)
    for found in (off, on):
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), matrix @ table.double(), rtol=0, atol=atol)
    on.sum().backward()  # the transposed map, which was left out
    none = SparsePairs(row[:0], column[:0], rows=0, columns=5)
    assert none.product(table, weight[:0]).shape == (0, 3)
