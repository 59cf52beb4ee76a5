"""The folder of an INR dataset: its files, its lock, and how it is written and read."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from inrgan.checkpoint import save_latents
from inrgan.errors import CheckpointError, ConfigError, DataError, RunDirectoryError, WriteError
from inrgan.files import LockedFolder, read_json, user_path, write_json
from inrgan.generator import Generator
from inrgan.inr import Weights
from inrgan.modality import Modality
from inrgan.registry import rebuild_as

FORMAT = "inrgan-inrs"
VERSION = 1
SETTINGS = "inrs.json"
REPORT = "report.json"


def described(modality: Modality) -> dict[str, Any]:
    """An adapter as a JSON object."""
    return {"name": modality.name, "arguments": modality.arguments()}


def is_described(modality: Modality, found: Any) -> bool:
    """Whether a JSON object, also one of an earlier version with other names of arguments, describes an adapter."""
    if not isinstance(found, dict) or found.get("name") != modality.name:
        return False
    try:
        return rebuild_as(type(modality), found.get("arguments")).arguments() == modality.arguments()
    except ConfigError:
        return False


@final
@dataclass(frozen=True, kw_only=True)
class Entry:
    """A fitted item.

    Attributes:
        item: Number in the data set.
        name: Name of its file.
        psnr: Peak signal-to-noise ratio in dB, over all samples of the training resolution.
    """

    item: int
    name: str
    psnr: float


@final
@dataclass(frozen=True, kw_only=True)
class Batch:
    """Result of one batch: the fitted items, in the order of the file's rows, and why others were skipped."""

    fitted: tuple[Entry, ...]
    skipped: Mapping[int, str]


@final
class InrFolder:
    """The folder of an INR dataset, written batch by batch.

    ``config.json`` and ``model.safetensors`` hold the generator whose backbone the functions have; ``inrs.json`` the
    settings; ``items-NNNNNN.safetensors`` the functions of a batch, as a file of latents, and ``items-NNNNNN.json``
    their items. A batch is done when the latter exists: it is written last. ``generator`` holds a generator that a
    training starts from.

    Args:
        path: Path of the folder.
    """

    def __init__(self, path: str | Path):
        self.path = user_path(path)

    @contextmanager
    def locked(self, settings: dict[str, Any], *, modality: Modality) -> Iterator[None]:
        """Lock the folder against other processes; it is made if it is missing.

        Args:
            settings: Settings of the fits but for the modality.
            modality: Adapter of the items.

        Raises:
            ConfigError: The folder holds something else, or functions that were fitted with other settings.
            RunDirectoryError: Another process uses it.
            WriteError: It cannot be made.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path} is a file; give a folder for the functions")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
        except OSError as error:
            raise WriteError(f"cannot make {self.path}: {error.strerror or error}; give another --out") from None
        if foreign and SETTINGS not in foreign:
            raise ConfigError(f"{self.path} holds {min(foreign)} and no {SETTINGS}; give an empty or a new folder")
        folder = LockedFolder(self.path)
        if not folder.acquire():
            raise RunDirectoryError(f"{self.path} is in use by another process; wait for it, or give another")
        try:
            settings = {"modality": described(modality), **settings}
            if SETTINGS in foreign:
                self._compare(settings, modality)
            else:
                write_json(self.path / SETTINGS, {"format": FORMAT, "version": VERSION, **settings})
            yield
        finally:
            folder.release()

    def settings(self) -> dict[str, Any]:
        """Settings of the fits.

        Raises:
            DataError: The folder holds no INR dataset.
        """
        try:
            found = read_json(self.path / SETTINGS)
        except FileNotFoundError:
            raise DataError(f"{self.path} has no {SETTINGS}; expected a folder of inrgan convert --to inrs") from None
        except ConfigError as error:
            raise DataError(str(error)) from None
        if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("version") != VERSION:
            raise DataError(
                f"{self.path / SETTINGS} is not of format {FORMAT}, version {VERSION}; convert the data again"
            )
        return found

    def batches(self) -> dict[int, Batch]:
        """Finished batches by number.

        Raises:
            DataError: A report is damaged.
        """
        numbers = [
            int(m[1]) for p in self.path.glob("items-*.json") if (m := re.fullmatch(r"items-(\d+)\.json", p.name))
        ]
        return {number: self.batch(number) for number in sorted(numbers)}

    def batch(self, number: int) -> Batch:
        """Result of a finished batch.

        Raises:
            DataError: The report is damaged, or its functions are missing.
        """
        path = self._items(number).with_suffix(".json")
        try:
            data = read_json(path)
            fitted = tuple(
                Entry(item=int(x["item"]), name=str(x["name"]), psnr=float(x["psnr"])) for x in data["fitted"]
            )
            skipped = {int(x["item"]): str(x["why"]) for x in data["skipped"]}
        except (OSError, ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path} is damaged ({error}); delete it, and convert the data again") from None
        if fitted and not self._items(number).exists():
            raise DataError(f"the functions of {path} are missing; delete it, and convert the data again")
        return Batch(fitted=fitted, skipped=skipped)

    def write(
        self, number: int, done: Batch, *, w: Float[Tensor, "B W"], weights: Weights | None, generator: Generator
    ) -> None:
        """Write a batch: the functions, then their items.

        Raises:
            WriteError: The disk is full; earlier batches are untouched.
        """
        if done.fitted:
            save_latents(self._items(number), w, weights=weights, generator=generator)
        skipped = [{"item": item, "why": why} for item, why in done.skipped.items()]
        write_json(
            self._items(number).with_suffix(".json"), {"fitted": [vars(e) for e in done.fitted], "skipped": skipped}
        )

    def functions(self, number: int) -> Path:
        """File of a batch's functions."""
        return self._items(number)

    @property
    def start(self) -> Path:
        """Folder of the generator that a training on the functions starts from."""
        return self.path / "generator"

    @property
    def has_generator(self) -> bool:
        """Whether the generator is complete; its configuration is written last."""
        return (self.path / "config.json").exists()

    def generator(self, modality: Modality | None = None) -> Generator:
        """The generator whose backbone the functions have.

        Args:
            modality: Adapter, where ``inrgan info`` does not list it.

        Raises:
            DataError: It is missing or damaged.
        """
        try:
            return Generator.from_pretrained(self.path, modality=modality)
        except CheckpointError as error:
            raise DataError(
                f"{self.path} has no complete generator of {'its kind' if modality is None else modality} ({error}); "
                "give equal flags, such as the resolution, or delete its config.json, and convert the data again"
            ) from None

    def _items(self, number: int) -> Path:
        return self.path / f"items-{number:06d}.safetensors"

    def _compare(self, settings: dict[str, Any], modality: Modality) -> None:
        found = self.settings()
        for name, value in settings.items():
            same = is_described(modality, found.get(name)) if name == "modality" else found.get(name) == value
            if not same:
                raise ConfigError(
                    f"{self.path} holds functions with {name} = {found.get(name)!r}, not {value!r}; give "
                    "another --out, or the same flags to resume"
                )
