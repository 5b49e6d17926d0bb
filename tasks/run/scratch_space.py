"""Check that a run fits its scratch folder, before it begins and for each movie.

What is not known yet is estimated from what was measured on real movies; a disk that becomes full
all the same is told as such by the stage that finds out.
"""

import shutil
from pathlib import Path

from tasks.errors import Retriable
from tasks.full_disk import FULL_DISK_REMEDY, count_free_bytes, full_disk_error
from tasks.pose.movies.info import MovieInfo
from tasks.run_data import ResolvedRequest
from tasks.stages.stage import stage

LABELED_SIZE_RATIO = 2.0
"""Size of a labeled movie against its original: 0.8 to 1.6 on real H.264 movies."""

LABELED_BYTES_PER_PIXEL = 0.06
"""Bytes of a labeled movie for each pixel of each frame: 0.01 at rest, 0.055 in noise."""

KEPT_SIZE_RATIO = 0.05
"""Share of a movie's size that its poses and previews take until the run's end."""

POSES_BYTES_PER_FRAME = 1_500
"""Bytes of a frame's poses, filtered poses and annotations, for some twenty body parts."""


@stage("Check scratch room", "check scratch room")
def check_scratch_space(request: ResolvedRequest, scratch: Path, at_once: int) -> tuple[None, str]:
    """Refuse a request that does not fit the scratch disk, before anything is fetched.

    Args:
        request: The request.
        scratch: Its scratch folder.
        at_once: How many movies lie there at the same time.
    """
    needed = estimate_scratch_bytes(request, at_once)
    if missing := describe_missing_space(request, scratch.parent, at_once):
        raise _describe_shortage(missing, needed, scratch.parent)
    return None, f"about {needed:,} bytes needed, {count_free_bytes(scratch):,} free"


def describe_missing_space(request: ResolvedRequest, folder: Path, at_once: int) -> str | None:
    """Describe by how much a request does not fit the disk for scratch folders.

    Args:
        request: The request.
        folder: The folder that they are made in.
        at_once: How many movies lie there at the same time.

    Returns:
        A sentence; None where it fits.
    """
    needed, free = estimate_scratch_bytes(request, at_once), count_free_bytes(folder)
    if needed <= free:
        return None
    count = min(at_once, len(request.movies))
    movies = f"the {count} largest movies" if count > 1 else "one movie"
    return (
        f"about {needed:,} bytes of scratch are needed for the model, "
        f"{movies} at a time and the results, and {free:,} are free in "
        f"{folder}; {FULL_DISK_REMEDY}"
    )


def estimate_scratch_bytes(request: ResolvedRequest, at_once: int) -> int:
    """Estimate the most that a request holds in its scratch folder at a time.

    Local files are read where they are. An archive is unpacked beside itself, and weights hardly
    shrink when they are packed.

    Args:
        request: The request.
        at_once: How many movies lie there at the same time.

    Returns:
        Bytes.
    """
    model = request.model.size * (1 + (not request.model.location.is_local))
    movies = sorted(
        movie.info.size * ((not movie.info.location.is_local) + LABELED_SIZE_RATIO)
        for movie in request.movies
    )
    kept = KEPT_SIZE_RATIO * sum(movie.info.size for movie in request.movies)
    largest = sum(movies[-at_once:]) if at_once else 0
    return round(model + largest + kept)


def check_output_space(name: str, source: Path, info: MovieInfo, scratch: Path) -> None:
    """Refuse a movie whose results do not fit the scratch disk, before it is on the GPU.

    Args:
        name: What the movie is called in messages.
        source: The movie.
        info: Its shape and length.
        scratch: Where its results go.

    Raises:
        Retriable: There is no room for them.
    """
    frames, pixels = info.declared_frames or 0, info.width * info.height
    needed = estimate_output_bytes(source.stat().st_size, frames, pixels)
    free = count_free_bytes(scratch)
    if needed > free:
        text = (
            f"about {needed:,} bytes of scratch are needed for the labeled movie and the poses of "
            f"{name}, and {free:,} are free in {scratch}; {FULL_DISK_REMEDY}"
        )
        raise _describe_shortage(text, needed, scratch)


def _describe_shortage(text: str, needed: int, scratch: Path) -> Retriable:
    """Describe too little room: where the disk is large enough, it may have room later."""
    is_large_enough = needed <= shutil.disk_usage(scratch).total
    return full_disk_error(text, scratch) if is_large_enough else Retriable(text)


def estimate_output_bytes(size: int, frames: int, pixels: int) -> int:
    """Estimate what a movie's results take, in bytes.

    Args:
        size: The movie's bytes.
        frames: The number of its frames; 0 where that is not known.
        pixels: Pixels of a frame.
    """
    labeled = (
        min(LABELED_SIZE_RATIO * size, LABELED_BYTES_PER_PIXEL * frames * pixels)
        if frames
        else LABELED_SIZE_RATIO * size
    )
    return round(labeled + POSES_BYTES_PER_FRAME * frames)
