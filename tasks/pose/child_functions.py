"""The functions that the child processes of a run execute, for all stages that call one.

The estimator holds the model: one movie at a time has the device. Finishers do the rest beside it.
Each function takes and returns what can be pickled; one with an argument ``progress`` reports how
far it is.
"""

from tasks.pose.clock.read_clock import read_clock
from tasks.pose.estimate import estimate_movie, preload_model
from tasks.pose.exports.write_exports import write_exports
from tasks.pose.finishing import assess_pose_file, draw_preview_files, label_movie_file
from tasks.pose.movie_inspection.needed_parts import find_needed_parts
from tasks.pose.movies.reader import probe_movie
from tasks.pose.tables.annotations import write_annotations
from tasks.pose.tables.median_filter import filter_pose_file

__all__ = [  # noqa: RUF022 - by the kind of child
    # The estimator's.
    "preload_model",
    "estimate_movie",
    # The finishers'.
    "find_needed_parts",
    "probe_movie",
    "read_clock",
    "filter_pose_file",
    "assess_pose_file",
    "draw_preview_files",
    "label_movie_file",
    "write_exports",
    "write_annotations",
]
