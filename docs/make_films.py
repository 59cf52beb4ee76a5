"""Draw the built-in videos of the page on video.

python docs/make_films.py
"""

from pathlib import Path

from inrgan import VideoModality

if __name__ == "__main__":
    modality = VideoModality(resolution=64, frames=32, fps=16)
    source = modality.source(None)
    kinds = range(len(source.label_names))
    chosen = [[i for i in range(len(source)) if source.label(i) == kind][:2] for kind in kinds]
    view = modality.domain.grid(modality.domain.shape(64))
    videos = modality.observe([source[i] for pair in chosen for i in pair], view)
    modality.write(videos, Path(__file__).parent / "images" / "films.png")
