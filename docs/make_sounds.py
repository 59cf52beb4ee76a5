"""Write the audio clips of the page on audio: one of each built-in kind, one second long.

python docs/make_sounds.py
"""

from pathlib import Path

from inrgan import AudioModality

SOUNDS = Path(__file__).parent / "sounds"

if __name__ == "__main__":
    modality = AudioModality(resolution=16000, rate=16000)
    source = modality.source(None)
    view = modality.domain.grid((16000,))
    for number, name in enumerate(source.label_names):
        first = next(i for i in range(len(source)) if source.label(i) == number)
        modality.write(modality.observe([source[first]], view), SOUNDS / f"{name}.wav")
    modality.write(modality.observe([source[i] for i in range(8)], view), SOUNDS.parent / "images" / "sounds.png")
