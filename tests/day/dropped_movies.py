"""Movies that a laboratory drops in a day, good and bad ones, and when."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MOVIE

BAD_SHARE = 1 / 20
"""Share of movies that no run can analyze; at least one of each kind."""

FEWEST_FRAMES, MOST_FRAMES = 6, 24
"""Frames of a movie: a day's work for a processor is not what is tried."""

BURST = 5
"""Movies that come at once, now and then: a rig that copies its morning's work."""

KINDS = ("empty", "text", "cut off")
"""Kinds of bad movies. Empty ones are refused by the inbox, the others by their run."""


@dataclass(frozen=True)
class DroppedMovie:
    """A movie that somebody drops.

    Attributes:
        name: Its stem.
        after: Seconds from the day's begin to its arrival.
        fault: What is wrong with it, of `KINDS`; empty where nothing is.
    """

    name: str
    after: float
    fault: str = ""

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return f"inbox/rig/{self.name}.mp4"

    @property
    def record_key(self) -> str:
        """The key of its run's record."""
        return f"results/inbox/rig/{self.name}/run.json"

    @property
    def has_run(self) -> bool:
        """Return whether a run is made for it."""
        return self.fault != "empty"


def plan_drops(count: int, seconds: float, draws: random.Random) -> list[DroppedMovie]:
    """Plan what is dropped when.

    Args:
        count: How many movies.
        seconds: Time within which they are dropped.
        draws: Where chance comes from.

    Returns:
        The movies, first to last; every tenth moment has a burst of them.
    """
    bad = min(count, max(len(KINDS), round(BAD_SHARE * count)))
    chosen = draws.sample(range(count), bad)
    faults = {number: KINDS[place % len(KINDS)] for place, number in enumerate(chosen)}
    moments = sorted(_draw_moments(count, seconds, draws))
    return [
        DroppedMovie(
            f"{'bad' if number in faults else 'movie'}-{number:03}", after, faults.get(number, "")
        )
        for number, after in enumerate(moments)
    ]


def _draw_moments(count: int, seconds: float, draws: random.Random) -> Iterator[float]:
    left = count
    while left:
        moment = draws.uniform(0, seconds)
        together = min(left, BURST if draws.random() < 1 / 10 else 1)
        yield from [moment] * together
        left -= together


def write_movies(folder: Path, movies: Sequence[DroppedMovie]) -> dict[str, Path]:
    """Write the files of movies.

    Args:
        folder: Where; it is made.
        movies: The movies.

    Returns:
        Each movie's file, by the movie's name; several have the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lengths = range(FEWEST_FRAMES, MOST_FRAMES + 1)
    whole = [cut_movie(DEMO_MOVIE, folder / f"{n}.mp4", n) for n in lengths]
    bad = {kind: folder / f"{kind.replace(' ', '-')}.mp4" for kind in KINDS}
    bad["empty"].touch()
    bad["text"].write_text("notes of the day\n" * 100, encoding="utf-8")
    content = whole[-1].read_bytes()
    bad["cut off"].write_bytes(content[: len(content) // 2])
    return {
        movie.name: bad[movie.fault] if movie.fault else whole[number % len(whole)]
        for number, movie in enumerate(movies)
    }
