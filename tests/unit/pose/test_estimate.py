"""What of estimation needs no network: crops, frames fed by a thread, and what reaches it."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.pose import estimate
from tasks.pose.estimate import (
    _skip_known_frames,
)
from tasks.pose.movies.reader import Image, open_movie
from tasks.pose.network import checkpoint_files
from tasks.pose.network.checkpoint_files import PartialPredictions
from tasks.pose.network.frame_crop import apply_crop, compute_crop_edges
from tasks.pose.network.interface import Lanes, LoadedModel, WindowSupport
from tasks.pose.network.precision_check import FULL_PRECISION
from tasks.pose.settings import Crop, Follow, Precision
from tasks.pose.tables.pose_table import build_pose_table, read_poses
from tasks.processes import bottleneck
from tasks.processes.bottleneck import EstimationProgress, EstimationTimer
from tests.support.isxb_files import write_isxb
from tests.support.movie_files import write_movie
from tests.support.paths import ROOT, SHARED_FOLDER, needs_shared_data


class TestCroppedEdges:
    def test_are_those_of_the_crop(self) -> None:
        crop = Crop(left=10, top=20, width=100, height=50)
        assert compute_crop_edges(crop, 640, 480) == (10, 110, 20, 70)

    def test_of_the_whole_frame_are_the_frames(self) -> None:
        assert compute_crop_edges(Crop(left=0, top=0, width=641, height=479), 641, 479) == (
            0,
            641,
            0,
            479,
        )

    def test_are_rounded_down_as_deeplabcut_does(self) -> None:
        crop = Crop(left=1, top=0, width=20, height=20)
        assert compute_crop_edges(crop, 49, 20)[0] == 0  # 49 * (1 / 49) is a little less than 1
        assert compute_crop_edges(crop, 49, 20, exactly=True)[0] == 1

    @pytest.mark.parametrize(("width", "height"), [(1, 20), (20, 1), (1, 1)])
    def test_may_not_leave_nothing(self, width: int, height: int) -> None:
        with pytest.raises(BadInput, match=f"crop: {width}×{height} pixels are too few"):
            compute_crop_edges(Crop(left=0, top=0, width=width, height=height), 49, 49)

    @given(st.data(), st.integers(2, 5000), st.integers(2, 5000))
    def test_are_inside_the_frame_and_at_most_one_pixel_off(
        self, data: st.DataObject, width: int, height: int
    ) -> None:
        left, top = data.draw(st.integers(0, width - 2)), data.draw(st.integers(0, height - 2))
        crop = Crop(
            left=left,
            top=top,
            width=data.draw(st.integers(2, width - left)),
            height=data.draw(st.integers(2, height - top)),
        )
        edges = compute_crop_edges(crop, width, height)
        asked = (crop.left, crop.right, crop.top, crop.bottom)
        assert all(0 <= a - e <= 1 for a, e in zip(asked, edges, strict=True))
        assert 0 <= edges[0] < edges[1] <= width
        assert 0 <= edges[2] < edges[3] <= height


def test_only_the_crop_goes_to_the_network(tmp_path: Path) -> None:
    movie = write_movie(tmp_path / "m.mp4", 3)
    whole = [
        shot() for shot in apply_crop(open_movie(movie).read_lazy_images(), None, exactly=False)
    ]
    crop = Crop(left=8, top=16, width=32, height=24)
    parts = [
        shot() for shot in apply_crop(open_movie(movie).read_lazy_images(), crop, exactly=False)
    ]
    assert [part.shape for part in parts] == [(24, 32, 3)] * 3
    for part, frame in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(part, frame[16:40, 8:40])


class Looking:
    """A network that only looks: it keeps the digest of every frame that reaches it."""

    loaded = LoadedModel("scorer", "snapshot", "cpu", "device", ())
    lanes = Lanes()
    arithmetic = FULL_PRECISION

    def __init__(self) -> None:
        self.seen: list[str] = []

    def begin_movie(self, _frame: Image, _precision: Precision) -> int:
        return 3

    def predict(self, batch: NDArray[np.uint8]) -> int:
        self.seen += [digest(frame) for frame in batch]
        return len(batch)

    def build_table(self, predictions: Sequence[int]) -> pd.DataFrame:
        return build_pose_table(np.zeros((sum(predictions), 1, 3)), "scorer", ("nose",))


def test_a_network_that_takes_no_windows_gets_whole_frames_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Whole(Looking):
        def find_window_support(self) -> WindowSupport:
            return WindowSupport(reason="it is a TensorFlow model")

    seen = []
    for follow in Follow:
        network = Whole()
        monkeypatch.setattr(estimate, "_get_or_load_network", lambda *_, n=network: n)
        found = estimate.estimate_movie(
            *(tmp_path, write_movie(tmp_path / "m.mp4", 7), tmp_path / "poses.h5", None, None),
            follow=follow,
            progress=lambda _: None,
        )
        seen.append((network.seen, found.follow, found.warnings))
    (off, nothing, quiet), (followed, told, warnings) = seen
    assert followed == off
    assert (nothing, quiet) == (None, ())
    assert told is not None
    assert (told.full, told.windows) == (7, 0)
    assert warnings == ("follow: full frames were used: it is a TensorFlow model",)


def digest(frame: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()


def isx_digests(movie: Path, indices: list[int], crop: Crop | None) -> list[str]:
    """Of isx's own gray pictures, in three equal channels."""
    import isx

    opened = isx.Movie.read(str(movie))
    pictures = (np.repeat(opened.get_frame_data(i)[:, :, None], 3, axis=2) for i in indices)
    if crop is None:
        return [digest(picture) for picture in pictures]
    rows, columns = slice(crop.top, crop.bottom), slice(crop.left, crop.right)
    return [digest(picture[rows, columns]) for picture in pictures]


class TestRecordings:
    """Frames of an .isxb recording reach the network as isx gives them, bit for bit."""

    def estimated(
        self, movie: Path, crop: Crop | None, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[estimate.Estimate, list[str]]:
        network = Looking()
        monkeypatch.setattr(estimate, "_get_or_load_network", lambda _project, _device: network)
        told: list[EstimationProgress] = []
        target = folder / "poses.h5"
        found = estimate.estimate_movie(folder, movie, target, crop, None, progress=told.append)
        assert told[-1].done == found.frames == len(network.seen) == len(read_poses(target))
        return found, network.seen

    @pytest.mark.parametrize("crop", [None, Crop(left=8, top=16, width=32, height=24)])
    def test_without_those_that_were_dropped(
        self, tmp_path: Path, crop: Crop | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        movie = write_isxb(tmp_path / "m.isxb", 11, dropped=[3, 6, 7])
        kept = [0, 1, 2, 4, 5, 8, 9, 10]
        found, seen = self.estimated(movie, crop, tmp_path, monkeypatch)
        assert seen == isx_digests(movie, kept, crop)
        recording = found.timing.recording
        assert recording is not None
        assert recording.positions.tolist() == kept

    @needs_shared_data
    def test_of_a_real_recording(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (movie,) = (SHARED_FOLDER / "movies").glob("2023*.isxb")
        _, seen = self.estimated(movie, None, tmp_path, monkeypatch)
        assert seen == isx_digests(movie, list(range(20)), None)


class Numbering(Looking):
    """A network whose pose of a frame is made of the frame alone; it may die on the way."""

    def __init__(self, dies_after: int | None = None, batch: int = 3) -> None:
        super().__init__()
        self.dies_after, self.batch = dies_after, batch

    def begin_movie(self, _frame: Image, _precision: Precision) -> int:
        return self.batch

    def predict(self, batch: NDArray[np.uint8]) -> Any:
        if self.dies_after is not None and len(self.seen) >= self.dies_after:
            raise MemoryError
        super().predict(batch)
        values = [[[int(digest(frame)[:6], 16), 1, 0.5]] for frame in batch]
        return {"bodyparts": np.array(values, np.float32)}

    def build_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        poses = np.concatenate([one["bodyparts"] for one in predictions])
        return build_pose_table(poses, "scorer", ("nose",))


class TestGoingOn:
    """An estimation that ends early goes on from what it has written down."""

    FRAMES = 20

    @pytest.fixture(params=["m.mp4", "m.isxb"])
    def movie(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        write = write_movie if request.param.endswith("mp4") else write_isxb
        return write(tmp_path / request.param, self.FRAMES)

    @pytest.fixture(autouse=True)
    def always(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DLCFLOW_CHECKPOINT_SECONDS", "0.000001")

    def run(
        self, network: Numbering, movie: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[estimate.Estimate, bytes, list[EstimationProgress]]:
        monkeypatch.setattr(estimate, "_get_or_load_network", lambda _project, _device: network)
        folder, told = movie.parent / name, list[EstimationProgress]()
        folder.mkdir(exist_ok=True)
        target = folder / "poses.h5"
        found = estimate.estimate_movie(
            folder, movie, target, None, None, checkpoints=folder, progress=told.append
        )
        return found, target.read_bytes(), told

    @pytest.mark.parametrize("after", [0, 3, 12, 18])
    def test_gives_the_same_and_estimates_only_the_rest(
        self, movie: Path, after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, expected, _ = self.run(Numbering(), movie, "whole", monkeypatch)
        with pytest.raises(MemoryError):
            self.run(Numbering(dies_after=after), movie, "ended", monkeypatch)
        network = Numbering(batch=7)  # another machine, with more memory
        found, poses, told = self.run(network, movie, "ended", monkeypatch)
        assert poses == expected
        assert (found.resumed, found.frames) == (after, self.FRAMES)
        again = min(after, 6)  # a folder without a model of PyTorch: the last known batch, too
        assert len(network.seen) == self.FRAMES - after + again
        assert found.batch_size == (3 if after else 7)
        np.testing.assert_array_equal(found.timing.seconds, whole.timing.seconds)
        assert told[-1] == EstimationProgress(self.FRAMES, "", combines=True, known=after)
        assert {one.known for one in told} == {after}

    def test_all_frames_may_be_known(self, movie: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _, expected, _ = self.run(Numbering(), movie, "same", monkeypatch)
        network = Numbering()
        found, poses, _ = self.run(network, movie, "same", monkeypatch)
        assert (poses, found.resumed, len(network.seen)) == (expected, self.FRAMES, 6)

    @pytest.mark.parametrize("after", [0, 3, 12, 20])
    def test_known_frames_and_their_time_are_no_part_of_the_rate(
        self, movie: Path, after: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second passes for each new frame, a hundred for each that is predicted again."""
        if after:
            with suppress(MemoryError):
                self.run(Numbering(dies_after=after), movie, "ended", monkeypatch)
        now = [0.0]
        monkeypatch.setattr(bottleneck, "time", SimpleNamespace(monotonic=lambda: now[0]))
        again = min(after, 6)

        class Slow(Numbering):
            def predict(self, batch: NDArray[np.uint8]) -> Any:
                now[0] += len(batch) * (100 if len(self.seen) < again else 1)
                return super().predict(batch)

        found, _, _ = self.run(Slow(), movie, "ended", monkeypatch)
        assert found.rate == (1 if after < self.FRAMES else None)
        assert found.seconds == self.FRAMES - after + 100 * again
        assert found.times.decoding == 0

    def test_time_in_which_known_frames_are_passed_over_is_no_part_of_the_rate(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        monkeypatch.setattr(bottleneck, "time", SimpleNamespace(monotonic=lambda: now[0]))

        def decode() -> Iterator[Any]:
            for index in range(30):
                now[0] += 1
                yield index

        timer, past = EstimationTimer(), PartialPredictions(frames=10, batch_size=4)
        for _ in _skip_known_frames(decode(), past, set(), lambda _pace: None, timer):
            pass
        assert timer.compute_rate(20) == 20 / 19  # from the time at which the first one was there

    def test_is_heard_of_while_known_frames_are_passed_over(self) -> None:
        told: list[EstimationProgress] = []
        shots: Any = range(1000)
        past = PartialPredictions(frames=900, batch_size=4)
        again = past.frames_again(with_last_batch=False)
        reached: list[Any] = [
            (shot, len(told))
            for shot in _skip_known_frames(shots, past, again, told.append, EstimationTimer())
        ]
        assert [shot for shot, _ in reached] == [*range(4), *range(900, 1000)]
        assert dict(reached)[3] == 0
        assert dict(reached)[900] == len(told) >= 900 // 100
        assert {(pace.done, pace.known) for pace in told} == {(900, 900)}


def test_loading_the_module_loads_no_network() -> None:
    heavy = "{'torch', 'deeplabcut', 'cv2', 'av', 'prefect', 'boto3', 'matplotlib'}"
    program = f"import sys, tasks.pose.estimate; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("has", [True, False])
def test_checkpoints_in_bfloat16_are_told_from_those_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: bool
) -> None:
    monkeypatch.setattr(estimate, "has_bfloat16", lambda: has)
    kinds = [estimate._device_kind(tmp_path, "cpu", precision) for precision in Precision]
    assert kinds == ["cpu", "cpu", "cpubfloat" if has else "cpu"]
    followed = estimate._device_kind(tmp_path, "cpu", Precision.HALF, Follow.AUTO)
    assert followed == f"{kinds[-1]}follow"
    name = f"000000000-000000004-1-{kinds[-1]}.npz"
    assert checkpoint_files._FILE_NAME.fullmatch(name)
