"""Transfer of a generator's weights to another one that differs in sizes, channels, resolution or classes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.data import normalized
from inrgan.encodings import AbstractEncoding
from inrgan.generator import Generator
from inrgan.hypernetwork import MappingNetwork
from inrgan.inr import LayerSpec, MultiScaleINR
from inrgan.layers import EqualizedLinear
from inrgan.views import scattered


@dataclass(frozen=True)
class Transfer:
    """What one generator took over from another.

    Attributes:
        taken: Number of parameters that were taken over.
        total: Number of parameters.
        new: Names of layers with parameters that were not, and of tensors outside of layers.
    """

    taken: int
    total: int
    new: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.new[:6]) + ", ..." * (len(self.new) > 6)
        rest = f"; new, at least in part: {names}" if self.new else ""
        return f"{self.taken:,} of {self.total:,} parameters taken over{rest}"


@dataclass(frozen=True)
class _Columns:
    """Inputs of a layer that stand for those of another one's: column numbers, and the factor between the features."""

    mine: Int[Tensor, "K"]
    theirs: Int[Tensor, "K"]
    factor: Float[Tensor, "K"]


@torch.no_grad()
def transfer(source: Generator, target: Generator) -> Transfer:
    """Take over the weights that fit.

    Layers are matched by name, inputs that encode coordinates by their values, and classes by name. New inputs of a
    layer get the weight 0, so that a generator of finer detail or with classes begins as the function that it comes
    from; lattices of other sizes change it little.

    Args:
        source: Generator whose weights are taken.
        target: Generator that is changed.

    Example:
        >>> str(transfer(Generator(ImageModality(resolution=32)), Generator(ImageModality(resolution=32), labels="ab")))
        '13,105,822 of 13,237,406 parameters taken over; new, at least in part: mapping.labels'
    """
    taken = {id(p): torch.zeros_like(p, dtype=torch.bool) for p in target.parameters()}
    _mapping(source, target, taken)
    for spec in target.inr.layers:
        known = next((s for s in source.inr.layers if (s.name, s.part) == (spec.name, spec.part)), None)
        if known is not None and known.outputs == spec.outputs:
            _layer(source, target, spec, known, taken)
    own, theirs = dict(target.inr.named_parameters()), dict(source.inr.named_parameters())
    for name in own.keys() & theirs.keys():
        if own[name].shape == theirs[name].shape:
            _copy(own[name], theirs[name], taken)
    counts = {name: (int(taken[id(p)].sum()), p.numel()) for name, p in target.named_parameters()}
    new = [name.removesuffix(".weight") for name, (got, total) in counts.items() if got < total]
    return Transfer(sum(got for got, _ in counts.values()), sum(total for _, total in counts.values()), tuple(new))


def _copy(own: nn.Parameter, theirs: Tensor, taken: dict[int, Tensor]) -> None:
    own.copy_(theirs)
    taken[id(own)].fill_(True)


def _mapping(source: Generator, target: Generator, taken: dict[int, Tensor]) -> None:
    """Layers of the mapping network, the embeddings of classes of the same name, and the mean of w."""
    own, theirs = target.mapping, source.mapping
    for mine, known in zip(_stacks(own), _stacks(theirs), strict=False):
        for a, b in zip(mine, known, strict=False):
            if a.weight.shape == b.weight.shape and a.rate == b.rate:
                _copy(a.weight, b.weight, taken)
                _copy(a.bias, b.bias, taken)
    if (own.labels is None) != (theirs.labels is None):
        _first_layer(_stacks(own)[0][0], _stacks(theirs)[0][0], taken=taken)
    if own.labels is not None and theirs.labels is not None and target.z_dim == source.z_dim:
        names = [normalized(name) for name in source.labels]
        for i, name in enumerate(map(normalized, target.labels)):
            if name in names:
                own.labels.weight[i] = theirs.labels.weight[names.index(name)]
                taken[id(own.labels.weight)][i] = True
    if own.w_mean.shape == theirs.w_mean.shape:
        own.w_mean.copy_(theirs.w_mean)


def _first_layer(own: EqualizedLinear, known: EqualizedLinear, *, taken: dict[int, Tensor]) -> None:
    """The first layer of the mapping network, of which one has inputs for classes behind those for z."""
    (outputs, mine), (known_outputs, theirs) = own.weight.shape, known.weight.shape
    width = min(mine, theirs)
    if outputs != known_outputs or max(mine, theirs) != 2 * width or own.rate != known.rate:
        return
    own.weight[:, width:] = 0
    # Layers divide their weights by the square root of the number of inputs.
    own.weight[:, :width] = known.weight[:, :width] * (known.scale / own.scale)
    taken[id(own.weight)].fill_(True)
    _copy(own.bias, known.bias, taken)


def _stacks(mapping: MappingNetwork) -> list[list[EqualizedLinear]]:
    """The layers of each part of a mapping network."""
    return [cast(list[EqualizedLinear], list(stack)) for stack in (mapping.layers, *mapping.parts.values())]  # type: ignore[call-overload]


def _layer(source: Generator, target: Generator, spec: LayerSpec, known: LayerSpec, taken: dict[int, Tensor]) -> None:
    """Shared weights of one layer, and what makes its modulation."""
    columns = _same_columns(source, target, spec, known)
    if columns is None:
        return
    own, other = target.hypernetwork, source.hypernetwork
    shared = own.shared[spec.name]
    weight = other.shared[spec.name][:, columns.theirs] / columns.factor
    if not own.demodulated:
        weight = weight * math.sqrt(spec.inputs / known.inputs)
    shared.zero_()
    shared[:, columns.mine] = weight
    taken[id(shared)][:, columns.mine] = True
    if own.biases is not None and other.biases is not None:
        _copy(own.biases[spec.name], other.biases[spec.name], taken)
    (head, mine), (other_head, theirs) = own.piece_rows(spec.name), other.piece_rows(spec.name)
    same = type(own) is type(other) and target.sizes.modulation == source.sizes.modulation
    if not same or head.weight.shape[1] != other_head.weight.shape[1]:
        return
    for (axes, rows), (_, other_rows) in zip(mine, theirs, strict=True):
        if "inputs" in axes:
            axis = axes.index("inputs")
            rows, other_rows = rows.index_select(axis, columns.mine), other_rows.index_select(axis, columns.theirs)
        if rows.shape != other_rows.shape:
            continue  # another rank
        a, b = rows.flatten(), other_rows.flatten()
        for mine_p, theirs_p in ((head.weight, other_head.weight), (head.bias, other_head.bias)):
            mine_p[a] = theirs_p[b]
            taken[id(mine_p)][a] = True


def _same_columns(source: Generator, target: Generator, spec: LayerSpec, known: LayerSpec) -> _Columns | None:
    """Inputs of a layer that are the same; None where they cannot be told."""
    stage = next((pair for pair in _stages(target, source) if spec.name == pair[0]), None)
    if stage is None:
        same = spec.inputs == known.inputs
        every = torch.arange(spec.inputs)
        return _Columns(every, every, torch.ones(spec.inputs)) if same else None
    mine, theirs, factor = _same_features(target, stage[1], stage[2])
    before = spec.inputs - stage[1].size
    if before != known.inputs - stage[2].size:
        return None
    first = torch.arange(before)
    return _Columns(
        torch.cat([first, before + mine]), torch.cat([first, before + theirs]), torch.cat([torch.ones(before), factor])
    )


def _stages(target: Generator, source: Generator) -> Iterator[tuple[str, AbstractEncoding, AbstractEncoding]]:
    """Names of the layers whose last inputs are an encoding, and both encodings."""
    mine, theirs = target.inr, source.inr
    if isinstance(mine, MultiScaleINR) and isinstance(theirs, MultiScaleINR):
        for k, pair in enumerate(zip(mine.encodings, theirs.encodings, strict=False)):
            yield f"stage{k}_layer0", *pair  # type: ignore[misc]


def _same_features(
    G: Generator, own: AbstractEncoding, other: AbstractEncoding
) -> tuple[Int[Tensor, "K"], Int[Tensor, "K"], Float[Tensor, "K"]]:
    """Features of two encodings that are equal up to a factor, found by their values at random points."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(512, G.modality.domain.coord_dim, generator=generator, dtype=torch.float64)
    view = scattered(points, spacing=1e-6)  # fine enough that nothing is faded out
    a, b = (encoding(view)[0].double() for encoding in (own, other))
    norms = [x.norm(dim=0).clamp(min=1e-12) for x in (a, b)]
    alike = (a / norms[0]).T @ (b / norms[1])
    best, theirs = alike.max(dim=1)
    mine = (best > 1 - 1e-4).nonzero()[:, 0]
    theirs = theirs[mine]
    return mine, theirs, (norms[0][mine] / norms[1][theirs]).float()
