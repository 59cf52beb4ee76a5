"""The convolutional control as stages, so that studies of functions can be applied to it."""

import math
from collections.abc import Callable

import torch
from _benchmarks import ConvolutionalGenerator
from torch.nn import functional as F

from inrgan import Modality, View
from inrgan.analysis import Stages
from inrgan.discriminators import leaky_relu
from inrgan.inr import LayerWeights, Weights


def conv_stages(G: ConvolutionalGenerator) -> Stages:
    """The stages z → w → θ → pixels, where θ are the kernels as style modulated them, a row for each output.

    Example:
        >>> conv_stages(G).weights(torch.zeros(2, 128))[0].weight.shape
        torch.Size([2, 128, 1152])
    """
    layers = [*G.blocks, *G.heads]

    def weights(w: torch.Tensor) -> list[LayerWeights]:
        out = []
        for layer in layers:
            style = layer.style(w)
            kernel = layer.weight / math.sqrt(layer.weight[0].numel()) * style[:, None, :, None, None]
            power = kernel.square().sum(dim=(2, 3, 4), keepdim=True)
            kernel = kernel * torch.rsqrt(power + 1e-8) if layer.demodulated else kernel
            out.append(LayerWeights(kernel.flatten(2), layer.bias.expand(len(w), -1)))
        return out

    def pixels(weights: Weights) -> torch.Tensor:
        x = G.constant.expand(len(weights[0].weight), -1, -1, -1)
        signal = None
        for k in range(len(G.heads)):
            if k:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            for layer in weights[2 * k : 2 * k + 2]:
                x = leaky_relu(_convolved(x, layer))
            y = _convolved(x, weights[len(G.blocks) + k]) / math.sqrt(len(G.heads))
            signal = y if signal is None else F.interpolate(signal, scale_factor=2, mode="bilinear") + y
        assert signal is not None
        return torch.tanh(signal)

    return Stages(z_dim=G.z_dim, mapping=G.mapping, weights=weights, signal=read_through(pixels, G.modality))


def pixel_stages(stages: Stages, modality: Modality) -> Stages:
    """The same stages, with the signal read from pixels of the training resolution."""
    grid = modality.domain.grid(modality.domain.shape(modality.resolution))
    signal = read_through(lambda weights: stages.signal(weights, grid.to(weights[0].weight.device)), modality)
    return Stages(z_dim=stages.z_dim, mapping=stages.mapping, weights=stages.weights, signal=signal)


def read_through(
    pixels: Callable[[Weights], torch.Tensor], modality: Modality
) -> Callable[[Weights, View], torch.Tensor]:
    """Pixels read at the points of any view as pixels of reals are: by Lanczos-3, band-limited to its spacing."""

    def signal(weights: Weights, view: View) -> torch.Tensor:
        seen = pixels(weights)
        return modality.observe(list(seen.float().cpu()), view.to("cpu")).to(seen.device)

    return signal


def _convolved(x: torch.Tensor, layer: LayerWeights) -> torch.Tensor:
    """A convolution with separate kernels for each sample."""
    batch, outputs, numbers = layer.weight.shape
    side = math.isqrt(numbers // x.shape[1])
    kernels = layer.weight.reshape(batch * outputs, x.shape[1], side, side)
    y = F.conv2d(x.flatten(0, 1)[None], kernels, padding=side // 2, groups=batch)
    return y.unflatten(1, (batch, outputs))[0] + layer.bias[:, :, None, None]
