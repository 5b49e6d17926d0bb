"""An NWB file of a movie's poses, by pynwb and ndx-pose (0.4)."""

from datetime import UTC, datetime, timedelta
from importlib import metadata as packages
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.clock import listed_times
from tasks.pose.exports.full_frame_points import PointGroup, split_points
from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.exports.nwb_metadata import NwbMetadata

_CONFIDENCE = (
    "Likelihood that DeepLabCut's network gives the point, 0 to 1: the value of its score map "
    "there. It is that of the frame itself, also where coordinates are median-filtered; NaN where "
    "the point was not found."
)
_REFERENCE_FRAME = "The center of the top left pixel of the whole movie frame; x right, y down."

_TIME_DECIMALS = 9
"""Digits of a second to which times are even; nwbinspector compares as many."""


def write_nwb_file(
    target: Path, poses: pd.DataFrame, facts: MovieFacts, metadata: NwbMetadata, window_length: int
) -> None:
    """Write a movie's poses as NWB.

    Coordinates are pixels of the whole frame. Times are seconds since the session's start: by the
    recorder's counter where there is one, and uneven where frames were. Each animal is a
    ``PoseEstimation`` with its skeleton; body parts unique to the arena have a separate one.

    Args:
        target: The file to write.
        poses: The poses that are delivered, relative to the crop.
        facts: The movie.
        metadata: What the lab says of it.
        window_length: Frames that the poses were median-filtered over; 0 or 1 where they were not.
    """
    from ndx_pose import Skeletons  # noqa: PLC0415 - optional, and takes seconds
    from pynwb import NWBHDF5IO  # noqa: PLC0415

    start, first = _find_start(facts, metadata)
    file = _build_file(facts, metadata, start)
    module = file.create_processing_module(
        name="behavior", description="Poses of the animals in the movie, by DeepLabCut."
    )
    animals, arena = split_points(poses, facts.crop_offset, facts.model.individuals[0])
    groups = [
        (_name_animal(animals, index), animals, index) for index in range(len(animals.owners))
    ]
    if arena:
        groups.append(("PoseEstimationArena", arena, 0))
    times = _describe_times(facts, first)
    built = [_build_poses(*group, facts, times, file.subject, window_length) for group in groups]
    module.add(data_interfaces=Skeletons(skeletons=[estimation.skeleton for estimation in built]))
    for estimation in built:
        module.add(data_interfaces=estimation)
    with NWBHDF5IO(path=target, mode="w") as io:
        io.write(container=file)


def _find_start(facts: MovieFacts, metadata: NwbMetadata) -> tuple[datetime, float]:
    """Find the session's start, and the seconds from then to the movie's first frame."""
    given = metadata.movies.get(facts.file_name)
    recording = facts.timing.recording
    if recording and not (given and given.session_start_time):
        seconds = float(recording.positions[0] / facts.timing.frame_rate)
        microseconds = round(recording.start * 1_000_000)
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds), seconds
    start = metadata.start_of(facts.file_name, None)
    assert start is not None
    return start, _find_first_time(facts, start)


def _find_first_time(facts: MovieFacts, start: datetime) -> float:
    """Seconds from the session's start to the first frame, by the experiment's clock.

    A clock that counts from 1970 or from midnight is compared with the session's start; where that
    is another day's, and without a clock, the session starts with the movie. Any other clock is
    the session's.
    """
    clock = facts.complete_clock
    if clock is None:
        return 0.0
    first, wall = float(clock.seconds[0]), start.replace(tzinfo=UTC).timestamp()
    match clock.record.clock_name:
        case listed_times.EPOCH_ORIGIN:
            first -= start.timestamp()
        case listed_times.LOCAL_ORIGIN:
            first -= wall  # a clock on the wall, as the session's start has it
        case listed_times.MIDNIGHT_ORIGIN:
            first = (first - wall) % _SECONDS_PER_DAY
            return first if first < _SECONDS_PER_DAY / 2 else 0.0
        case _:
            return first
    return first if 0 <= first < _SECONDS_PER_DAY else 0.0


_SECONDS_PER_DAY = 86_400


def _build_file(facts: MovieFacts, metadata: NwbMetadata, start: datetime) -> Any:
    from pynwb import NWBFile  # noqa: PLC0415
    from pynwb.file import Subject  # noqa: PLC0415

    session = metadata.session_of(facts.file_name)
    about = {
        name: getattr(metadata, name) or None
        for name in (
            *("experimenter", "experiment_description", "institution", "lab", "keywords"),
            *("protocol", "related_publications"),
        )
    }
    assert session.subject is not None
    return NWBFile(
        session_description=session.session_description or f"Behavior movie {facts.file_name}",
        # A copy of a movie elsewhere is another file, which archives want to know by another name.
        identifier=str(uuid5(NAMESPACE_URL, f"{facts.location} {facts.sha256} {facts.scorer}")),
        session_start_time=start,
        session_id=session.session_id,
        subject=Subject(**session.subject.model_dump(exclude_none=True)),
        source_script=f"{facts.product}, DeepLabCut {packages.version('deeplabcut')}",
        source_script_file_name="dlcflow",
        **about,
    )


def _name_animal(animals: PointGroup, index: int) -> str:
    """One animal's is called as programs look for it; several have their names in it."""
    return (
        "PoseEstimation"
        if len(animals.owners) == 1
        else f"PoseEstimation_{_name(animals.owners[index])}"
    )


def _describe_times(facts: MovieFacts, first: float) -> dict[str, Any]:
    """Rate and start where times are even, as NWB wants it, else every frame's time."""
    seconds: NDArray[np.float64] = facts.times + first
    steps = np.diff(seconds)
    if facts.has_even_times or (
        len(steps) and np.ptp(np.round(steps, _TIME_DECIMALS)) < 10**-_TIME_DECIMALS / 2
    ):
        rate = facts.timing.frame_rate
        even = float(rate) if facts.has_even_times else float(1 / steps.mean())
        return {"starting_time": float(seconds[0]), "rate": even}
    return {"timestamps": seconds}


def _build_poses(
    name: str,
    group: PointGroup,
    index: int,
    facts: MovieFacts,
    times: dict[str, Any],
    subject: Any,
    window_length: int,
) -> Any:
    from ndx_pose import PoseEstimation, Skeleton  # noqa: PLC0415

    parts = tuple(map(_name, group.parts))
    series: list[Any] = []
    for number in range(len(parts)):
        shared = {"timestamps": series[0]} if series and "timestamps" in times else times
        series.append(_build_series(parts[number], group, (number, index), shared))
    edges = [
        (group.parts.index(one), group.parts.index(other))
        for one, other in facts.model.skeleton
        if {one, other} <= set(group.parts)
    ]
    is_only_animal = name == "PoseEstimation"
    skeleton = Skeleton(
        name=f"Skeleton_{_name(group.owners[index])}",
        nodes=list(parts),
        edges=np.array(edges, dtype=np.uint8) if edges else None,
        subject=subject if is_only_animal else None,
    )
    return PoseEstimation(
        name=name,
        pose_estimation_series=series,
        description=_describe(group.owners[index], facts, window_length),
        scorer=facts.scorer,
        source_software="DeepLabCut",
        source_software_version=packages.version("deeplabcut"),
        skeleton=skeleton,
    )


def _build_series(
    name: str, group: PointGroup, place: tuple[int, int], times: dict[str, Any]
) -> Any:
    from hdmf.backends.hdf5.h5_utils import H5DataIO  # noqa: PLC0415
    from ndx_pose import PoseEstimationSeries  # noqa: PLC0415

    return PoseEstimationSeries(
        name=name,
        description=f"Position of {name} in the movie's frames.",
        data=H5DataIO(np.ascontiguousarray(group.xy[:, :, *place]), compression="gzip"),
        unit="pixels",
        reference_frame=_REFERENCE_FRAME,
        confidence=H5DataIO(np.ascontiguousarray(group.likelihood[:, *place]), compression="gzip"),
        confidence_definition=_CONFIDENCE,
        **times,
    )


def _describe(owner: str, facts: MovieFacts, window_length: int) -> str:
    left, right, top, bottom = facts.edges
    width, height = facts.frame_size
    model = facts.model
    movie = f"the movie {facts.location} (SHA-256 {facts.sha256})"
    sentences = [
        f"Poses of {owner} in {movie}, {width}×{height} pixels, {facts.frames} frames",
        f"model {model.name} (SHA-256 {model.sha256}), snapshot {model.snapshot}",
        f"coordinates are median-filtered over {window_length} frames"
        if window_length > 1
        else "coordinates are as the network gave them",
        f"written by {facts.product}",
    ]
    if facts.is_cropped:
        cut = f"{right - left}×{bottom - top} pixels at column {left}, row {top}"
        sentences.insert(1, f"the network saw {cut}")
    return "; ".join(sentences) + "."


def _name(text: str) -> str:
    """A name as NWB takes it: slashes part groups, and colons are not portable."""
    return text.replace("/", "_").replace(":", "_")
