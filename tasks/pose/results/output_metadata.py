"""`output_metadata.json`: the metadata that the IDEAS tool attaches to its outputs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from tasks.pose.model.description import Model


@dataclass(frozen=True)
class LabeledMovieMetadata:
    """Metadata of one labeled movie.

    Attributes:
        width: Columns in pixels.
        height: Rows in pixels.
        frames: Number of frames.
        frame_rate: Frames per second.
    """

    width: int
    height: int
    frames: int
    frame_rate: Fraction


def render_output_metadata(model: Model, movies: Sequence[LabeledMovieMetadata]) -> str:
    """Render the metadata of all outputs.

    Args:
        model: The model that ran.
        movies: The labeled movies, in the request's order.

    Returns:
        JSON text, indented by 4, with the keys of the IDEAS tool.
    """
    dlc = {"dlc": _describe_model(model)}
    outputs: dict[str, Any] = {f"dlc_pose_estimates.{i}": dlc for i in range(len(movies))}
    outputs["dlc_annotations"] = dlc
    for index, movie in enumerate(movies):
        outputs[f"dlc_labeled_movie.{index}"] = _describe_movie(movie) | dlc
    return json.dumps(outputs, indent=4)


def _describe_model(model: Model) -> dict[str, Any]:
    return {
        "task": model.task,
        "scorer": model.experimenter,
        "date": model.date,
        "multi_animal_project": model.multi_animal,
        "model_neural_net_type": model.net_type,
        "body_parts": ",".join(model.all_body_parts),
        "snapshot": snapshot_number(model.snapshot),
    }


def snapshot_number(name: str) -> int | str:
    """The number of training steps in a snapshot's name, or what stands there instead.

    >>> snapshot_number("snapshot-200.pt"), snapshot_number("snapshot-best-030.pt")
    (200, 'best-030')
    """
    text = PurePath(name).stem.removeprefix("snapshot-")
    return int(text) if text.isdecimal() else text


def _describe_movie(movie: LabeledMovieMetadata) -> dict[str, Any]:
    return {
        "spacingInfo": {"numPixels": {"x": movie.width, "y": movie.height}},
        "timingInfo": {
            "cropped": [],
            "dropped": [],
            "numTimes": movie.frames,
            "period": {"num": int(1_000_000 / movie.frame_rate), "den": 1_000_000},
            "sampling_rate": round(float(movie.frame_rate), 2),
        },
    }
