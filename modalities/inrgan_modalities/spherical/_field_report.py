"""What files of fields hold, said before training."""

from collections import Counter
from pathlib import Path

from inrgan.data import DataReport, Range, UnusedFiles
from inrgan_modalities.spherical._units import AbstractFieldFile, FieldValues, Units

_LOW_CONTRAST = 0.25
"""Fraction of the stated range below which the values were probably meant for another one."""


def field_report(
    file: AbstractFieldFile, values: FieldValues, *, units: Units, items: int, resolution: int,
    unused: tuple[UnusedFiles, ...],
) -> DataReport:  # fmt: skip
    """Report on files of fields.

    Args:
        file: The files.
        values: What was measured when they were opened.
        units: Range that is mapped to [-1, 1].
        items: Number of items.
        resolution: Number of rows of the items.
        unused: Files beside them that are not used.
    """
    _, _, rows, columns = file.shape
    notes = [
        f"rows x columns: {rows} x {columns} in the file, {resolution} x {2 * resolution} on the training's grid; "
        f"{values.clipped} values are clipped"
    ]
    warnings = []
    share = (values.high - values.low) / (units.high - units.low)
    if share < _LOW_CONTRAST:
        warnings.append(
            f"values run from {values.low:g} to {values.high:g}, a part of --low {units.low:g} to --high "
            f"{units.high:g}, and would lose contrast; state a narrower range"
        )
    if values.missing:
        warnings.append(
            f"{values.missing / values.count:.1%} of the values are missing (NaN, _FillValue, missing_value): the "
            "items are known in part; train with --losses points"
        )
    if values.empty:
        warnings.append(f"{len(values.empty)} items have no value and are left out (first: item {values.empty[0]})")
    if file.left_out:
        path, reason = next(iter(file.left_out.items()))
        warnings.append(f"{len(file.left_out)} files are left out (first: {Path(path).name}: {reason})")
    if file.repeated:
        warnings.append(f"{file.repeated} times occur in more than one file, and their items are all used")
    lacking = Counter((Path(path).suffix.lower(), reason) for path, reason in file.left_out.items())
    return DataReport(
        data=file.where, kind="field file" if len(file.files) < 2 else "field files", items=items,
        used=Counter(Path(f).suffix.lower() for f in file.files),
        unused=(*unused, *(UnusedFiles(suffix, reason, n) for (suffix, reason), n in lacking.items())),
        layout=file.layout, examined=values.examined,
        ranges={
            "values": Range(values.low, values.high, None, unit=_unit(file)),
            "latitude": Range.of(file.latitudes.tolist(), unit="degrees", extremes=True),
            "longitude": Range.of(file.longitudes.tolist(), unit="degrees", extremes=True),
        },
        notes=tuple(notes), warnings=tuple(warnings),
    )  # fmt: skip


def _unit(file: AbstractFieldFile) -> str:
    """The unit of the values, where all channels state the same."""
    found = {word.partition("=")[2] for word in file.attributes if word.startswith("channel") and ".units=" in word}
    return found.pop() if len(found) == 1 else ""
