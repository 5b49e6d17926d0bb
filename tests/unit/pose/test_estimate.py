"""What of estimation needs no network: crops, and frames fed by a thread."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.pose.errors import BadInput
from tasks.pose.estimate import _cropped, _feeding, cropped_edges
from tasks.pose.movies import Image, MovieReader
from tasks.pose.settings import Crop
from tests.movie_files import write_movie
from tests.paths import ROOT


class TestCroppedEdges:
    def test_are_those_of_the_crop(self) -> None:
        crop = Crop(left=10, top=20, width=100, height=50)
        assert cropped_edges(crop, 640, 480) == (10, 110, 20, 70)

    def test_of_the_whole_frame_are_the_frames(self) -> None:
        assert cropped_edges(Crop(left=0, top=0, width=641, height=479), 641, 479) == (
            0,
            641,
            0,
            479,
        )

    def test_are_rounded_down_as_deeplabcut_does(self) -> None:
        crop = Crop(left=1, top=0, width=20, height=20)
        assert cropped_edges(crop, 49, 20)[0] == 0  # 49 * (1 / 49) is a little less than 1

    @pytest.mark.parametrize(("width", "height"), [(1, 20), (20, 1), (1, 1)])
    def test_may_not_leave_nothing(self, width: int, height: int) -> None:
        with pytest.raises(BadInput, match=f"crop: {width}×{height} pixels are too few"):
            cropped_edges(Crop(left=0, top=0, width=width, height=height), 49, 49)

    @settings(deadline=None)
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
        edges = cropped_edges(crop, width, height)
        asked = (crop.left, crop.right, crop.top, crop.bottom)
        assert all(0 <= a - e <= 1 for a, e in zip(asked, edges, strict=True))
        assert 0 <= edges[0] < edges[1] <= width
        assert 0 <= edges[2] < edges[3] <= height


def test_only_the_crop_goes_to_the_network(tmp_path: Path) -> None:
    movie = write_movie(tmp_path / "m.mp4", 3)
    whole = list(_cropped(MovieReader(movie), None))
    crop = Crop(left=8, top=16, width=32, height=24)
    parts = list(_cropped(MovieReader(movie), crop))
    assert [part.shape for part in parts] == [(24, 32, 3)] * 3
    for part, frame in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(part, frame[16:40, 8:40])


class TestFeeding:
    def frames(self, count: int) -> Iterator[Image]:
        for index in range(count):
            yield np.full((2, 3, 3), index, dtype=np.uint8)

    @pytest.mark.parametrize(
        ("count", "sizes"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1]), (41, [4] * 10 + [1])]
    )
    def test_gives_every_frame_once_and_in_order(self, count: int, sizes: list[int]) -> None:
        with _feeding(self.frames(count), 4) as batches:
            found = list(batches)
        assert [len(batch) for batch in found] == sizes
        assert [int(frame[0, 0, 0]) for batch in found for frame in batch] == list(range(count))
        assert {batch.shape[1:] for batch in found} <= {(2, 3, 3)}

    def test_decodes_in_another_thread_that_ends(self) -> None:
        threads = []

        def frames() -> Iterator[Image]:
            threads.append(threading.current_thread())
            yield from self.frames(3)

        with _feeding(frames(), 2) as batches:
            list(batches)
        assert threads[0] is not threading.current_thread()
        assert not threads[0].is_alive()

    def test_decodes_only_a_few_batches_ahead(self) -> None:
        decoded: list[int] = []

        def frames() -> Iterator[Image]:
            for index, frame in enumerate(self.frames(1000)):
                decoded.append(index)
                yield frame

        with _feeding(frames(), 2) as batches:
            for _ in range(5):
                next(batches)
        assert 10 <= len(decoded) <= 22

    @pytest.mark.parametrize("error", [BadInput, ValueError, KeyboardInterrupt])
    def test_raises_what_the_decoder_raises_after_the_frames_before(
        self, error: type[BaseException]
    ) -> None:
        def frames() -> Iterator[Image]:
            yield from self.frames(4)
            raise error("damaged")

        found: list[object] = []
        with pytest.raises(error, match="damaged"), _feeding(frames(), 2) as batches:
            found.extend(batches)
        assert len(found) == 2

    def test_stops_when_the_network_fails(self) -> None:
        before = threading.active_count()

        def run_out_of_memory() -> None:
            with _feeding(self.frames(1_000_000), 2) as batches:
                next(batches)
                raise ValueError("no memory")

        with pytest.raises(ValueError, match="no memory"):
            run_out_of_memory()
        assert threading.active_count() == before


def test_loading_the_module_loads_no_network() -> None:
    heavy = "{'torch', 'deeplabcut', 'cv2', 'av', 'prefect', 'boto3', 'matplotlib'}"
    program = f"import sys, tasks.pose.estimate; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
