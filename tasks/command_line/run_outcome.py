"""How a command's run ended, as one JSON object for programs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.pose.results.file_names import LABELED_MOVIE_FILE, REPORT_FILE, RUN_RECORD_FILE
from tasks.pose.results.run_record import MAX_RECORD_BYTES, MovieRecord, RunRecord
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore

OutcomeStatus = Literal["complete", "partial", "failed", "refused"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DeliveredMovie(_Part):
    """One movie of a run."""

    name: str = Field(description="Its folder below the output location.")
    location: str = Field(description="The movie.")
    verdict: Literal["pass", "look", "fail", "failed"] = Field(
        description="On its poses; failed: it has none."
    )
    reasons: tuple[str, ...] = Field(
        default=(), description="Why it is not a pass, or why it has no poses."
    )
    frames: int | None = Field(default=None, description="Frames with poses.")
    labeled_movie: str | None = Field(default=None, description="Location of its labeled movie.")


class RunOutcome(_Part):
    """The outcome of ``python -m flows run``, as ``--json`` prints it."""

    status: OutcomeStatus = Field(
        description="complete: every movie was delivered; partial: some were; failed: none was, or "
        "the run failed; refused: bad input, before anything was delivered."
    )
    exit_status: int = Field(description="The command's.")
    message: str = Field(description="How it ended, in a sentence.")
    record: str | None = Field(
        default=None, description="Location of `run.json`; null where there is none."
    )
    report: str | None = Field(default=None, description="Location of the report.")
    log: str | None = Field(default=None, description="File with the whole log, on this machine.")
    movies: tuple[DeliveredMovie, ...] = Field(default=(), description="In the request's order.")
    warnings: tuple[str, ...] = Field(default=(), description="Worth knowing, one sentence each.")
    bottleneck: str | None = Field(
        default=None, description="What bound the run, and what would help most."
    )

    def to_json(self) -> str:
        """Render as one JSON object, for programs."""
        return self.model_dump_json(indent=2) + "\n"


def describe_refusal(message: str, exit_status: int, *, is_refused: bool) -> RunOutcome:
    """Describe a run that delivered nothing.

    Args:
        message: Why.
        exit_status: The command's exit status.
        is_refused: Whether that was bad input.
    """
    status: OutcomeStatus = "refused" if is_refused else "failed"
    return RunOutcome(status=status, exit_status=exit_status, message=message)


def read_outcome(
    store: ObjectStore, output: Location, message: str, exit_status: int, log: str | None
) -> RunOutcome:
    """Read the outcome of a run from its record.

    Args:
        store: Where the record is.
        output: The run's output location.
        message: How it ended.
        exit_status: The command's exit status.
        log: The file with its log.

    Raises:
        PoseError: The record cannot be read.
    """
    where = output.child(RUN_RECORD_FILE)
    record = RunRecord.model_validate_json(store.read(where, MAX_RECORD_BYTES))
    report = record.outputs.get(REPORT_FILE)
    return RunOutcome(
        status=record.status.value,
        exit_status=exit_status,
        message=message,
        record=str(where),
        report=report and report.location,
        log=log,
        movies=tuple(map(_describe_movie, record.movies)),
        warnings=record.warnings,
        bottleneck=record.bottleneck and record.bottleneck.sentence,
    )


def _describe_movie(movie: MovieRecord) -> DeliveredMovie:
    labeled = movie.outputs.get(LABELED_MOVIE_FILE)
    reasons = movie.quality.reasons if movie.quality else filter(None, [movie.error])
    return DeliveredMovie(
        name=movie.name,
        location=movie.input.location,
        verdict=movie.quality.verdict.value if movie.quality else "failed",
        reasons=tuple(reasons),
        frames=movie.frames and movie.frames.poses,
        labeled_movie=labeled and labeled.location,
    )
