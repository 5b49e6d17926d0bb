"""Which part of a run each stage belongs to, by the stages' names in run records."""

from typing import Final, Literal

START_STAGE: Final = "Start"
"""From the start of a run's process until its flow began: no stage, but told beside them."""

ESTIMATE_STAGE: Final = "Estimate poses"
"""Name of the stage in which the network runs."""

MoviePart = Literal["fetch", "check", "drawing", "publish"]

MOVIE_PARTS: dict[str, MoviePart] = {
    "Look back": "fetch",
    "Fetch movie": "fetch",
    "Fetch times": "fetch",
    "Check movie": "check",
    "Match times": "drawing",
    "Filter poses": "drawing",
    "Judge quality": "drawing",
    "Draw previews": "drawing",
    "Label movie": "drawing",
    "Export poses": "drawing",
    "Keep poses": "publish",
    "Publish movie": "publish",
    "Keep results": "publish",
}
"""Parts of `tasks.pose.speed.run_seconds.MovieSeconds`; the estimation has its own account."""

START_STAGES = frozenset(
    {
        START_STAGE,
        "Resolve request",
        "Check scratch room",
        "Fetch model",
        "Check model",
        "Load model",
        "Withdraw old record",
    }
)
"""Stages of a run before its first movie."""

WAIT_STAGE: Final = "Lock output"
"""The stage that waits for other runs at the same output location."""

FIXED_STAGES = frozenset({"Look back", "Check movie", "Draw previews"})
"""Stages that take about the same for a movie of any length."""
