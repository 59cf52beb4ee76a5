"""Default backbone: wide layers on coarse lattices, and a few narrow layers at the queried coordinates."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inrgan.domains import AbstractDomain, AbstractStencil
from inrgan.encodings import AbstractEncoding, AxisPaths, TravellingEncoding
from inrgan.errors import ConfigError
from inrgan.inr.base import (
    NORMALIZE_EVERY,
    SILU_GAIN,
    AbstractINR,
    LayerSpec,
    LayerUnits,
    LayerWeights,
    Units,
    Weights,
    by_blocks,
    linear,
    normalize,
)
from inrgan.views import View


class MultiScaleINR(AbstractINR):
    """Multi-layer perceptron over coordinates, most of it evaluated on coarse lattices.

    Stage k is evaluated at the nodes of lattice k and interpolated to the nodes of the next stage, and finally to the
    queried points, by twice differentiable B-splines. Every stage gets the encoding of its own positions. Each stage
    ends in a linear head, and the signal is the sum of the heads. A linear map commutes with interpolation, so both the
    head and the connection to the next stage are applied where there are fewer nodes.

    With paths, signals move along one axis. Paths displace the waves of a ``TravellingEncoding``, and linear maps of
    them shift and, where they have gains, scale the first layer of every stage. Scaling a layer's outputs scales the
    rows of its weights, which are then functions of the coordinate along the axis.

    Without lattices this is the plain pointwise MLP. (Multi-scale INRs: Skorokhodov et al. 2021, sec. 3.3, there tied
    to a pixel grid; here continuous.)

    Args:
        domain: Domain of the signals.
        encoding: Factory of the encoding for samples no finer than the given spacing.
        spacing: Spacing of the finest resolution that will be trained.
        channels: Number of channels, C.
        lattices: Cells along the shortest side of the domain, coarse to fine.
        widths: Width of the layers of each stage; one more than ``lattices``, the last at the queried points.
        depths: Number of layers of each stage.
        paths: Paths that move signals along an axis; None for no motion.

    Raises:
        ConfigError: The lists do not fit together, or the paths do not fit the encoding.
    """

    def __init__(
        self,
        domain: AbstractDomain,
        *,
        encoding: Callable[[float], AbstractEncoding],
        spacing: float,
        channels: int,
        lattices: Sequence[int],
        widths: Sequence[int],
        depths: Sequence[int],
        paths: AxisPaths | None = None,
    ):
        super().__init__()
        if not len(widths) == len(depths) == len(lattices) + 1:
            raise ConfigError(
                f"got {len(lattices)} lattices, {len(widths)} widths and {len(depths)} depths; "
                "expected one width and one depth per lattice, and one more for the queried points"
            )
        if min((*widths, *depths)) < 1 or min(lattices, default=2) < 2:
            raise ConfigError(f"widths {widths} and depths {depths} must be positive, lattices {lattices} 2 or more")
        self.channels = channels
        self.widths, self.depths = tuple(widths), tuple(depths)
        self.lattices = [domain.lattice(n) for n in lattices]
        self.lattice = self.lattices[-1] if lattices else None
        spacings = [max(domain.spacing(n), spacing) for n in lattices] + [spacing]
        self.encodings = nn.ModuleList(encoding(s) for s in spacings)
        layers, before = [], 0
        for k, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                inputs = before + self.encodings[k].size if i == 0 else width  # type: ignore[operator]
                layers.append(LayerSpec(name=f"stage{k}_layer{i}", inputs=inputs, outputs=width))  # type: ignore[arg-type]
            layers.append(LayerSpec(name=f"stage{k}_head", inputs=width, outputs=channels))
            before = width
        self.paths, self._spatial_count = paths, len(layers)
        if paths is not None:
            for encoding_k in self.encodings:
                if not isinstance(encoding_k, TravellingEncoding) or encoding_k.paths > paths.count:
                    raise ConfigError(
                        "paths move the waves of a TravellingEncoding, which needs no more paths than there are"
                    )
            path_specs = [
                ("paths_rates", paths.constants, len(paths.base)),
                ("paths_mixture", paths.inputs, paths.count),
            ]
            each = 2 if paths.gains else 1
            path_specs += [(f"stage{k}_paths", paths.count, each * width) for k, width in enumerate(widths)]
            layers += [LayerSpec(name=name, inputs=a, outputs=b, part=paths.part) for name, a, b in path_specs]
        self.layers = tuple(layers)

    def features(
        self, view: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B L F"] | None:
        """Output of the last lattice stage: its part of the next stage's first layer, then the signal so far."""
        return self._lattice_stages(self.places(view)[:-1], weights, trace)

    def node_features(
        self, nodes: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B L F"]:
        out = self._lattice_stages(self._node_places(nodes), weights, trace)
        assert out is not None
        return out

    def values(
        self, view: View, features: Float[Tensor, "B L F"] | None, weights: Weights, *,
        trace: dict[str, Tensor] | None = None,
    ) -> Float[Tensor, "B N C"]:  # fmt: skip
        signal = self._stage(len(self.lattices), view, features, weights, trace)
        if trace is not None:
            trace["signal"] = signal
        return signal

    def places(self, view: View) -> tuple[View, ...]:
        """Where each stage is evaluated: the nodes of every lattice, coarse to fine, and the view itself."""
        if self.lattice is None:
            return (view,)
        return *self._node_places(self.lattice.numbers(view).nodes), view

    def _node_places(self, nodes: View) -> tuple[View, ...]:
        """Where the lattice stages are evaluated, given the nodes of the finest lattice."""
        places = [nodes]
        for lattice in reversed(self.lattices[:-1]):
            places.insert(0, lattice.numbers(places[0]).nodes)
        return tuple(places)

    def _lattice_stages(
        self, places: Sequence[View], weights: Weights, trace: dict[str, Tensor] | None
    ) -> Tensor | None:
        out: Tensor | None = None
        for k, place in enumerate(places):
            out = self._stage(k, place, out, weights, trace)
        return out

    def _stage(
        self, k: int, place: View, features: Tensor | None, weights: Weights, trace: dict[str, Tensor] | None
    ) -> Float[Tensor, "B L F"]:
        """Output of a stage at its positions, from that of the previous stage at its nodes."""
        encoded, *shift = self._encoded(k, place, weights)
        inputs = [encoded, *shift]
        if features is not None:
            inputs.append(self._interpolated(k, place, features))
        layers = partial(self._layers, k, weights, trace)
        if trace is not None:
            return layers(*inputs)[0]
        return by_blocks(layers, *inputs, numbers=weights[0].bias.shape[0] * encoded.shape[1] * self.widths[k])[0]

    def _layers(
        self, k: int, weights: Weights, trace: dict[str, Tensor] | None, encoded: Tensor, *more: Tensor
    ) -> tuple[Tensor]:
        """The layers of a stage, and its head.

        ``more`` has the effect of the paths, if there are any, and the interpolated output of the previous stage, for
        all but the first.
        """
        first = self._first(k)
        spec = self.layers[first]
        before = signal = None
        if k > 0:
            before, signal = more[-1].split([spec.outputs, self.channels], dim=-1)
        own = weights[first].columns(spec.inputs - encoded.shape[-1])[1] if k > 0 else weights[first].weight
        x = linear(encoded, LayerWeights(own, weights[first].bias), onto=before)
        if self.paths is not None:
            shift, *scale = more[0].split(spec.outputs, dim=-1)
            x = torch.addcmul(x + shift, x, scale[0]) if scale else x + shift
        return self._later_layers(k, weights, trace, x, signal)

    def _later_layers(
        self, k: int, weights: Weights, trace: dict[str, Tensor] | None, x: Tensor, signal: Tensor | None
    ) -> tuple[Tensor]:
        """All of a stage but the product of its first layer, and the head."""
        first = self._first(k)
        x, gain = _activate(x, self.layers[first].name, trace)
        for i in range(1, self.depths[k]):
            x = linear(x, weights[first + i], gain=gain)
            normalized = i % NORMALIZE_EVERY == NORMALIZE_EVERY - 1
            x, gain = _activate(x, self.layers[first + i].name, trace, normalized=normalized)
        share, head = 1 / math.sqrt(len(self.widths)), weights[first + self.depths[k]]
        if k == len(self.lattices):
            bias = head.bias[:, None] * share
            return (linear(x, head, gain=gain * share, onto=bias if signal is None else signal + bias),)
        # One product for the part of the next stage's first layer that acts on these features, and the head.
        # Interpolation preserves constants, so that the biases are included.
        onward = weights[first + self.depths[k] + 1]
        weight = torch.cat([onward.columns(x.shape[-1])[0], head.weight * share], dim=1)
        bias = torch.cat([onward.bias, head.bias * share], dim=1)
        if signal is None:
            return (linear(x, LayerWeights(weight, bias), gain=gain),)
        so_far = F.pad(signal, (onward.bias.shape[-1], 0)) + bias[:, None]
        return (linear(x, LayerWeights(weight, bias), gain=gain, onto=so_far),)

    def _first(self, k: int) -> int:
        """Number of the first layer of a stage; each has as many layers as its depth, and a head."""
        return sum(self.depths[:k]) + k

    def block(self, view: View, features: Float[Tensor, "B L F"] | None, weights: Weights) -> Float[Tensor, "B N C"]:
        """Values at a block of a render.

        The part of the first layer that acts on the encoding is linear in it. In a block far finer than the band it is
        evaluated at few nodes and interpolated, exactly to rounding. The encoding of all points, and its product with
        many columns of weights, are then not needed.
        """
        k, dtype = len(self.lattices), weights[0].weight.dtype
        encoding: AbstractEncoding = self.encodings[k]  # type: ignore[assignment]
        parts = None
        if self.paths is None:
            parts = encoding.at_nodes(view, tolerance=torch.finfo(dtype).eps)
        if parts is None:
            return self.values(view, features, weights)
        spec, first = self.layers[self._first(k)], weights[self._first(k)]
        weight = first.columns(spec.inputs - encoding.size)[1] if k > 0 else first.weight
        found, start = [], 0
        before = None if features is None else self._stencil(k, view).lines(features)
        for part in parts:
            stop = start + part.features.shape[-1]
            own, biased = LayerWeights(weight[..., start:stop], first.bias), features is None and start == 0
            found.append(part.lines(linear(part.features.to(dtype), own, biased=biased)))
            start = stop
        known = [x for x in found if x is not None]
        if len(known) < len(found) or (features is not None and before is None):
            return self.values(view, features, weights)
        if before is not None:
            known.append((before[0], before[1][..., : spec.outputs]))
        matrix = torch.cat([across.to(dtype) for across, _ in known], dim=1)
        inputs = [torch.cat([lines for _, lines in known], dim=2)]
        if before is not None:
            inputs.append(before[1][..., spec.outputs :])

        def of_lines(nodes_BRmF: Tensor, *so_far_BRmC: Tensor) -> tuple[Tensor]:
            """Interpolation along x, and the layers."""
            signal = (before[0] @ so_far_BRmC[0]).flatten(1, 2) if before is not None else None
            return self._later_layers(k, weights, None, (matrix @ nodes_BRmF).flatten(1, 2), signal)

        return by_blocks(of_lines, *inputs, numbers=len(weights[0].bias) * view.count * self.widths[k])[0]

    def prepare(self, view: View) -> None:
        for encoding, place in zip(self.encodings, self.places(view), strict=True):
            encoding.prepare(place)  # type: ignore[operator]

    def units(self) -> tuple[LayerUnits, ...]:
        out, before = [], ()
        for k, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            columns = (*before, Units("", self.encodings[k].size))  # type: ignore[arg-type]
            for i in range(depth):
                rows = (Units(f"stage{k}_layer{i}", width),)
                out.append(LayerUnits(rows, columns))
                columns = before = rows
            out.append(LayerUnits((Units("", self.channels),), before))
        for spec in self.layers[self._spatial_count :]:
            rows = (Units("", spec.outputs),)
            if spec.name.startswith("stage"):  # shifts, and perhaps gains, of the units of a first layer
                k = int(spec.name.removeprefix("stage").removesuffix("_paths"))
                rows = (Units(f"stage{k}_layer0", self.widths[k]),) * (spec.outputs // self.widths[k])
            out.append(LayerUnits(rows, (Units("", spec.inputs),)))
        return tuple(out)

    def compile_layers(self, *, backend: str = "inductor") -> None:
        # Views store what is derived from them in dictionaries, which the compiler cannot trace; the layers of a stage
        # are functions of tensors. This is no decorator of the method, which would import torch's compiler with it.
        self._layers = torch.compile(self._layers, backend=backend)  # type: ignore[assignment]

    def _stencil(self, k: int, place: View) -> AbstractStencil:
        """Stencil from the nodes of the previous stage to the positions of stage k."""
        return self.lattices[k - 1].stencil(place)

    def _interpolated(self, k: int, place: View, features: Float[Tensor, "B L F"]) -> Float[Tensor, "B N F"]:
        """Output of the previous stage at the positions of stage k."""
        return self._stencil(k, place).interpolate(features)

    def _encoded(self, k: int, place: View, weights: Weights) -> list[Tensor]:
        """Encoded positions of a stage, and the effect of the paths there, if there are any.

        Coordinates may have a higher precision than weights.
        """
        encoding, dtype = self.encodings[k], weights[0].weight.dtype
        if self.paths is None:
            return [encoding.encoded(place, dtype)]  # type: ignore[operator]
        rates, mixture, *through = weights[self._spatial_count :]
        paths, both = self.paths, ((rates.weight, rates.bias), (mixture.weight, mixture.bias))
        if place.axes is None:
            path = paths(place, *both)
        else:  # stages whose nodes are at the positions of the points along the axis share them
            path = rates.derive(place.axes[paths.axis], lambda: paths(place, *both))
        shift = _spread(linear(path.values.to(dtype), through[k]), place, axis=self.paths.axis)
        return [encoding(place, path).to(dtype), shift]


def _activate(
    x: Tensor, name: str, trace: dict[str, Tensor] | None, *, normalized: bool = False
) -> tuple[Tensor, float]:
    """SiLU, and the gain with which the result has a second moment of 1; the next product applies it to its weight.

    SiLU is smooth, so that fields have derivatives of every order.
    """
    x, gain = F.silu(x, inplace=not torch.is_grad_enabled()), SILU_GAIN
    if normalized:
        x, gain = normalize(x)
    if trace is not None:
        trace[name] = x * gain
    return x, gain


def _spread(x: Tensor, view: View, *, axis: int) -> Tensor:
    """Values along one axis of a product view, repeated at every point of it."""
    if view.axes is None:
        return x
    rank = len(view.shape)
    shape = [view.shape[a] if a == rank - 1 - axis else 1 for a in range(rank)]
    return x.unflatten(1, shape).expand(-1, *view.shape, -1).flatten(1, rank)
