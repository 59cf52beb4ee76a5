"""ICC profiles made from their definition: three primaries and a power law, or a power law of gray."""

import struct

import numpy as np

# Columns: XYZ (D50) of red, green and blue.
P3 = np.array([[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]])


def fixed(x):
    return struct.pack(">i", round(x * 65536))


def xyz(v):
    return b"XYZ \0\0\0\0" + b"".join(map(fixed, v))


def profile(primaries=None, *, gamma=2.2, name=b"wide"):
    """A profile of RGB with these primaries, or of gray where there are none."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + b"\0" * 79,
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
    }
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        tags |= {k: xyz(v) for k, v in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for key, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += key + struct.pack(">II", offset + len(body), len(value))
        body += value
    header = bytearray(128)
    header[0:4] = struct.pack(">I", offset + len(body))
    header[8:12] = bytes([2, 0x40, 0, 0])
    header[12:24] = b"mntr" + (b"GRAY" if primaries is None else b"RGB ") + b"XYZ "
    header[36:40] = b"acsp"
    header[68:80] = b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


def encoded(linear):
    """sRGB of linear light, from 0 to 255 (IEC 61966-2-1)."""
    x = np.clip(linear, 0, 1)
    return 255 * np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def shown(rgb, primaries, *, gamma=2.2):
    """sRGB of stored values (..., 3) in a profile, by its definition."""
    light = (np.asarray(rgb) / 255) ** gamma
    return encoded(light @ primaries.T @ np.linalg.inv(SRGB).T)
