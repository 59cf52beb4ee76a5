"""The patch critic of audio clips."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from inrgan.discriminators import (
    AbstractPatchCritic,
    EqualizedLinear,
    PeriodTrunk,
    ResidualTrunk,
    SpectrumTrunk,
    label_score,
    log_bands,
)
from inrgan.domains import AbstractDomain
from inrgan.views import View
from inrgan_modalities.audio._spectrogram import mel_bands

_BANDS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Band edges as fractions of the Nyquist frequency, as in the Descript audio codec."""

_MELS = 32


class AudioPatchCritic(AbstractPatchCritic):
    """Critic of crops that sees the waveform, folded copies of it, and bands of complex spectrograms.

    Every part has a score of its own; the score of the crop is their sum. The global context has three parts: the
    decimated clip resampled to the crop, as an additional channel of the waveform; the position and the sampling
    density of the crop, for every part; and an embedding of the log-mel spectrogram of the full clip, which enters as
    a projection, like a label.

    Args:
        domain: Domain of the clips.
        channels: C.
        patch: Number of samples of a crop.
        whole: Number of samples of the coarse full-domain view.
        width: Channels of each part at full resolution; doubled at each stage.
        max_width: Upper bound on the channels.
        periods: Periods of the folded parts; empty to leave them out.
        frames: Frame lengths of the spectrograms, in samples; empty to leave them out.
        classes: Number of labels; 0 for none.
        context: Whether the critic is conditioned on global context; False shows the crop and its density alone.
    """

    def __init__(
        self,
        domain: AbstractDomain,
        channels: int,
        *,
        patch: int,
        whole: int,
        width: int,
        max_width: int,
        periods: Sequence[int],
        frames: Sequence[int],
        classes: int,
        context: bool,
    ):
        super().__init__()
        self.domain, self.context = domain, context
        self.nominal = -math.log2(domain.spacing(whole))
        facts = 2 if context else 1
        sizes: dict[str, Any] = {"facts": facts, "resolution": patch, "width": width, "max_width": max_width}
        parts: list[nn.Module] = []
        parts.append(ResidualTrunk(1, (2 if context else 1) * channels, kernel=9, stride=4, **sizes))
        parts += [PeriodTrunk(channels, period=p, **sizes) for p in periods]
        parts += [SpectrumTrunk(channels, size=n, bands=_BANDS, **sizes) for n in frames]
        self.parts = nn.ModuleList(parts)
        widths = [int(p.size) for p in parts]  # type: ignore[arg-type]
        self.scores = nn.ModuleList(EqualizedLinear(n, 1) for n in widths)
        self.labels = nn.ModuleList(nn.Embedding(classes, n) for n in widths) if classes else None
        if context:
            self.frame = 2 ** max(5, round(math.log2(whole / 16)))
            self.register_buffer(
                "bands", mel_bands(count=_MELS, size=self.frame, rate=1 / domain.spacing(whole)), persistent=False
            )
            self.encoder = ResidualTrunk(2, channels, facts=1, resolution=_MELS, width=width, max_width=max_width)
            self.embeddings = nn.ModuleList(EqualizedLinear(self.encoder.size, n) for n in widths)

    def prepare(self, view: View, whole_view: View | None = None) -> None:
        if whole_view is not None:
            self.domain.carry_map(view, whole_view.shape)

    def forward(
        self,
        patch: torch.Tensor,
        view: View,
        whole: torch.Tensor | None = None,
        whole_view: View | None = None,
        labels: torch.Tensor | None = None,
    ) -> torch.Tensor:
        facts = view.log2_density - self.nominal
        wave, embedded = patch, None
        if self.context:
            assert whole is not None and whole_view is not None, "global context needs the full-domain view"
            place = view.center * (2 / self.domain.longest_period)
            facts = torch.cat([facts, place.expand(facts.shape[0], -1)], dim=-1)
            onto = self.domain.carry(whole.to(view.spacing.dtype), view)
            wave = torch.cat([patch, onto.to(patch.dtype)], dim=1)
            heard = log_bands(whole, self.bands.to(whole.dtype), size=self.frame)  # type: ignore[operator]
            embedded = self.encoder(heard, whole_view.log2_density - self.nominal)
        total = torch.zeros(len(patch), dtype=patch.dtype, device=patch.device)
        for i, part in enumerate(self.parts):
            x = part(wave if i == 0 else patch, facts)
            total = total + self.scores[i](x)[:, 0]
            if embedded is not None:
                total = total + (x * self.embeddings[i](embedded)).sum(dim=-1) / math.sqrt(x.shape[-1])
            total = total + label_score(x, None if self.labels is None else self.labels[i], labels)  # type: ignore[arg-type]
        return total / math.sqrt(len(self.parts))
