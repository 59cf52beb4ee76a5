"""How many faces a file says that it has, before it is read."""

import contextlib
import json
import re
import struct

_HEADER = 1 << 16


def stated_faces(kind: str, data: bytes) -> int:
    """The number of faces that a mesh file states, or has as many lines of; 0 where it does not say.

    Reading ten million faces takes minutes and gigabytes, and this takes milliseconds.

    Args:
        kind: the suffix without its dot.
        data: the file; it may be damaged.

    Example:
        >>> stated_faces("off", b"OFF 8 12 0")
        12
    """
    readers = {"stl": _stl, "ply": _ply, "off": _off, "glb": _glb, "obj": _obj}
    with contextlib.suppress(Exception):  # what is damaged is said when it is read
        return readers[kind](data)
    return 0


def _stl(data: bytes) -> int:
    (count,) = struct.unpack_from("<I", data, 80)
    return count if len(data) >= 84 + 50 * count else data.count(b"endfacet")


def _ply(data: bytes) -> int:
    found = re.search(rb"\nelement face (\d+)", data[:_HEADER])
    return int(found[1]) if found else 0


def _off(data: bytes) -> int:
    lines = (line.split(b"#")[0] for line in data[:_HEADER].splitlines())
    words = b" ".join(lines).split()
    numbers = words[1:] if words[0].upper().endswith(b"OFF") else words
    return int(numbers[1])


def _glb(data: bytes) -> int:
    (length,) = struct.unpack_from("<I", data, 12)
    tree = json.loads(data[20 : 20 + length])
    counts = [a["count"] for a in tree["accessors"]]
    parts = [p for mesh in tree["meshes"] for p in mesh["primitives"]]
    return sum(counts[p.get("indices", p["attributes"]["POSITION"])] // 3 for p in parts)


def _obj(data: bytes) -> int:
    return data.count(b"\nf ")
