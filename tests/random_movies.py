"""Movies made at random are read as they are: count, order, times, and pictures of each.

    make random-movies                         1000 movies, a new seed
    make random-movies N=5000 SEED=7           more, the same ones again
    make random-movies SEED=7 ONLY=123         one of them

A movie is drawn over container × codec × frame pattern × damage; see
`tests.support.random_kinds`. It is compared with ffprobe's packets where ffprobe is
installed (else with PyAV's), with what was drawn into it, and with OpenCV's pictures where OpenCV
is right.
"""

import argparse
import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import av
import numpy as np

from tasks.errors import BadInput
from tasks.pose.movies.frame_ledger import create_ledger, lost_frame_warnings
from tasks.pose.movies.reader import open_movie, probe_movie
from tasks.pose.movies.timing import Timing
from tests.support.independent_reading import as_key, read_with_opencv
from tests.support.random_kinds import draw_kind, read_number
from tests.support.random_movies import (
    ListedFrame,
    RandomMovie,
    UnwrittenError,
    make_movie,
)

ROUNDED_SECONDS = 1.001e-3
"""Seconds that a time may be off by where times are even but for a clock's rounding."""


def check_random_movie(seed: str, *, ffprobe: bool) -> str:
    """Make one movie and compare what is read of it.

    Returns:
        The kind of movie, in words.

    Raises:
        AssertionError: Something differs.
    """
    kind = draw_kind(random.Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        try:
            movie = make_movie(kind, Path(folder), ffprobe=ffprobe)
        except (av.FFmpegError, UnwrittenError):
            return "what FFmpeg does not write"
        try:
            pictures = _check_whole(movie)
            if movie.path != movie.whole:
                _check_damaged(movie, pictures)
        except Exception as error:
            error.add_note(f"{kind}")
            raise
    return f"{kind.container} {kind.damage}"


def _check_whole(movie: RandomMovie) -> dict[bytes, int]:
    """Check a movie without damage; the number of each picture."""
    info = probe_movie(movie.whole)
    reader = open_movie(movie.whole)
    frames = list(reader)
    timing = reader.compute_timing()
    wanted = [frame for frame in movie.listed if frame.number is not None]
    # OpenCV's pictures, below, show by how much they are turned.
    turns = range(4 if movie.kind.degrees else 1)
    read = [[read_number(np.rot90(frame, turn)) for frame in frames] for turn in turns]
    numbers = [frame.number for frame in wanted]
    assert numbers in read, f"order: {read}"
    theirs = list(read_with_opencv(movie.whole))
    assert len(theirs) == len(frames), "OpenCV counts otherwise"
    different = [
        i for i, (a, b) in enumerate(zip(frames, theirs, strict=True)) if as_key(a) != as_key(b)
    ]
    assert not different, f"pictures differ from OpenCV's: {different}"
    assert {frame.shape for frame in frames} == {(info.height, info.width, 3)}
    _check_times(timing, wanted, list(range(len(wanted))))
    _check_ledger(movie.listed, info.declared_frames, timing, len(frames))
    assert (reader.errors, timing.warnings) == ([], ())
    assert lost_frame_warnings(info.declared_frames, timing) == []
    return {as_key(f): n for f, n in zip(frames, numbers, strict=True) if n is not None}


def _check_damaged(movie: RandomMovie, pictures: dict[bytes, int]) -> None:
    left = [frame for frame in movie.left if frame.number is not None]
    intact = {frame.number for frame in left if frame.is_intact}
    try:
        info = probe_movie(movie.path)
        reader = open_movie(movie.path)
        frames = list(reader)
    except BadInput as refusal:
        if intact:
            raise AssertionError(f"refused, but {len(intact)} frames are intact") from refusal
        return
    timing = reader.compute_timing()
    found = [pictures.get(as_key(frame)) for frame in frames]
    missing = intact - set(found)
    assert not missing, f"frames that are intact are lost: {sorted(map(str, missing))}"
    if len(set(pictures.values())) == len(pictures) and movie.stored_times:
        places = {frame.number: place for place, frame in enumerate(left)}
        # What a decoder conceals may be the picture before once more.
        known = [(i, places[n]) for i, n in enumerate(found) if n in intact and found.count(n) == 1]
        assert known == sorted(known), "order"
        _check_times(timing, left, [place for _, place in known], [i for i, _ in known])
    _check_ledger(movie.left, info.declared_frames, timing, len(frames), movie.stored_times)
    if len(frames) < len(left):
        assert create_ledger(info.declared_frames, timing).list_disagreements()


def _check_times(
    timing: Timing, wanted: list[ListedFrame], places: list[int], indices: list[int] | None = None
) -> None:
    assert (np.diff(timing.seconds) > 0).all(), "times do not rise"
    true = np.array([float(wanted[place].seconds) for place in places])
    seconds = timing.seconds if indices is None else timing.seconds[indices]
    tolerance = ROUNDED_SECONDS if timing.constant else 1e-6
    assert len(seconds) == len(true), "count"
    np.testing.assert_allclose(seconds, true, atol=tolerance, rtol=0, err_msg="times")


def _check_ledger(
    listed: list[ListedFrame],
    declared: int | None,
    timing: Timing,
    decoded: int,
    stored: bool = True,
) -> None:
    ledger = create_ledger(declared, timing)
    assert ledger.declared in {len(listed), None}, f"{ledger.declared} declared, {len(listed)} are"
    dropped = [n for first, last in ledger.dropped for n in range(first, last + 1)]
    true = [place for place, frame in enumerate(listed) if frame.number is None]
    assert len(dropped) == len(true), f"dropped: {dropped}, truly {true}"
    if stored:
        assert dropped == true, "dropped"
    # Of a frame without those that it refers to, a decoder may make two.
    assert ledger.lost_frame_count == max(0, len(listed) - len(true) - decoded), "lost"


def main() -> int:
    """Check as many movies as were asked for; the number of those that differ, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--movies", type=int, default=1000)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(10**9)))
    parser.add_argument("--only", type=int, help="check this one alone")
    options = parser.parse_args()
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    print(f"seed {options.seed}", flush=True)
    numbers = range(options.movies) if options.only is None else [options.only]
    seen: Counter[str] = Counter()
    wrong = 0
    for number in numbers:
        try:
            seen[check_random_movie(f"{options.seed}:{number}", ffprobe=True)] += 1
        except Exception:  # noqa: BLE001 - any is an answer about this movie alone
            wrong += 1
            print(f"--- {number}")
            traceback.print_exc(limit=-3)
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(seen.items())))
    print(f"{len(numbers)} movies, {wrong} wrong")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
