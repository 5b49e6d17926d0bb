"""Names of the files that a run publishes."""

RUN_RECORD = "run.json"
"""The record's published name."""

LABELED = "labeled.mp4"
POSES = "pose_estimates.h5"
RAW = "pose_estimates_raw.h5"
PREVIEWS = ("histogram.svg", "likelihood.svg", "coordinates.svg", "trajectory.png")
"""Published names in a movie's folder."""


RUN_FILES = frozenset(
    {
        RUN_RECORD,
        "annotations.parquet",
        "annotations.csv",
        "report.html",
        "output_metadata.json",
    }
)
"""Names that a run publishes beside its movies' folders."""
