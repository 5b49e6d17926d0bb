"""Marks that are told apart, places in pictures, worst frames, and bytes for browsers."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest

from tasks.pose.results.playback.keypoint_marks import SHAPES, choose_marks
from tasks.pose.results.playback.keypoint_traces import (
    KeypointTraces,
    build_even_clock,
    build_traces,
)
from tasks.pose.results.playback.picture_space import PictureSpace, describe_labeled
from tasks.pose.results.playback.tensor_message import encode_arrays
from tasks.pose.results.playback.worst_frames import list_worst_frames
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.keypoints import Keypoints
from tests.support.pose_tables import PART_NAMES, SINGLE_ANIMAL, build_pose_table
from tests.support.records import example_movie, example_quality


@pytest.mark.parametrize(("animals", "parts"), [(1, 12), (2, 12), (5, 3), (1, 40), (8, 8)])
def test_no_two_keypoints_look_the_same(animals: int, parts: int) -> None:
    individuals = [f"m{k // parts}" for k in range(animals * parts)]
    names = [f"p{k % parts}" for k in range(animals * parts)]
    marks = choose_marks(individuals, names)
    assert len(set(marks)) == len(marks)
    assert all(mark.variant < len(SHAPES) for mark in marks)
    assert len({mark.color for mark in marks[::parts]}) == 1


def read_message(data: bytes) -> tuple[dict[str, np.ndarray], Any]:
    """As the format's documentation says, without its library."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    facts = json.loads(header.pop("__metadata__")["facts"])
    kinds = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
    arrays = {}
    for name, array in header.items():
        begin, end = (8 + length + place for place in array["data_offsets"])
        assert begin % np.dtype(kinds[array["dtype"]]).itemsize == 0
        found = np.frombuffer(data[begin:end], kinds[array["dtype"]])
        arrays[name] = found.reshape(array["shape"])
    return arrays, facts


def test_a_message_is_read_by_its_description_alone() -> None:
    arrays = {
        "starts": np.arange(3, dtype=np.int32),
        "values": np.array([[1.5, np.nan], [-2, 4]], np.float32).T,
        "seconds": np.array([0.1, 0.2, 0.3]),
        "none": np.empty((4, 0, 2), np.float32),
    }
    found, facts = read_message(encode_arrays(arrays, {"name": "<мышь>", "numbers": [1, None]}))
    assert facts == {"name": "<мышь>", "numbers": [1, None]}
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with pytest.raises(ValueError, match="JSON"):
        encode_arrays({}, float("nan"))


def make_traces(values: np.ndarray, offset: tuple[int, int] = (0, 0)) -> KeypointTraces:
    keypoints = Keypoints(build_pose_table(values, SINGLE_ANIMAL))
    return build_traces(keypoints, offset, build_even_clock(len(values), 10))


def still_poses(frames: int = 200) -> np.ndarray:
    values = np.zeros((frames, 3, 3))
    values[...] = (30, 20, 0.95)
    return values


def test_worst_frames_are_those_of_the_verdict_and_of_the_report() -> None:
    """Relative to the crop, the worst first; a frame of the report comes even without a fault."""
    values = still_poses()
    values[50, :2] = np.nan
    values[120, 1, 2] = 0.3
    values[150:, 2, 0] = 61
    values[151:, 2, 0] = 30
    quality = example_quality().model_copy(update={"worst_frames": (7, 50, 999)})
    movie = example_movie(quality=quality, crop=(100, 40, 60, 50), frame_rate=10.0)
    found = list_worst_frames(make_traces(values, (100, 40)), movie, PoseSettings())
    assert [frame.index for frame in found] == [50, 150, 120, 7]
    assert [tuple(map(str, frame.points)) for frame in found] == [
        ("nose (missing)", "ear (missing)"),
        ("tail 0.95 (jump, outside)",),
        ("ear 0.30 (low)",),
        (),
    ]


def test_a_point_lies_in_a_movie_of_keypoints_only_as_it_is_drawn_there() -> None:
    values = still_poses(3)
    values[1, 0, :2] = 200.7, 89.2
    values[2, 1, :2] = 900, 900
    traces = make_traces(values, (5, 6))
    shown = PoseSettings(keypoints_only=True, displayed_body_parts=(PART_NAMES[0], PART_NAMES[2]))
    drawn = describe_labeled(traces, shown, (5, 6))
    assert drawn == PictureSpace((-5, -6), None, (200 / 200, 88 / 89))
    assert describe_labeled(traces, PoseSettings(), (5, 6)) == PictureSpace((0.5, 0.5), None)
