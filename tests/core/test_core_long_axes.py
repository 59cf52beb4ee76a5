"""Long axes: banded maps, harmonic bank, period encodings, sinc resampling, folded and spectral critics.

Oracles: dense matrices, closed forms, scipy, other ways through the same function, finite differences.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from inrgan import Box, Generator, GeneratorSizes
from inrgan.discriminators import PeriodTrunk, ResidualTrunk, SpectrumTrunk, complex_spectrogram, log_bands
from inrgan.domains import BoxLattice, cubic_bspline
from inrgan.encodings import PeriodEncoding, SineEncoding, fade
from inrgan.errors import ConfigError
from inrgan.inr import HarmonicBankINR, LayerWeights
from inrgan.inr.base import soft_clip
from inrgan.resampling import KaiserSinc, axis_matrix, carry, resample_long
from inrgan.resampling.kernels import BandedMap
from inrgan.views import scattered

TIME = Box(1, lower=(0.0,), upper=(0.512,), precision=torch.float64)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rows, stretched", [(1, False), (3, False), (1, True)])
def test_banded_equals_dense(rows, stretched):
    # Oracle: the whole matrix.
    p = torch.rand(rows, 700, generator=rng(), dtype=torch.float64).sort(dim=1).values * 300
    first, last = p.amin(dim=1, keepdim=True).floor() - 8, int(p.max()) + 9
    count = int((last - first).max()) + 1
    stretch = 1 + torch.rand(rows, 700, generator=rng(1), dtype=torch.float64) if stretched else None
    across = BandedMap(
        p, first=first, count=count, kernel=cubic_bspline, reach=4 if stretched else 2, stretch=stretch,
        normalised=stretched,
    )  # fmt: skip
    j = first + torch.arange(count)
    away = p[:, :, None] - j[:, None]
    dense = cubic_bspline(away if stretch is None else away / stretch[:, :, None])
    if stretched:
        dense = dense / dense.sum(dim=-1, keepdim=True)
    x = torch.randn(rows if rows > 1 else 2, 2, count, 3, dtype=torch.float64, generator=rng(2))
    torch.testing.assert_close(across(x), dense[:, None] @ x)


@pytest.mark.parametrize("count", [1024, 2048])
def test_long_lattices_agree_between_grids_and_points(count):
    lattice, view = TIME.lattice(count), TIME.grid((5000,), region=(0.05, 0.4), dtype=torch.float64)
    assert isinstance(lattice, BoxLattice)

    def values(nodes):  # any function of where a node lies
        t = nodes.coords
        return torch.cat([torch.sin(900 * t), torch.cos(2000 * t * t)], dim=-1)

    grid, points = lattice.stencil(view), lattice.stencil(scattered(view.coords))
    a, b = grid.interpolate(values(grid.nodes)), points.interpolate(values(points.nodes))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    assert a.std() > 0.1


def test_long_carry_equals_the_dense_matrix():
    x = torch.randn(3, 2, 900, generator=rng())
    view = TIME.patches(300, torch.tensor([0.0004, 0.0008, 0.0016]), generator=rng(1))
    matrix = axis_matrix(view.axes[0], count=900, lower=0.0, upper=0.512, spacing=view.axis_spacing[0])
    expected = x.double() @ matrix.double().transpose(1, 2)
    torch.testing.assert_close(
        carry(x, view, lower=(0.0,), upper=(0.512,)).double(), expected, rtol=0, atol=1e-5
    )  # fmt: skip


def test_kaiser_formulas():
    # Oracle: scipy's window and numpy's transform: -80 dB from Nyquist on, 1 up to 3/4 of it.
    from scipy.signal.windows import kaiser

    kernel = KaiserSinc()
    n = kernel.half_width
    t = torch.arange(-n, n + 1, dtype=torch.float64)
    expected = kernel.cutoff * np.sinc(kernel.cutoff * t.numpy()) * kaiser(2 * n + 1, kernel.beta)
    np.testing.assert_allclose(kernel(t).numpy()[1:-1], expected[1:-1], atol=1e-9)
    fine = kernel(torch.arange(-n * 8, n * 8 + 1, dtype=torch.float64) / 8).numpy() / 8
    gain = np.abs(np.fft.rfft(fine, 1 << 16))
    turns = np.fft.rfftfreq(1 << 16, 1 / 8)
    assert np.abs(gain[turns <= 0.375] - 1).max() < 2e-4
    assert 20 * np.log10(gain[turns >= 0.5].max()) < -80


def test_resample_long_ends_in_silence():
    # Oracle: a constant inside, nothing far outside, wherever the view lies.
    item = torch.full((1, 4000), 0.5)
    for start, expected in ((0.1, 0.5), (-0.4, 0.0), (0.7, 0.0)):
        view = TIME.grid((300,), region=(start, start + 0.05))
        seen = resample_long(item, view, lower=0.0, upper=0.512)
        torch.testing.assert_close(seen, torch.full((1, 1, 300), expected), rtol=0, atol=1e-6)
    edge = resample_long(item, TIME.grid((2000,), region=(-0.1, 0.9)), lower=0.0, upper=0.512)[0, 0]
    assert edge[:150].abs().max() < 0.01 and abs(edge[400].item() - 0.5) < 0.01


def test_period_encoding():
    enc = PeriodEncoding(longest_period=2.0, spacing=1 / 8000, per_octave=4, widest=100.0)
    f = enc.frequencies[:, 0].double()
    assert f[0] >= 0.5 and f[-1] <= 3000 and (f.diff() > 0).all()
    assert f.diff().max() <= 200  # neighbours lie in neighbouring shares, each at most 100 wide
    octave = ((f >= 16) & (f < 32)).sum().item()
    assert octave in (3, 4, 5)
    x = torch.rand(1, 7, 1, generator=rng(), dtype=torch.float64)
    got = enc(scattered(x[0], spacing=1 / 5000))
    turns = x[0].numpy() * f.numpy()
    passes = fade(f / 5000).numpy()
    expected = math.sqrt(2) * np.concatenate(
        [passes * np.sin(2 * np.pi * turns), passes * np.cos(2 * np.pi * turns)], 1
    )
    np.testing.assert_allclose(got[0].numpy(), expected, atol=1e-6)
    assert enc(scattered(x[0])).square().mean().item() == pytest.approx(1, abs=1e-5)
    for bad in ({"spacing": 4.0}, {"per_octave": 0.0}, {"widest": -1.0}, {"top": 1.5}, {"bend": -1.0}):
        with pytest.raises(ConfigError):
            PeriodEncoding(**{"longest_period": 2.0, "spacing": 0.01, **bad})


def test_waves_near_nyquist_stay_faint_in_finer_views():
    # Oracle: the closed form, with the fading of the spacing that the encoding was made for.
    enc = PeriodEncoding(longest_period=2.0, spacing=1 / 8000, widest=100.0, top=15 / 16)
    f = enc.frequencies[:, 0].double()
    assert 3700 < f[-1] <= 3750
    x = torch.rand(9, 1, generator=rng(), dtype=torch.float64)
    for rate, fading in ((48000, 8000), (8000, 8000), (6000, 6000)):
        expected = math.sqrt(2) * (fade(f / fading) * torch.sin(2 * math.pi * x * f))
        got = enc(scattered(x, spacing=1 / rate))[0, :, : len(f)]
        np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-6)


def test_tuned_waves():
    # Oracle: numpy's sine and cosine at the frequency and phase in closed form.
    enc = PeriodEncoding(longest_period=2.0, spacing=1 / 1000, bend=1.0)
    k = enc.size // 2
    shift, phase = torch.randn(2, k, generator=rng()), torch.randn(2, k, 2, generator=rng())
    x = torch.rand(5, 1, generator=rng(), dtype=torch.float64)
    frequencies = enc.frequencies[:, 0] + 0.5 * enc.shares * torch.tanh(shift)
    assert enc.shares.sum().item() == pytest.approx(375 - 0.5, rel=1e-5)  # they are the whole band
    angle = 2 * np.pi * x.numpy()[None] * frequencies.double().numpy()[:, None]
    angle = angle + np.arctan2(phase[..., 1].double().numpy(), phase[..., 0].double().numpy())[:, None]
    faded = fade(frequencies / 1000).double().numpy()[:, None]
    expected = math.sqrt(2) * np.concatenate([faded * np.sin(angle), faded * np.cos(angle)], axis=-1)
    got = enc.tuned(scattered(x, spacing=1 / 1000), shift=shift, phase=3 * phase)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


def test_sine_encoding():
    enc = SineEncoding(2, highest=5.0, count=400)
    assert enc.frequencies.abs().max() <= 5 and enc.frequencies.abs().max() > 4.8
    x = torch.rand(50, 2, generator=rng())
    expected = math.sqrt(2) * torch.sin(2 * math.pi * (x @ enc.frequencies.T) + enc.phases)
    torch.testing.assert_close(enc(scattered(x))[0], expected, rtol=0, atol=1e-4)
    assert (enc(scattered(x, spacing=100.0)) == 0).float().mean() > 0.99
    with pytest.raises(ConfigError):
        SineEncoding(1, highest=0.0, count=3)


def test_soft_clip():
    # Oracle: the formula in double precision; twice differentiable; bounded where eighth powers overflow.
    x = torch.tensor([-1e30, -3.0, -0.5, 0.0, 0.3, 1.0, 2.0, 1e9], dtype=torch.float64)
    inside = x[1:7]
    torch.testing.assert_close(soft_clip(inside), inside / (1 + inside**8) ** 0.125)
    assert (soft_clip(x.float()).abs() <= 1).all() and soft_clip(x.float())[-1] == 1
    y = inside.clone().requires_grad_()
    assert torch.autograd.gradcheck(soft_clip, (y,)) and torch.autograd.gradgradcheck(soft_clip, (y,))


@pytest.mark.parametrize("dim", [1, 2])
def test_carriers_are_amplitudes_times_waves(dim):
    # Oracle: the formula, with the amplitudes interpolated at scattered points.
    from inrgan.encodings import FourierEncoding

    def encoding(spacing):
        return FourierEncoding(dim, longest_period=4.0, spacing=spacing, octaves=2, oblique=4)

    inr = HarmonicBankINR(
        Box(dim), encoding=encoding, spacing=1 / 32, channels=2, lattices=(4, 8), widths=(12, 8), depths=(1, 2)
    )  # fmt: skip
    weights = [
        LayerWeights(torch.randn(3, s.outputs, s.inputs, generator=rng(i)), torch.zeros(3, s.outputs))
        for i, s in enumerate(inr.layers)
    ]
    view = Box(dim).grid([9, 7][:dim])
    stencil = Box(dim).lattice(8).stencil(scattered(view.coords))
    b, level = inr.amplitudes(stencil.nodes, weights).split([2 * inr.carriers.size, 2], dim=-1)
    # One level for all waves of a channel; the root of E[log(1 + exp x)²] of normal x is 0.9598, by quadrature.
    a = b.unflatten(-1, (2, -1)) * (torch.logaddexp(level, torch.zeros(())) / 0.9598)[..., None]
    a = stencil.interpolate(a.flatten(-2)).unflatten(-1, (2, -1))
    expected = 0.25 * torch.einsum("bncf,nf->bnc", a, inr.carriers(view)[0]) / math.sqrt(inr.carriers.size)
    torch.testing.assert_close(inr(view, weights), expected, rtol=1e-4, atol=1e-4)
    trace = {}
    inr(view, weights, trace=trace)
    torch.testing.assert_close(trace["signal"], expected, rtol=1e-4, atol=1e-4)


def test_levels_of_bands():
    # Oracle: the sum by hand, with every wave's level read off a straight line between those of two bands by numpy.
    time = Box(1, lower=(0.0,), upper=(0.25,))

    def encoding(spacing):
        return PeriodEncoding(longest_period=0.5, spacing=spacing, per_octave=8)

    inr = HarmonicBankINR(
        time, encoding=encoding, spacing=1 / 1000, channels=1, lattices=(4, 8), widths=(12, 8), depths=(1, 2)
    )  # fmt: skip
    weights = [
        LayerWeights(torch.randn(2, s.outputs, s.inputs, generator=rng(i)), torch.zeros(2, s.outputs))
        for i, s in enumerate(inr.layers)
    ]
    view, bands, waves = time.grid((50,)), 16, inr.carriers.size // 2
    stencil = time.lattice(8).stencil(view)
    b, levels = inr.amplitudes(stencil.nodes, weights).split([2 * waves, 1 + bands], dim=-1)
    place = np.linspace(0, bands - 1, waves)
    low = np.minimum(place.astype(int), bands - 2)
    share = torch.from_numpy(place - low).float()
    low = torch.from_numpy(low)
    common, own = levels[..., :1], levels[..., 1:]
    level = (own[..., low] * (1 - share) + own[..., low + 1] * share) / (share**2 + (1 - share) ** 2).sqrt()
    level = 0.8 * common + 0.6 * level
    a = b * (torch.logaddexp(level, torch.zeros(())) / 0.9598).repeat(1, 1, 2)
    expected = 0.25 * (stencil.interpolate(a) * inr.carriers(view)).sum(dim=-1, keepdim=True) / math.sqrt(2 * waves)
    torch.testing.assert_close(inr(view, weights), expected, rtol=1e-4, atol=1e-4)


def test_a_new_generator_of_sounds_is_neither_silent_nor_clipped():
    # Oracle: the standard deviation that the backbone is scaled to, 0.25, within a factor of two, over 64 new sounds.
    from inrgan import AudioModality

    G = Generator(AudioModality(resolution=2048, rate=8000), preset="tiny").eval()
    level = float(G.sample(range(64)).render((2048,)).std())
    assert 0.125 < level < 0.5


def test_carriers_as_a_backbone_of_images():
    from inrgan import ImageModality

    G = Generator(ImageModality(resolution=16), preset="tiny", backbone="harmonic-bank").eval()
    assert G.sizes.backbone == "harmonic-bank" and len(G.sizes.widths) == len(G.sizes.lattices) == 2
    assert G.sample([0]).render((9, 12)).shape == (1, 3, 9, 12)
    for bad in (
        {"lattices": (), "widths": (8,), "depths": (1,)},
        {"lattices": (4,), "widths": (8, 8), "depths": (1, 1)},
    ):
        with pytest.raises(ConfigError, match="lattices"):
            Generator(ImageModality(resolution=16), sizes=GeneratorSizes(backbone="harmonic-bank", **bad))


# --- critics ---


def test_folding_is_a_convolution_of_the_folded_picture():
    # Oracle: torch's two-dimensional convolution with a kernel one column wide.
    torch.manual_seed(0)
    trunk = PeriodTrunk(1, period=3, facts=1, resolution=96, width=2, max_width=4)
    conv = trunk.trunk.blocks[0].first
    x = torch.randn(2, 2, 30, generator=rng())
    picture = x.unflatten(2, (10, 3))
    expected = F.conv2d(picture, (conv.weight * conv.scale)[..., None], conv.bias, padding=(2, 0))
    columns = conv(picture.permute(0, 3, 1, 2).flatten(0, 1)).unflatten(0, (2, 3)).permute(0, 2, 3, 1)
    torch.testing.assert_close(columns, expected, rtol=1e-4, atol=1e-5)
    # A signal of that period has equal columns: each is constant, and a cyclic shift only reorders them.
    y = torch.randn(1, 1, 3, generator=rng(1)).repeat(1, 1, 32)
    torch.testing.assert_close(trunk(y, torch.zeros(1, 1)), trunk(y.roll(1, dims=-1), torch.zeros(1, 1)))


def test_complex_spectrogram_agrees_with_scipy():

    x = torch.randn(1, 1, 400, generator=rng(), dtype=torch.float64)
    got = complex_spectrogram(x, size=64)[0]
    window = np.hanning(65)[:64]
    frames = np.lib.stride_tricks.sliding_window_view(x[0, 0].numpy(), 64)[::16]
    expected = np.fft.rfft(frames * window).T / np.sqrt(np.square(window).sum())
    np.testing.assert_allclose(got[0].numpy() + 1j * got[1].numpy(), expected, atol=1e-9)
    noise = complex_spectrogram(torch.randn(4, 1, 40_000, generator=rng()), size=256)
    assert noise[:, :, 1:-1].square().sum(dim=1).mean().item() == pytest.approx(1, rel=0.03)


PARTS = {
    "period": lambda: PeriodTrunk(1, period=3, facts=1, resolution=96, width=2, max_width=4),
    "spectrum": lambda: SpectrumTrunk(1, size=32, bands=(0.5, 1.0), facts=1, resolution=96, width=2, max_width=4),
    "strided": lambda: ResidualTrunk(1, 1, facts=1, resolution=96, width=2, max_width=4, kernel=9, stride=4),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_judge_samples_apart_and_twice_differentiably(name):
    # Oracle: finite differences of the gradient in float64.
    torch.manual_seed(0)
    part = PARTS[name]().double()
    x = torch.randn(2, 1, 96, dtype=torch.float64, generator=rng())
    facts = torch.tensor([[0.3], [-0.2]], dtype=torch.float64)
    both = part(x, facts)
    assert both.shape == (2, part.size)
    for i in range(2):
        torch.testing.assert_close(part(x[i : i + 1], facts[i : i + 1]), both[i : i + 1])
    y = torch.randn(1, 1, 60, dtype=torch.float64, generator=rng(1), requires_grad=True)
    direction = torch.randn(1, 1, 60, dtype=torch.float64, generator=rng(2))

    def slope(v, *, create=False):
        (g,) = torch.autograd.grad(part(v, facts[:1]).square().sum(), v, create_graph=create)
        return (g * direction).sum()

    (bend,) = torch.autograd.grad(slope(y, create=True), y)
    step = 1e-6 * torch.randn(1, 1, 60, dtype=torch.float64, generator=rng(3))
    ahead, back = ((y.detach() + s * step).requires_grad_() for s in (1, -1))
    difference = (slope(ahead) - slope(back)).item()
    assert difference == pytest.approx(2 * (bend * step).sum().item(), rel=1e-3, abs=1e-12)
    assert bend.abs().max() > 0


def test_strides_shorten_faster():
    few, many = (
        ResidualTrunk(1, 1, facts=1, resolution=8192, width=2, max_width=4, kernel=k, stride=s)
        for k, s in ((9, 4), (3, 2))
    )
    assert len(many.blocks) == 11 and len(few.blocks) in (5, 6)
    x = torch.zeros(1, 1, 8192)
    lengths = list(
        itertools.accumulate(few.blocks, lambda n, b: b.shorter(torch.zeros(1, 1, n)).shape[2], initial=8192)
    )
    assert lengths[:5] == [8192, 2048, 512, 128, 32]
    assert few(x, torch.zeros(1, 1)).shape == (1, 4)


def test_log_bands_closed_form():
    # Oracle: noise of deviation s has the power s² in every band: log(1 + 10⁴ s²) / log 10⁴.
    flat = torch.ones(1, 15) / 15
    x = 0.1 * torch.randn(1, 1, 400_000, generator=rng())
    matrix = F.pad(flat, (1, 17))  # bins 1 to 15 of 33
    heard = torch.expm1(log_bands(x, matrix, size=64) * math.log(1e4)).mean() / 1e4
    assert heard.item() == pytest.approx(0.01, rel=0.03)
