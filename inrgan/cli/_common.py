"""What the commands share: flags, how flags are parsed, and how errors are reported."""

import contextlib
import io
import json
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import tyro
from tyro.conf import Positional
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from inrgan._parsing import from_plain, parse_numbers, to_plain
from inrgan.capabilities import HasTime
from inrgan.errors import ConfigError, InrganError
from inrgan.files import user_path
from inrgan.generator import Generator
from inrgan.modality import Modality
from inrgan.sizes import CriticSizes, GeneratorSizes
from inrgan.training import pick_device

T = TypeVar("T")
Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(kw_only=True)
class AbstractCommand(ABC):
    """A command with its flags."""

    @abstractmethod
    def run(self) -> None:
        """Run the command.

        Raises:
            InrganError: a user error.
        """


@dataclass(kw_only=True)
class AbstractModelCommand(AbstractCommand):
    """A command that uses a trained generator."""

    model: Annotated[Positional[str], tyro.conf.arg(name="run")]
    """Run directory, save_pretrained folder or Hub id."""
    device: Device = "auto"
    """Device to compute on."""

    def generator(self) -> Generator:
        """The generator, on the device."""
        return Generator.from_pretrained(self.model, device=pick_device(self.device))


@dataclass(kw_only=True)
class AbstractRenderCommand(AbstractModelCommand):
    """A command that renders samples."""

    resolution: str | None = None
    """Samples along the shortest side, or a full shape such as 512x1024 (rows x columns). Default: the training
    resolution."""
    rate: Annotated[float | None, tyro.conf.arg(aliases=["--fps"])] = None
    """Signals with a time axis: samples or frames per second."""
    seconds: float | None = None
    """Signals with a time axis: duration from the start. Default: the length of the training window."""
    truncation: float = 1.0
    """Truncation: 1 for the full distribution; smaller values trade variety for quality."""
    label: str | None = None
    """Class of a conditional generator, as a name or number."""

    def window(self, modality: Modality, *, region: str | None) -> tuple[tuple[int, ...], Sequence[float] | None]:
        """Array shape and region that the flags ask for.

        Raises:
            ConfigError: flags that contradict each other.
        """
        if self.rate is None and self.seconds is None:
            shape = modality.array_shape(self.resolution)
            return shape, None if region is None else parse_numbers(region, what="region")
        if region is not None:
            raise ConfigError("--rate and --seconds choose what to render, as --region does; give one or the other")
        if not isinstance(modality, HasTime):
            raise ConfigError(
                f"--rate and --seconds were given for {modality.name}, which has no time; use --resolution"
            )
        return modality.window(rate=self.rate, seconds=self.seconds, resolution=self.resolution)


_VALUES = ConstructorRegistry()
"""How the command line writes values that tyro would write otherwise."""


@_VALUES.primitive_rule
def _names(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[tuple[str, ...]] | None:
    """Several names: comma-separated, as one word."""
    if info.type != tuple[str, ...] or tyro.conf.UseAppendAction in info.markers:  # a flag that is repeated
        return None
    return PrimitiveConstructorSpec(
        nargs=1, metavar="NAME,...",
        instance_from_str=lambda words: tuple(name.strip() for name in words[0].split(",")),
        is_instance=lambda x: isinstance(x, tuple), str_from_instance=lambda names: [",".join(names)],
    )  # fmt: skip


@_VALUES.primitive_rule
def _path(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Path] | None:
    """A path, in which ~ is the home directory."""
    if info.type is not Path:
        return None
    return PrimitiveConstructorSpec(
        nargs=1, metavar="PATH", instance_from_str=lambda words: user_path(words[0]),
        is_instance=lambda x: isinstance(x, Path), str_from_instance=lambda path: [str(path)],
    )  # fmt: skip


@_VALUES.primitive_rule
def _switch_or_pattern(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[bool | str] | None:
    """A flag whose value may be left out."""
    if set(get_args(info.type)) != {bool, str}:
        return None
    return PrimitiveConstructorSpec(
        nargs=(0, 1), metavar="[PATTERN]", instance_from_str=lambda words: words[0] if words else True,
        is_instance=lambda x: isinstance(x, (bool, str)),
        str_from_instance=lambda x: [x if isinstance(x, str) else "on" if x else "off"],
    )  # fmt: skip


@_VALUES.primitive_rule
def _network_sizes(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Sizes of a network: JSON, as in config.json."""
    cls = next((cls for cls in (GeneratorSizes, CriticSizes) if cls in get_args(info.type)), None)
    if cls is None:
        return None
    return PrimitiveConstructorSpec(
        nargs=1, metavar="JSON", instance_from_str=lambda words: from_plain(cls, json.loads(words[0]), what="JSON"),
        is_instance=lambda x: x is None or isinstance(x, cls),
        str_from_instance=lambda x: ["None" if x is None else json.dumps(to_plain(x))],
    )  # fmt: skip


def parse(kind: Any, args: Sequence[str]) -> Any:
    """Parse a whole command line.

    Raises:
        ConfigError: the words do not parse.
        SystemExit: help was asked for and printed.
    """
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                kind, prog="inrgan", args=args, registry=_VALUES,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.AvoidSubcommands),
            )  # fmt: skip
    except SystemExit as stop:
        if stop.code in (None, 0):
            raise
    raise ConfigError(_one_line(errors.getvalue()))


def peek(kind: type[T], args: Sequence[str]) -> T:
    """Parse the flags of one dataclass among others, which decide the defaults or the names of those."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return tyro.cli(kind, args=[a for a in args if a not in ("-h", "--help")], return_unknown_args=True)[0]
    except SystemExit:  # a word that does not parse, which the whole parser then reports
        return kind()


def _one_line(box: str) -> str:
    """The parser's message without its frame: what was wrong, and not the help that follows."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines()][1:]
    parts: list[list[str]] = [[]]
    for line in lines:
        if line and not line.strip("─"):
            parts.append([])
        elif line:
            parts[-1].append(line)
    said = []
    for text in (" ".join(part) for part in parts if part):
        if text.startswith("Perhaps you meant"):
            said += [f"did you mean {flag}?" for flag in re.findall(r"--[a-z][a-z-]*", text)[:1]]
        elif not text.startswith(("Argument helptext", "For full helptext", "Arguments are applied")):
            said.append(text)
    text = "; ".join(said) or "the command line does not parse"
    return re.sub(r"^Error parsing (?!-)\S+: ", "", text)  # our own message, under a field's internal name


def first_process() -> bool:
    """Whether this process is the only one, or the one that reads the run directory for all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Report a user error as one line on stderr with exit code 2; Ctrl-C exits with 130."""
    try:
        yield
    except InrganError as error:
        print(f"inrgan: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
