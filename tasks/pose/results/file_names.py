"""Names of the files that a run publishes."""

RUN_RECORD_FILE = "run.json"
"""The record's published name."""

LABELED_MOVIE_FILE = "labeled.mp4"
POSES_FILE = "pose_estimates.h5"
RAW_POSES_FILE = "pose_estimates_raw.h5"
PREVIEW_FILES = ("histogram.svg", "likelihood.svg", "coordinates.svg", "trajectory.png")
"""Published names in a movie's folder."""


RUN_FILES = frozenset(
    {
        RUN_RECORD_FILE,
        "annotations.parquet",
        "annotations.csv",
        "report.html",
        "output_metadata.json",
    }
)
"""Names that a run publishes beside its movies' folders."""
