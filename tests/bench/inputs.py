"""Movies of any length and size, and models of any network, for those who have none at hand."""

import subprocess
import sys
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av

from tasks.pose.movies.reader import open_movie, probe_movie
from tests.support.paths import ROOT


def encode_clip(movie: Path, target: Path, frames: int, size: tuple[int, int] | None) -> Path:
    """Encode a movie again, for so many frames (again from its start, if it is shorter)."""
    info = probe_movie(movie)
    width, height = size or (info.width // 2 * 2, info.height // 2 * 2)
    held = max(1, _HELD_BYTES // (width * height * 3 // 2))
    scaled = [
        av.VideoFrame.from_ndarray(image, format="rgb24").reformat(width, height, "yuv420p")
        for image in islice(open_movie(movie), min(frames, held))
    ]
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(info.frame_rate))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index, frame in enumerate(islice(cycle(scaled), frames)):
            frame.pts, frame.time_base = index, 1 / Fraction(info.frame_rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


_HELD_BYTES = 400 << 20
"""Memory for different frames; a movie of more has them again."""


def make_network_model(network: str, target: Path) -> Path:
    """Make an archive of a network by DeepLabCut's name for it, with random weights."""
    program = (
        "import sys; from tests.bench.networks import make_network; make_network(*sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, network, str(target)]
    subprocess.run(command, check=True, cwd=ROOT)
    return target
