"""Reading of points from files of the Point Cloud Library (pcd)."""

import io
import struct

import numpy as np

from inrgan.errors import DataError

_TYPES = {("F", 4): "<f4", ("F", 8): "<f8", **{(t, n): f"<{t.lower()}{n}" for t in "IU" for n in (1, 2, 4, 8)}}
_LONGEST_HEADER = 1 << 16
_NORMALS = (("normal_x", "normal_y", "normal_z"), ("nx", "ny", "nz"))


def read_pcd(name: str, data: bytes, *, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Points (N, 3) and normals (N, 3) of a pcd file, text, binary or compressed; None if it has no normals.

    Fields other than x, y, z and normals are not used, and the viewpoint is not applied. In an organized cloud (more
    than one row), points without a measurement are NaN; they are left out.

    Args:
        name: Name of the file.
        data: Content of the file.
        most: Largest number of points.

    Raises:
        DataError: The header is damaged or does not agree with the content.

    Example:
        >>> read_pcd("scan.pcd", Path("scan.pcd").read_bytes(), most=10**6)[0].shape
        (20000, 3)
    """
    header, body = _header(name, data)
    fields, kind, count, rows = _layout(name, header, most=most)
    stride = fields.itemsize
    if kind == "ascii":
        values = _text(name, body, fields, count)
    else:
        if kind == "binary_compressed":
            body = _unpacked(name, body, count * stride)
        if len(body) < count * stride or body[count * stride :].strip(b"\0\r\n"):
            raise DataError(f"{name} states {count} points of {stride} bytes and has {len(body)} bytes; is it cut "
                            "short? Copy it again")  # fmt: skip
        if kind == "binary":
            whole = np.frombuffer(body, fields, count)
            values = {key: whole[key].reshape(count, -1) for key in fields.names or ()}
        else:
            values = _by_field(body, fields, count)
    points = _three(values, ("x", "y", "z"))
    if points is None:
        raise DataError(f"{name} has fields {' '.join(fields.names or ())}; expected x, y and z, of one number each")
    normals = next((found for keys in _NORMALS if (found := _three(values, keys)) is not None), None)
    if rows > 1:
        measured = ~np.isnan(points).any(axis=1)
        points, normals = points[measured], None if normals is None else normals[measured]
    return points, normals


def _header(name: str, data: bytes) -> tuple[dict[str, list[str]], bytes]:
    header: dict[str, list[str]] = {}
    start = 0
    while "DATA" not in header:
        end = data.find(b"\n", start, _LONGEST_HEADER)
        if end < 0:
            raise DataError(f"{name} has no pcd header that ends in DATA; expected a file of the Point Cloud Library")
        words = data[start:end].split(b"#")[0].decode("latin-1").split()
        start = end + 1
        if words:
            key = {"COLUMNS": "FIELDS"}.get(words[0].upper(), words[0].upper())
            if key in header:
                raise DataError(f"{name} states {key} twice; the header is damaged")
            header[key] = words[1:]
    return header, data[start:]


def _layout(name: str, header: dict[str, list[str]], *, most: int) -> tuple[np.dtype, str, int, int]:
    """Type of a point, kind of content, number of points and number of rows."""
    try:
        keys, types, sizes = header["FIELDS"], header["TYPE"], [int(n) for n in header["SIZE"]]
        counts = [int(n) for n in header.get("COUNT", ["1"] * len(keys))]
        width, height = int(header["WIDTH"][0]), int(header.get("HEIGHT", ["1"])[0])
        points = int(header["POINTS"][0]) if "POINTS" in header else width * height
        kind = header["DATA"][0].lower()
        named = [key if key != "_" else f"_{i}" for i, key in enumerate(keys)]  # padding
        fields = np.dtype([(k, _TYPES[t.upper(), s], (n,))
                           for k, t, s, n in zip(named, types, sizes, counts, strict=True)])  # fmt: skip
    except (KeyError, IndexError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{name} has a damaged pcd header ({type(error).__name__}: {error}); export it again"
        ) from error
    if kind not in ("ascii", "binary", "binary_compressed"):
        raise DataError(f"{name} has content of kind {kind}; expected ascii, binary or binary_compressed")
    if points < 0 or width * height != points or min(counts) < 1:
        raise DataError(f"{name} states {width} x {height} and {points} points; the header is damaged")
    if points > most:
        raise DataError(f"{name} has {points} points; expected at most {most}. Subsample it")
    return fields, kind, points, height


def _text(name: str, body: bytes, fields: np.dtype, count: int) -> dict[str, np.ndarray]:
    try:
        table = np.loadtxt(io.StringIO(body.decode("latin-1")), dtype=np.float64, ndmin=2) if body.strip() else None
    except ValueError as error:
        raise DataError(f"{name} cannot be read as points ({error}); expected numbers as its header says") from error
    widths = [(fields[key].shape or (1,))[0] for key in fields.names or ()]
    got = (0, sum(widths)) if table is None else table.shape
    if table is None or got != (count, sum(widths)):
        raise DataError(f"{name} states {count} points of {sum(widths)} numbers and has {got[0]} of {got[1]}; is it "
                        "cut short? Copy it again")  # fmt: skip
    return dict(zip(fields.names or (), np.split(table, np.cumsum(widths)[:-1], axis=1), strict=True))


def _by_field(body: bytes, fields: np.dtype, count: int) -> dict[str, np.ndarray]:
    """Arrays of a compressed file, which stores one field after the other."""
    values, start = {}, 0
    for key in fields.names or ():
        width = (fields[key].shape or (1,))[0]
        values[key] = np.frombuffer(body, fields[key].base, count * width, start).reshape(count, width)
        start += values[key].nbytes
    return values


def _three(values: dict[str, np.ndarray], keys: tuple[str, str, str]) -> np.ndarray | None:
    found = [values.get(key) for key in keys]
    if any(x is None or x.shape[1] != 1 for x in found):
        return None
    return np.concatenate([np.asarray(x, np.float64) for x in found], axis=1)


def _unpacked(name: str, body: bytes, expected: int) -> bytes:
    """Content of a compressed file: two sizes and a block of LZF (Lehmann, liblzf), checked byte by byte."""
    packed, size = struct.unpack_from("<II", body) if len(body) >= 8 else (0, -1)
    if size != expected or len(body) < 8 + packed or body[8 + packed :].strip(b"\0\r\n"):
        raise DataError(f"{name} states {expected} bytes of points, and a block of {packed} bytes for {size}, in "
                        f"{len(body)} bytes; is it cut short? Copy it again")  # fmt: skip
    out, i, end = bytearray(), 8, 8 + packed
    try:
        while i < end and len(out) <= size:
            control = body[i]
            i += 1
            if control < 32:  # that many bytes as they are
                out += body[i : i + control + 1]
                i += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += body[i]
                i += 1
            start = len(out) - ((control & 31) << 8) - body[i] - 1
            i += 1
            if start < 0:
                raise IndexError(start)
            length += 2
            # A copy may overlap what it writes: the piece is repeated.
            piece = out[start : start + length]
            out += (piece * (length // len(piece) + 1))[:length]
    except IndexError:
        i = -1
    if i != end or len(out) != size:
        raise DataError(f"{name} has a damaged compressed block; copy it again")
    return bytes(out)
