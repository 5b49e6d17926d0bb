"""A run to come, as far as its time goes: its movies, its model and its machine."""

from dataclasses import dataclass, field

from tasks.pose.speed.run_seconds import RunLayout


@dataclass(frozen=True)
class Machine:
    """The machine that a run will be on.

    Attributes:
        host: Its name.
        cpus: Processors that the run may use.
        has_gpu: Whether the network will run on a GPU; None where that is not known.
        lost: Share of the processors' time, 0 to 1, that other programs have now, where a run
            would want all of it.
    """

    host: str
    cpus: int
    has_gpu: bool | None = None
    lost: float = 0.0


@dataclass(frozen=True)
class PlannedMovie:
    """One movie of a run to come.

    Attributes:
        frames: Its frames.
        known: Frames among them whose poses an interrupted run has left.
        pixels: Pixels of a frame.
        network_pixels: Pixels of what goes to the network.
        size: Bytes of the movie.
        is_fetched: Whether any stage reads it.
        is_estimated: Whether the network runs on it.
        is_drawn: Whether its labeled movie is made.
        is_published: Whether anything of it is published.
    """

    frames: int
    pixels: int
    network_pixels: int
    size: int
    known: int = 0
    is_fetched: bool = True
    is_estimated: bool = True
    is_drawn: bool = True
    is_published: bool = True


@dataclass(frozen=True)
class PlannedRun:
    """A run to come.

    Attributes:
        movies: Its movies.
        model: Digest of the network's weights.
        precision: Precision of the network's arithmetic.
        follow: Whether a window that follows goes to the network.
        is_fetched: Whether movies come from a store and not from a folder.
        is_sent: Whether results go to a store.
        starts_process: Whether it is a command, whose programs and libraries have to be loaded.
        layout: What its movies share.
    """

    movies: tuple[PlannedMovie, ...]
    model: str
    precision: str
    follow: str = "off"
    is_fetched: bool = False
    is_sent: bool = False
    starts_process: bool = True
    layout: RunLayout = field(default_factory=RunLayout)
