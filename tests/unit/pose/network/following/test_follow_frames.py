"""A window that follows gives the full frame's poses, whatever the animals do."""

from collections.abc import Callable, Sequence
from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.checkpoint_files import BatchPrediction, CheckpointWriter, read_checkpoints
from tasks.pose.network.following.follow_frames import (
    COMPARED_EVERY,
    FollowedMovie,
    MovieFrames,
    without_places,
)
from tasks.pose.network.following.follow_result import PLACES, FollowResult
from tasks.processes.bottleneck import EstimationTimer
from tests.unit.pose.network.following.spot_network import Animals, SpotNetwork, draw_frame

FRAMES = 203
"""No multiple of the frames that share a window."""


def walk(index: int) -> tuple[float, float]:
    return 320 + 120 * cos(index / 25), 240 + 80 * sin(index / 18)


def follow(
    network: SpotNetwork, frames: Sequence[Image], side: int | None = None
) -> tuple[NDArray[Any], FollowResult, list[BatchPrediction]]:
    movie = FollowedMovie(
        network,  # type: ignore[arg-type]
        network.find_window_support(),
        frames[0],
        side,
        EstimationTimer(),
    )
    found = movie.predict_batches(
        MovieFrames(iter(frames), 0, 1, network.lanes), CheckpointWriter(None, 8), (), ignore
    )
    poses = [one["bodyparts"] for one in without_places([prediction for _, prediction in found])]
    return np.concatenate(poses), movie.summarize(found), found


def ignore(_frames: int) -> None:
    """Progress that nobody looks at."""


def look_at_all(network: SpotNetwork, frames: Sequence[Image]) -> NDArray[Any]:
    poses: NDArray[Any] = network.predict(np.stack(frames))["bodyparts"]
    return poses


def draw(animals: Callable[[int], Animals], frames: int = FRAMES, **size: int) -> list[Image]:
    return [draw_frame(animals(index), **size) for index in range(frames)]


def leaves(index: int) -> Animals:
    return [None if 60 <= index < 110 else walk(index + (90 if index >= 110 else 0))]


def walks_out(index: int) -> Animals:
    """Over the frame's right edge, and back in over the left."""
    return [((320 + 6 * index) % 900 - 100, 200)]


def cut_movie(index: int) -> Animals:
    return [walk(index) if index < 77 else (560, 60)]


def fast(index: int) -> Animals:
    return [(320 + 250 * sin(index / 25), 240 + 150 * cos(index / 20))]


MOVIES: dict[str, tuple[Callable[[int], Animals], int]] = {
    "walks": (lambda index: [walk(index)], 1),
    "sits": (lambda _: [(101, 77)], 1),
    "sits in a corner": (lambda _: [(24, 2)], 1),
    "leaves and comes back elsewhere": (leaves, 1),
    "walks out and in": (walks_out, 1),
    "a cut": (cut_movie, 1),
    "fast": (fast, 1),
    "light goes out": (lambda index: [walk(index) if index % 100 < 60 else None], 1),
    "is not there": (lambda _: [None], 1),
    "two side by side": (lambda index: [walk(index), walk(index + 8)], 2),
    "two part and meet": (lambda index: [(320 - index % 200, 240), (340 + index % 200, 200)], 2),
    "one of two leaves": (lambda index: [walk(index), None if index > 50 else walk(index + 8)], 2),
}


@pytest.mark.parametrize("name", MOVIES)
def test_poses_are_those_of_full_frames(name: str) -> None:
    animals, most = MOVIES[name]
    frames = draw(animals)
    found, result, _ = follow(SpotNetwork(most), frames)
    np.testing.assert_array_equal(found, look_at_all(SpotNetwork(most), frames))
    assert result.windows + result.full + result.again + result.compared == FRAMES
    assert result.largest in (None, 0)


@pytest.mark.parametrize(
    ("name", "most_pixels", "windows"),
    [("walks", 0.35, 180), ("sits", 0.25, 180), ("a cut", 0.35, 170), ("fast", 0.7, 130),
     ("two side by side", 0.5, 180)],
)  # fmt: skip
def test_fewer_pixels_go_to_the_network(name: str, most_pixels: float, windows: int) -> None:
    animals, most = MOVIES[name]
    network = SpotNetwork(most)
    _, result, _ = follow(network, draw(animals))
    assert network.pixels < most_pixels * FRAMES * 640 * 480
    assert result.windows > windows
    assert result.margin is not None
    assert result.margin >= network.reach


@pytest.mark.parametrize(("name", "full"), [("is not there", FRAMES), ("light goes out", 60)])
def test_full_frames_are_used_where_the_animal_is_not(name: str, full: int) -> None:
    _, result, _ = follow(SpotNetwork(), draw(MOVIES[name][0]))
    assert result.full >= full


@pytest.mark.parametrize(("width", "height"), [(641, 487), (300, 1000), (1920, 1080)])
def test_frames_of_any_size_are_followed(width: int, height: int) -> None:
    def circle(index: int) -> Animals:
        return [(width * (0.5 + 0.45 * cos(index / 20)), height * (0.5 + 0.45 * sin(index / 25)))]

    frames = draw(circle, 120, width=width, height=height)
    network = SpotNetwork(size=(width, height))
    found, result, _ = follow(network, frames)
    full = SpotNetwork(size=(width, height))
    np.testing.assert_array_equal(found, look_at_all(full, frames))
    assert network.pixels < full.pixels
    assert result.windows > 50
    assert result.largest == 0


def test_a_small_frame_is_left_whole() -> None:
    frames = draw(lambda _: [(50, 40)], 30, width=120, height=90)
    _, result, _ = follow(SpotNetwork(size=(120, 90)), frames)
    assert (result.full, result.windows, result.sides) == (30, 0, ())
    assert "no window was large enough" in str(result.reason)
    assert result.warnings == (f"follow: {result.reason}",)


class TestSide:
    def test_may_be_chosen(self) -> None:
        frames = draw(MOVIES["walks"][0])
        found, result, _ = follow(SpotNetwork(), frames, 250)
        np.testing.assert_array_equal(found, look_at_all(SpotNetwork(), frames))
        assert result.sides == (256,)

    def test_too_small_for_the_animals_is_told(self) -> None:
        _, result, _ = follow(SpotNetwork(), draw(MOVIES["walks"][0], 30), 64)
        assert result.windows == 0
        assert "no window of 64 pixels was large enough" in str(result.reason)


class TestNetworkThatLooksFar:
    """Windows whose points are not the full frame's are found out, and given up."""

    def test_beyond_all_windows_gets_full_frames(self) -> None:
        frames = draw(MOVIES["walks"][0])
        found, result, _ = follow(SpotNetwork(reach=2000), frames)
        np.testing.assert_array_equal(found, look_at_all(SpotNetwork(), frames))
        assert (result.full, result.windows) == (FRAMES, 0)
        assert "full frames were used from frame 8 on" in str(result.reason)

    def test_farther_than_at_first_gets_a_wider_margin(self) -> None:
        """What it sees then is not the same: after a while its reach grows."""

        class Growing(SpotNetwork):
            def predict_windows(
                self, batch: NDArray[np.uint8], place: tuple[int, int]
            ) -> dict[str, NDArray[Any]]:
                self.reach = 70 if self.pixels > 60 * 640 * 480 else 10
                return super().predict_windows(batch, place)

        _, result, found = follow(Growing(), draw(MOVIES["walks"][0], 900))
        margins = np.concatenate([one[PLACES][:, -1] for _, one in found]).tolist()
        assert margins == sorted(margins)
        assert (margins[0], margins[-1]) == (32, result.margin)
        assert margins[-1] > 32
        assert result.largest == 2
        assert result.most is not None
        assert result.reason is None
        assert "windows moved confident points by 0.000" in result.warnings[0]

    def test_without_end_gets_full_frames_for_good(self) -> None:
        class Spoiled(SpotNetwork):
            def predict_windows(
                self, batch: NDArray[np.uint8], place: tuple[int, int]
            ) -> dict[str, NDArray[Any]]:
                found = super().predict_windows(batch, place)
                found["bodyparts"][..., :2] += 0.5 * (self.pixels > 60 * 640 * 480)
                return found

        _, result, found = follow(Spoiled(), draw(MOVIES["walks"][0], 900))
        kinds = np.concatenate([one[PLACES][:, 0] for _, one in found])
        assert (kinds[-200:] == 1).all()
        assert "windows move points too far; full frames were used from" in str(result.reason)
        assert result.most == 0.5


def test_an_animal_that_was_never_seen_is_noticed_at_the_next_compared_frame() -> None:
    comes = 2 * COMPARED_EVERY + 10
    frames = draw(lambda index: [walk(index), (30, 30) if index >= comes else None])
    found, result, _ = follow(SpotNetwork(2), frames)
    full = look_at_all(SpotNetwork(2), frames)
    differs = np.flatnonzero((found != full).any(axis=(1, 2, 3)))
    assert set(differs) == set(range(comes, 3 * COMPARED_EVERY))
    assert result.largest is not None
    assert result.largest >= 30 - 10


class TestGoingOn:
    """An estimation that goes on from what is stored gives the same bytes."""

    @pytest.mark.parametrize("name", ["walks", "leaves and comes back elsewhere", "fast"])
    @pytest.mark.parametrize("after", [8, 64, 104, 200])
    def test_places_the_same_windows(self, name: str, after: int, tmp_path: Path) -> None:
        frames = draw(MOVIES[name][0])
        _, whole, expected = follow(SpotNetwork(), frames)
        known = expected[: after // 8]
        writer = CheckpointWriter(tmp_path, 8, "cpufollow")
        for one in known:
            writer.add_batch(one)
        writer.write()
        past = read_checkpoints(tmp_path, "cpufollow")
        assert past.frames == after
        network = SpotNetwork()
        movie = FollowedMovie(
            network,  # type: ignore[arg-type]
            network.find_window_support(),
            frames[0],
            None,
            EstimationTimer(),
        )
        rest = [*frames[:8], *frames[after:]]
        found = movie.predict_batches(
            MovieFrames(iter(rest), 8, 1, network.lanes),
            CheckpointWriter(None, 8),
            past.found,
            ignore,
        )
        assert movie.summarize([*past.found, *found]) == whole
        for (count, one), (wanted_count, wanted) in zip(found, expected[after // 8 :], strict=True):
            assert count == wanted_count
            assert one.keys() == wanted.keys()
            for part in one:
                np.testing.assert_array_equal(one[part], wanted[part])
