"""Scores of a generator against data."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan._random import step_generator
from inrgan.data import AbstractSource, DataPath, ItemCache, SubsetSource, normalized, split
from inrgan.errors import ConfigError
from inrgan.generator import Generator
from inrgan.metrics import Score, evaluate
from inrgan.modality import Modality
from inrgan.training.reals import Reals
from inrgan.views import View

HELD_OUT = 1 << 31
"""Seed offset of built-in reference data, far from the seeds of trainings."""


def held_out_source(
    modality: Modality,
    data: DataPath | None,
    *,
    labels: bool | str = False,
    seed: int = 0,
    share: float = 0.0,
) -> AbstractSource:
    """Reference data: a data set, its held-out part, or built-in items that no training used.

    Args:
        modality: Adapter of the data.
        data: Folder or zip; None for built-in items with a seed that no training uses.
        labels: Labels, as in ``Modality.source``.
        seed: Seed of built-in items.
        share: Fraction of a data set that trainings held out; 0 for all of it. The description states its hash.

    Raises:
        DataError: The data are missing, empty or unreadable.
        ConfigError: The fraction is out of range.

    Example:
        >>> len(held_out_source(ImageModality(resolution=16), None))
        4096
    """
    source = modality.source(data, labels=labels, seed=HELD_OUT + seed)
    if share == 0 or data is None:
        return source
    parts = split(source, share=share)
    indices = range(len(parts.test))
    return SubsetSource(parts.test, indices, description=f"{source.description}, held out {share:g}, {parts.digest}")


def labelled_reals(
    source: AbstractSource, modality: Modality, view: View, *, count: int, seed: int
) -> tuple[Float[Tensor, "N C *S"], Int[Tensor, "N"]]:
    """Items of a data set, each at most once, observed at a view, and their labels.

    Raises:
        DataError: No item is fine enough for the view.
    """
    count = min(count, len(source))
    batch = min(count, 64)  # decoded items stay in memory while they are resampled
    # Each item is read once, so that a cache is useless.
    reals = Reals(source, modality, batch=batch, seed=seed, augmented=False, cache=ItemCache(0))
    parts = [reals.draw(step, [view]) for step in range(-(-count // batch))]
    return torch.cat([values for (values,), _ in parts])[:count], torch.cat([labels for _, labels in parts])[:count]


def known_parts(
    source: AbstractSource, modality: Modality, view: View, *, count: int, seed: int
) -> Float[Tensor, "N 1 *S"]:
    """Where the items of ``labelled_reals`` are known: 1, otherwise 0.

    Raises:
        ConfigError: The items are known at points other than the view's.
    """
    count = min(count, len(source))
    batch = min(count, 64)
    reals = Reals(source, modality, batch=batch, seed=seed, augmented=False, cache=ItemCache(0))
    parts = []
    for step in range(-(-count // batch)):
        own = reals.observation_view(step, view)
        if own.weights is None or own.shape != view.shape or not torch.equal(own.coords[0], view.coords[0]):
            raise ConfigError(f"items of {modality.name} are known at points of their own, which have no scores")
        parts.append((own.weights > 0).float().unflatten(1, view.shape)[:, None])
    return torch.cat(parts)[:count]


@torch.no_grad()
def labelled_fakes(
    G: Generator, view: View, *, count: int, seed: int, batch: int = 32, truncation: float = 1.0
) -> tuple[Float[Tensor, "N C *S"], Int[Tensor, "N"]]:
    """Samples of a generator at a view, and their labels, on the CPU."""
    out, requested = [], []
    for start in range(0, count, batch):
        rng = step_generator(seed, purpose="evaluate", step=start)
        z = torch.randn(min(batch, count - start), G.z_dim, generator=rng).to(G.device)
        labels = None
        if G.labels:
            labels = torch.randint(len(G.labels), (z.shape[0],), generator=rng).to(G.device)
        requested.append(torch.zeros(len(z), dtype=torch.long) if labels is None else labels.cpu())
        w = G.mapping.truncate(G.mapping(z, labels), truncation)
        out.append(G.field(w)(view.to(G.device)).float().cpu())
    return torch.cat(out), torch.cat(requested)


def observe_reals(
    source: AbstractSource, modality: Modality, view: View, *, count: int, seed: int
) -> Float[Tensor, "N C *S"]:
    """Items of a data set, each at most once, observed at a view.

    Raises:
        DataError: No item is fine enough for the view.
    """
    return labelled_reals(source, modality, view, count=count, seed=seed)[0]


def render_fakes(
    G: Generator, view: View, *, count: int, seed: int, batch: int = 32, truncation: float = 1.0
) -> Float[Tensor, "N C *S"]:
    """Samples of a generator at a view, on the CPU."""
    return labelled_fakes(G, view, count=count, seed=seed, batch=batch, truncation=truncation)[0]


def score_generator(
    G: Generator,
    source: AbstractSource,
    *,
    metrics: Sequence[str] | None = None,
    count: int = 2048,
    resolution: int | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    classifiers: Path | None = None,
) -> list[Score]:
    """Scores of a generator against a data set, each with its protocol.

    Args:
        G: Generator.
        source: Reference data, ideally a part that training did not use.
        metrics: Names of general scores (see ``inrgan.metrics.evaluate``) or of the modality's; None for its
            ``default_metrics``.
        count: Number of fakes, and largest number of reals.
        resolution: Samples along the shortest side; None for the training resolution.
        seed: Seed of the choice of reals, latents, patches and projections.
        truncation: Truncation; 1 for none.
        classifiers: Folder that caches trained classifiers; None for no cache.

    Raises:
        ConfigError: There are too few items, or a metric is unknown.
        WriteError: ``classifiers`` cannot be written.

    Example:
        >>> [s.name for s in score_generator(G, source, metrics=["swd"], count=64)]
        ['swd']
    """
    modality = G.modality
    if count < 8 or len(source) < 8:
        raise ConfigError(f"scores of {count} samples and {len(source)} items are too few; expected 8 or more of each")
    view = modality.domain.grid(modality.domain.shape(modality.resolution if resolution is None else resolution))
    real, real_labels = labelled_reals(source, modality, view, count=count, seed=seed)
    fake, fake_labels = labelled_fakes(G, view, count=count, seed=seed, truncation=truncation)
    extra = {}
    if source.partial_observations:
        known = known_parts(source, modality, view, count=count, seed=seed)
        # Real i hides the same points of fake i, as in training.
        real, fake = (x * known[torch.arange(len(x)) % len(known)] for x in (real, fake))
        extra["known"] = f"{float(known.mean()):.1%}, hidden in fakes as well"
    labels = None
    if G.labels and source.label_names:
        names, known = [normalized(n) for n in source.label_names], [normalized(n) for n in G.labels]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ConfigError(
                f"the data have labels that the generator was not trained with, such as {unknown[0]!r}; expected only "
                f"{', '.join(G.labels)}"
            )
        numbers = torch.tensor([known.index(name) for name in names])
        labels = (numbers[real_labels], fake_labels)
    return evaluate(
        real,
        fake,
        metrics=modality.default_metrics if metrics is None else metrics,
        view=view,
        others=modality.metrics(),
        features=modality.features(),
        seed=seed,
        labels=labels,
        classifiers=classifiers,
        protocol_extra={
            "size": "x".join(map(str, view.shape)),
            "filter": modality.real_filter,
            "truncation": truncation,
            "data": source.description,
            **extra,
        },
    )
