"""A data set of signals to a data set of functions."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from inrgan._parsing import to_plain
from inrgan._random import step_generator
from inrgan._typing import Float, Tensor
from inrgan.checkpoint import load_latents
from inrgan.data import AbstractSource
from inrgan.errors import ConfigError, DataError, InrganError
from inrgan.files import write_json
from inrgan.generator import Generator
from inrgan.inr import LayerWeights
from inrgan.inrs._descent import Targets, descend, final_errors
from inrgan.inrs._folder import REPORT, Batch, Entry, InrFolder
from inrgan.inrs._options import FitOptions
from inrgan.inrs._spread import spread_as, stacked
from inrgan.inrs._unknowns import AbstractUnknowns, Codes, FreeWeights, base_numbers, drawn, repeated
from inrgan.inrs._warm import learn_network, reptile
from inrgan.modality import Modality
from inrgan.process import progress_bar
from inrgan.sizes import GeneratorSizes
from inrgan.values import psnr

_LOOKED_AT = 1024
"""Functions whose mean and spread a generator to start from is given."""


@final
@dataclass(frozen=True, kw_only=True)
class ConvertReport:
    """How well the items of a data set were fitted.

    Attributes:
        fitted: every item's entry.
        skipped: why others were not, by number.
        numbers: in each function: weights, or entries of w.
    """

    fitted: tuple[Entry, ...]
    skipped: dict[int, str]
    numbers: int

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object: mean, least and every item's peak signal-to-noise ratio in dB."""
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
    """Fit a function to every item of a data set, all with a generator's backbone; goes on where it was after a stop.

    Args:
        source: of the items.
        out: folder of the functions, which ``InrSource`` reads.
        modality: of the items; the grid of its resolution is what is fitted.
        sizes: of the generator.
        options: how; the defaults where None.
        count: so many items, the first ones; all where None.
        data: says in the folder where the items are from.
        device: where to compute.
        progress: whether to show a progress bar.

    Raises:
        DataError: there are no items, or none that can be fitted.
        ConfigError: numbers that cannot be, or a folder that holds something else.
        RunDirectoryError: another process holds the folder.
        WriteError: the disk is full; the same call goes on when there is room.

    Example:
        >>> convert(SyntheticShapes(64), "inrs", modality=modality, sizes=sizes).to_plain()["items"]
        64
    """
    options = options or FitOptions()
    if source.endless:
        raise ConfigError("items of a stream come once and have no end; give a folder, a zip file or tar shards")
    if count is not None and count < 1:
        raise ConfigError(f"{count} items were to be fitted; expected 1 or more")
    number = len(source) if count is None else min(count, len(source))
    if number == 0:
        raise DataError(f"{source.description} has no items; give data")
    folder = InrFolder(out)
    settings = {
        "modality": {"name": modality.name, "arguments": modality.arguments()}, "generator": to_plain(sizes),
        "options": to_plain(options), "data": data or source.description, "items": number,
    }  # fmt: skip
    with folder.held(settings):
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
            some = [k for k in range(total) if done[k].fitted][: -(-_LOOKED_AT // options.batch)]
            parts = [load_latents(folder.functions(k), G).weights for k in some]
            start = G if options.fit == "modulations" else spread_as(G, stacked(parts))
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
        """What is seen of an item.

        Raises:
            InrganError: the item cannot be read, is too coarse or not finite.
        """
        decoded = self.source[item]
        if self.modality.item_spacing(decoded) > 1.001 * self.finest:
            raise DataError(f"it is coarser than the {self.view.shape} samples of the resolution; choose a lower one")
        values = self.modality.observe([decoded], self.view)
        if not torch.isfinite(values).all():
            raise DataError("it holds NaN or infinity")
        return values

    def targets(self, values: Sequence[Tensor]) -> Targets:
        """As what is to be fitted."""
        return Targets(view=self.view, values=torch.cat(list(values))).to(self.device)

    def some(self, number: int, *, count: int, round_: int, seed: int) -> Targets:
        """Items by chance; those that cannot be read are left out."""
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
            raise DataError(f"none of the {number} items can be looked at; see the warnings, and mend the files")
        return self.targets(found)


def _generator(
    folder: InrFolder, items: _Items, modality: Modality, sizes: GeneratorSizes, options: FitOptions, number: int,
    after: Callable[[int], object],
) -> Generator:  # fmt: skip
    """The generator whose backbone is fitted: from the folder, or new and, where asked for, warm."""
    if folder.has_generator:
        return folder.generator(modality).to(items.device)
    state = torch.random.get_rng_state()
    torch.manual_seed(options.seed)  # networks draw from the one global generator, which is put back
    G = Generator(modality, sizes=sizes).to(items.device)
    torch.random.set_rng_state(state)
    if options.init == "meta":
        learn = reptile if options.fit == "weights" else learn_network
        learn(
            G, lambda r: items.some(number, count=options.batch, round_=r, seed=options.seed), options,
            after_round=lambda: after(options.warm_steps),
        )  # fmt: skip
    G.save_pretrained(folder.path)
    return G.eval()


def _fit(
    folder: InrFolder, number: int, items: _Items, wanted: Sequence[int], names: dict[str, int], G: Generator,
    options: FitOptions, after: Callable[[int], object],
) -> Batch:  # fmt: skip
    """Fit and write one batch."""
    chosen: dict[int, tuple[str, Tensor]] = {}
    skipped: dict[int, str] = {}
    taken = dict(names)
    for item in wanted:
        try:
            name = items.source.name(item)
            if name in taken:
                raise DataError(f"its file is bad, and {name} in its place is item {taken[name]} already")
            chosen[item] = (name, items.values(item))
            taken[name] = item
        except InrganError as error:
            skipped[item] = str(error)
            logging.getLogger("inrgan").warning("Skipping item %d: %s", item, error)
    if not chosen:
        done = Batch(fitted=(), skipped=skipped)
        folder.write(number, done, w=torch.zeros(0, G.sizes.w_dim), weights=None, generator=G)
        return done
    targets = items.targets([values for _, values in chosen.values()])
    unknowns = _begin(G, list(chosen), options)
    descend(
        G, unknowns, targets, steps=options.steps, rate=options.learning_rate, fall=True, seed=options.seed,
        after_step=lambda: after(1),
    )  # fmt: skip
    quality = [psnr(error) for error in final_errors(G, unknowns, targets).tolist()]
    good = [i for i, value in enumerate(quality) if math.isfinite(value)]
    entries = [
        Entry(item=item, name=name, psnr=value)
        for (item, (name, _)), value in zip(chosen.items(), quality, strict=True)
    ]
    for i in sorted(set(range(len(entries))) - set(good)):
        skipped[entries[i].item] = "its fit left the finite numbers; lower the rate"
        logging.getLogger("inrgan").warning("Skipping item %d: its fit left the finite numbers", entries[i].item)
    done = Batch(fitted=tuple(entries[i] for i in good), skipped=skipped)
    weights = None
    if options.fit == "weights":
        with torch.no_grad():
            weights = [LayerWeights(x.weight[good], x.bias[good]) for x in unknowns.weights()]
    folder.write(number, done, w=unknowns.latents()[good], weights=weights, generator=G)
    return done


def _begin(G: Generator, items: Sequence[int], options: FitOptions) -> AbstractUnknowns:
    """Where the fits of some items begin."""
    if options.fit == "modulations":
        return Codes(G, count=len(items), prior=options.prior)
    if options.init == "independent":
        start = drawn(G, items, seed=options.seed)
    else:
        start = repeated(base_numbers(G), len(items))
    return FreeWeights(start, w_dim=G.sizes.w_dim, unit=G.sizes.demodulated)
