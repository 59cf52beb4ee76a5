"""Conversion of a data set of signals to an INR dataset."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan._parsing import to_plain
from inrgan._random import step_generator
from inrgan.checkpoint import load_latents
from inrgan.data import AbstractSource
from inrgan.errors import ConfigError, DataError, InrganError
from inrgan.field import Field
from inrgan.files import write_json
from inrgan.fitting import FreeWeights, Latents, Targets, fit, psnr
from inrgan.generator import Generator
from inrgan.inr import LayerWeights, Weights
from inrgan.inrs.folder import REPORT, Batch, Entry, InrFolder
from inrgan.inrs.initialization import (
    FitOptions,
    independent_start,
    initial_latents,
    initial_weights,
    match_distribution,
    meta_learn_hypernetwork,
    reptile,
    shared_start,
    signal_of,
)
from inrgan.modality import Modality
from inrgan.process import progress_bar
from inrgan.sizes import GeneratorSizes

_STATISTICS = 1024
"""Number of functions whose mean and standard deviation the generator for trainings is given."""


@final
@dataclass(frozen=True, kw_only=True)
class ConvertReport:
    """Quality of the fits of a data set.

    Attributes:
        fitted: Entries of the items that were fitted.
        skipped: Reason why an item was not fitted, by its number.
        numbers: Numbers in each function: weights, or entries of w.
    """

    fitted: tuple[Entry, ...]
    skipped: dict[int, str]
    numbers: int

    def to_plain(self) -> dict[str, Any]:
        """A JSON object: mean, minimum and every item's peak signal-to-noise ratio in dB."""
        values = [e.psnr for e in self.fitted]
        worst = min(self.fitted, key=lambda e: e.psnr)
        return {
            "items": len(values), "numbers": self.numbers, "psnr_mean": sum(values) / len(values),
            "psnr_min": worst.psnr, "worst": worst.name, "fitted": [vars(e) for e in self.fitted],
            "skipped": [{"item": item, "why": why} for item, why in self.skipped.items()],
        }  # fmt: skip


def convert(
    source: AbstractSource,
    out: str | Path,
    *,
    modality: Modality,
    sizes: GeneratorSizes,
    options: FitOptions | None = None,
    count: int | None = None,
    data: str = "",
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> ConvertReport:
    """Fit a function to every item of a data set, all with a generator's backbone; resumes after a stop.

    Args:
        source: Source of the items.
        out: Folder of the functions, which ``InrSource`` reads.
        modality: Adapter of the items; the grid of its resolution is fitted.
        sizes: Sizes of the generator.
        options: Settings of the fits; the defaults where None.
        count: Number of items, from the first on; all where None.
        data: Origin of the items, noted in the folder.
        device: Device to compute on.
        progress: Whether to show a progress bar.

    Raises:
        DataError: There are no items, or none that can be fitted.
        ConfigError: A number is out of range, or the folder holds something else.
        RunDirectoryError: Another process uses the folder.
        WriteError: The disk is full; the same call resumes when there is room.

    Example:
        >>> convert(SyntheticShapes(64), "inrs", modality=modality, sizes=sizes).to_plain()["items"]
        64
    """
    options = options or FitOptions()
    if source.endless:
        raise ConfigError("items of a stream come once and have no end; give a folder, a zip file or tar shards")
    if source.partial_observations:
        raise ConfigError("the items are known in part, and full signals are fitted; fill in what is missing")
    if count is not None and count < 1:
        raise ConfigError(f"{count} items to fit; expected 1 or more")
    number = len(source) if count is None else min(count, len(source))
    if number == 0:
        raise DataError(f"{source.description} has no items; give data")
    folder = InrFolder(out)
    settings = {
        "generator": to_plain(sizes), "options": to_plain(options), "data": data or source.description,
        "items": number,
    }  # fmt: skip
    with folder.locked(settings, modality=modality):
        done = folder.batches()
        total = -(-number // options.batch)
        items = _Items(source, modality, torch.device(device))
        warm = options.warm_rounds * options.warm_steps if options.init == "meta" else 0
        before = len(done) * options.steps + (warm if folder.has_generator else 0)
        with progress_bar(warm + total * options.steps, unit="step", quiet=not progress, done=before) as bar:
            G = _generator(folder, items, modality, sizes, options, number, bar.update)
            names = {e.name: e.item for batch in done.values() for e in batch.fitted}
            for k in (k for k in range(total) if k not in done):
                wanted = range(k * options.batch, min((k + 1) * options.batch, number))
                done[k] = _fit(folder, k, items, wanted, names, G, options, bar.update)
                names |= {e.name: e.item for e in done[k].fitted}
        fitted = tuple(e for k in range(total) for e in done[k].fitted)
        skipped = {item: why for k in range(total) for item, why in done[k].skipped.items()}
        if not fitted:
            first = min(skipped)
            raise DataError(f"none of the {number} items could be fitted; item {first}: {skipped[first]}")
        numbers = sum(s.outputs * (s.inputs + 1) for s in G.inr.layers)
        report = ConvertReport(
            fitted=fitted, skipped=skipped, numbers=numbers if options.fit == "weights" else G.sizes.w_dim
        )
        if not (folder.start / "config.json").exists():
            some = [k for k in range(total) if done[k].fitted][: -(-_STATISTICS // options.batch)]
            parts = [load_latents(folder.functions(k), G).weights for k in some]
            start = G if options.fit == "modulations" else match_distribution(G, _concatenated(parts))
            start.save_pretrained(folder.start)
        write_json(folder.path / REPORT, report.to_plain())
    return report


@final
class _Items:
    """Signals of a data set on the grid of the training resolution."""

    def __init__(self, source: AbstractSource, modality: Modality, device: torch.device):
        self.source, self.modality, self.device = source, modality, device
        self.view = modality.domain.grid(modality.domain.shape(modality.resolution))
        self.finest = float(modality.domain.finest(self.view).amin())

    def values(self, item: int) -> Float[Tensor, "1 C *S"]:
        """Values of an item.

        Raises:
            InrganError: The item cannot be read, is too coarse or not finite.
        """
        decoded = self.source[item]
        if self.modality.item_spacing(decoded) > 1.001 * self.finest:
            raise DataError(f"it is coarser than the {self.view.shape} samples of the resolution; choose a lower one")
        values = self.modality.observe([decoded], self.view)
        if not torch.isfinite(values).all():
            raise DataError("it holds NaN or infinity")
        return values

    def targets(self, values: Sequence[Tensor]) -> Targets:
        """Values of several items as targets of a fit."""
        return Targets(view=self.view, values=torch.cat(list(values))).to(self.device)

    def random(self, number: int, *, count: int, round_: int, seed: int) -> Targets:
        """Random items; those that cannot be read are left out."""
        rng = step_generator(seed, purpose="warm items", step=round_)
        found: list[Tensor] = []
        for item in torch.randperm(number, generator=rng).tolist():
            try:
                found.append(self.values(item))
            except InrganError:
                continue
            if len(found) == min(count, number):
                break
        if not found:
            raise DataError(f"none of the {number} items can be used; see the warnings, and fix the files")
        return self.targets(found)


def _generator(
    folder: InrFolder, items: _Items, modality: Modality, sizes: GeneratorSizes, options: FitOptions, number: int,
    after: Callable[[int], object],
) -> Generator:  # fmt: skip
    """The generator whose backbone is fitted: from the folder, or new and, with ``meta``, meta-learned."""
    if folder.has_generator:
        return folder.generator(modality).to(items.device)
    state = torch.random.get_rng_state()
    torch.manual_seed(options.seed)  # networks draw from the global generator, which is restored
    G = Generator(modality, sizes=sizes).to(items.device)
    torch.random.set_rng_state(state)
    if options.init == "meta":
        learn = reptile if options.fit == "weights" else meta_learn_hypernetwork
        learn(
            G, lambda r: items.random(number, count=options.batch, round_=r, seed=options.seed), options,
            after_round=lambda: after(options.warm_steps),
        )  # fmt: skip
    G.save_pretrained(folder.path)
    return G.eval()


def _fit(
    folder: InrFolder, number: int, items: _Items, wanted: Sequence[int], names: dict[str, int], G: Generator,
    options: FitOptions, after: Callable[[int], object],
) -> Batch:  # fmt: skip
    """Fit one batch and write it."""
    chosen: dict[int, tuple[str, Tensor]] = {}
    skipped: dict[int, str] = {}
    taken = dict(names)
    for item in wanted:
        try:
            name = items.source.name(item)
            if name in taken:
                raise DataError(f"its file is bad, and {name}, its replacement, is item {taken[name]} already")
            chosen[item] = (name, items.values(item))
            taken[name] = item
        except InrganError as error:
            skipped[item] = str(error)
            logging.getLogger("inrgan").warning("Skipping item %d: %s", item, error)
    if not chosen:
        done = Batch(fitted=(), skipped=skipped)
        folder.write(number, done, w=torch.zeros(0, G.sizes.w_dim), weights=None, generator=G)
        return done
    targets, signal = items.targets([values for _, values in chosen.values()]), signal_of(G)
    unknowns = _unknowns(G, list(chosen), options)
    fit(
        unknowns, targets, signal, steps=options.steps, rate=options.learning_rate, seed=options.seed,
        after_step=lambda: after(1),
    )  # fmt: skip
    with torch.no_grad():
        made = Field(G.inr, unknowns.weights(), domain=G.modality.domain).look(targets.view)
        quality = [psnr(error) for error in targets.errors(made).tolist()]
    good = [i for i, value in enumerate(quality) if math.isfinite(value)]
    entries = [
        Entry(item=item, name=name, psnr=value)
        for (item, (name, _)), value in zip(chosen.items(), quality, strict=True)
    ]
    for i in sorted(set(range(len(entries))) - set(good)):
        skipped[entries[i].item] = "the fit became NaN or infinite; use a lower rate"
        logging.getLogger("inrgan").warning("Skipping item %d: its fit became NaN or infinite", entries[i].item)
    done = Batch(fitted=tuple(entries[i] for i in good), skipped=skipped)
    w, weights = torch.zeros(len(good), G.sizes.w_dim), None
    if isinstance(unknowns, Latents):
        w = unknowns.w.detach()[good]
    else:
        with torch.no_grad():
            weights = [LayerWeights(x.weight[good], x.bias[good]) for x in unknowns.weights()]
    folder.write(number, done, w=w, weights=weights, generator=G)
    return done


def _unknowns(G: Generator, items: Sequence[int], options: FitOptions) -> FreeWeights | Latents:
    """Initial numbers of the fits of some items."""
    if options.fit == "modulations":
        return initial_latents(G, count=len(items), prior=options.prior)
    if options.init == "independent":
        return initial_weights(G, independent_start(G, items, seed=options.seed))
    return initial_weights(G, shared_start(G, len(items)))


def _concatenated(parts: Sequence[Weights]) -> list[LayerWeights]:
    """Functions of several batches as one batch."""
    return [
        LayerWeights(torch.cat([x.weight for x in layers]), torch.cat([x.bias for x in layers]))
        for layers in zip(*parts, strict=True)
    ]
