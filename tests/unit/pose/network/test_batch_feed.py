"""Frames fed by threads: all of them, in order, a few at a time, whatever fails."""

import threading
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.movies.reader import Image, LazyImage
from tasks.pose.network.batch_feed import feed_batches


class TestFeeding:
    def frames(self, count: int) -> Iterator[LazyImage]:
        for index in range(count):
            yield partial(np.full, (2, 3, 3), index, dtype=np.uint8)

    @pytest.mark.parametrize(
        ("count", "sizes"), [(0, []), (1, [1]), (4, [4]), (5, [4, 1]), (41, [4] * 10 + [1])]
    )
    @pytest.mark.parametrize("converters", [1, 3])
    def test_gives_every_frame_once_and_in_order(
        self, count: int, sizes: list[int], converters: int
    ) -> None:
        with feed_batches(self.frames(count), 4, converters=converters) as batches:
            found = list(batches)
        assert [len(batch) for batch in found] == sizes
        assert [int(frame[0, 0, 0]) for batch in found for frame in batch] == list(range(count))
        assert {batch.shape[1:] for batch in found} <= {(2, 3, 3)}

    def test_decodes_in_another_thread_that_ends(self) -> None:
        threads = []

        def frames() -> Iterator[LazyImage]:
            threads.append(threading.current_thread())
            yield from self.frames(3)

        with feed_batches(frames(), 2) as batches:
            list(batches)
        assert threads[0] is not threading.current_thread()
        assert not threads[0].is_alive()

    def test_decodes_only_a_few_batches_ahead(self) -> None:
        decoded: list[int] = []

        def frames() -> Iterator[LazyImage]:
            for index, frame in enumerate(self.frames(1000)):
                decoded.append(index)
                yield frame

        with feed_batches(frames(), 2) as batches:
            for _ in range(5):
                next(batches)
        assert 10 <= len(decoded) <= 22

    @pytest.mark.parametrize("error", [BadInput, ValueError, KeyboardInterrupt])
    def test_raises_what_the_decoder_raises_after_the_frames_before(
        self, error: type[BaseException]
    ) -> None:
        def frames() -> Iterator[LazyImage]:
            yield from self.frames(4)
            raise error("damaged")

        found: list[object] = []
        with pytest.raises(error, match="damaged"), feed_batches(frames(), 2) as batches:
            found.extend(batches)
        assert len(found) == 2

    def test_stops_when_the_network_fails(self) -> None:
        before = threading.active_count()

        def run_out_of_memory() -> None:
            with feed_batches(self.frames(1_000_000), 2) as batches:
                next(batches)
                raise ValueError("no memory")

        with pytest.raises(ValueError, match="no memory"):
            run_out_of_memory()
        assert threading.active_count() == before

    def test_converts_several_at_a_time(self) -> None:
        together = threading.Barrier(3, timeout=30)

        def picture(index: int) -> Image:
            if index:  # the first one tells the size, before any batch
                together.wait()
            return np.full((2, 3, 3), index, dtype=np.uint8)

        shots = (partial(picture, index) for index in range(4))
        with feed_batches(shots, 4, converters=3) as batches:
            (batch,) = batches
        assert batch[:, 0, 0, 0].tolist() == [0, 1, 2, 3]

    def test_raises_what_a_conversion_raises(self) -> None:
        def damaged() -> Image:
            raise BadInput("cannot be converted")

        def shots() -> Iterator[LazyImage]:
            yield from self.frames(3)
            yield damaged

        found: list[object] = []
        with (
            pytest.raises(BadInput, match="cannot be converted"),
            feed_batches(shots(), 2) as batches,
        ):
            found.extend(batches)
        assert len(found) == 1
