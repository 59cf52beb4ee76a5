"""Files of a run directory as TensorBoard shows them."""

import struct
import wave
from pathlib import Path

from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[attr-defined]


def shown(path: Path, *, tag: str) -> Summary | None:
    """A picture (.png, .gif) or a sound (.wav of whole numbers) with its file's own bytes; None of any other file.

    Example:
        >>> shown(Path("fakes-00001.000.npy"), tag="fakes") is None
        True
    """
    suffix = path.suffix.lower()
    if suffix == ".wav":
        try:
            with wave.open(str(path), "rb") as file:
                sound = Summary.Audio(
                    sample_rate=file.getframerate(), num_channels=file.getnchannels(), length_frames=file.getnframes(),
                    encoded_audio_string=path.read_bytes(), content_type="audio/wav",
                )  # fmt: skip
        except wave.Error:  # a wav of floats: no reason to stop a training
            return None
        return Summary(value=[Summary.Value(tag=tag, audio=sound)])
    if suffix not in (".png", ".gif"):
        return None
    data = path.read_bytes()
    # Where the formats' heads hold the sizes.
    width, height = struct.unpack(">II", data[16:24]) if suffix == ".png" else struct.unpack("<HH", data[6:10])
    picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
    return Summary(value=[Summary.Value(tag=tag, image=picture)])
