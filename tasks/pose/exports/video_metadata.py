"""`…_meta.pickle`: what DeepLabCut's own calls read of a movie that was analyzed."""

import math
import pickle
from pathlib import Path
from typing import Any

from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.settings import CropCoordinates
from tasks.pose.untrusted.yaml_loader import load_mapping

_NETWORK_FILES = {
    "pytorch": ("pytorch-config", "dlc-models*/**/train/pytorch_config.yaml"),
    "tensorflow": ("DLC-model-config file", "dlc-models*/**/test/pose_cfg.yaml"),
}
"""By engine: the key of the network's configuration, and where that lies in a project."""


def write_video_metadata(target: Path, facts: MovieFacts, relative_to: CropCoordinates) -> None:
    """Write what ``analyze_videos`` of DeepLabCut 3.0.2 writes beside a movie's poses.

    Only strings, numbers, lists and dictionaries are in it, and neither a time nor a path of this
    machine, so that the same poses make the same bytes.

    Args:
        target: The pickle to write.
        facts: The movie.
        relative_to: What the coordinates in the H5 are relative to. Where that is the frame, the
            crop is not named as one: DeepLabCut's calls would add it to the coordinates again.
    """
    with target.open("wb") as file:
        pickle.dump(build_video_metadata(facts, relative_to), file, protocol=4)


def build_video_metadata(facts: MovieFacts, relative_to: CropCoordinates) -> dict[str, Any]:
    """Put together what DeepLabCut keeps of a movie; see `write_video_metadata`."""
    width, height = facts.frame_size
    cropped = facts.is_cropped and relative_to is CropCoordinates.CROP
    model = facts.model
    key, network = _read_network(facts)
    data = {
        # When the network ran is in run.json.
        "start": math.nan,
        "stop": math.nan,
        "run_duration": math.nan,
        "Scorer": facts.scorer,
        key: network,
        "fps": float(facts.timing.frame_rate),
        "batch_size": facts.batch_size,
        "frame_dimensions": (width, height),
        "nframes": facts.frames,
        "iteration (active-learning)": 0,
        "training set fraction": model.training_fraction,
        "cropping": cropped,
        "cropping_parameters": list(facts.edges) if cropped else [0, width, 0, height],
        "individuals": list(model.individuals),
        "bodyparts": list(model.body_parts),
        "unique_bodyparts": list(model.unique_body_parts),
    }
    return {"data": data}


def _read_network(facts: MovieFacts) -> tuple[str, dict[str, Any]]:
    """The network's configuration, without the folder of this machine that it was run in."""
    key, pattern = _NETWORK_FILES[facts.model.engine]
    path = next(iter(sorted(facts.project.glob(pattern))), None)
    if path is None:
        return key, {}
    text = path.read_text(encoding="utf-8").replace(str(facts.project), "")
    return key, load_mapping(text, path.name)
