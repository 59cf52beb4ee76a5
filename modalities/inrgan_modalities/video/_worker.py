"""Reader of videos in a separate process, which isolates libraries that stall, crash or leak memory.

It runs as a script and imports nothing of inrgan, nor do its parts (``_video_index``, ``_video_frames``,
``_video_decoding``, ``_still_images``). Each line of the standard input is one JSON request. The answer on the standard
output is one JSON line, followed by the number of bytes that it states. The answer to a bad file is ``{"error": ...}``.
The first line reports that the process is ready.
"""

import json
import os
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Answer requests until the input ends."""
    sys.path.insert(0, str(Path(__file__).parent))  # which python -P leaves out
    from _still_images import animation_index, folder_index
    from _video_frames import frames
    from _video_index import video_index

    source = sys.stdin.buffer
    # Output of libraries must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    readers: OrderedDict[str, Any] = OrderedDict()
    answers.write(b"ready\n")
    answers.flush()
    for line in source:
        request = json.loads(line)
        path, payload = request["path"], b""
        try:
            if request["op"] == "frames":
                read, by = frames(request, readers)
                payload = np.ascontiguousarray(read).tobytes()
                header = {"shape": list(read.shape), "by": by}
            elif request["files"]:
                header = folder_index(request["files"])
            else:
                header = animation_index(path) if path.lower().endswith(".webp") else video_index(path)
        except Exception as error:  # libraries raise all kinds of errors for a damaged file
            header = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:400]}
        answers.write(json.dumps({**header, "bytes": len(payload)}).encode() + b"\n" + payload)
        answers.flush()


if __name__ == "__main__":
    main()
