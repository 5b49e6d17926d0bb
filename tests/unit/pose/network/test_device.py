"""The way to a device and back, on a device that is made of nothing."""

import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.errors import Retriable
from tasks.pose.network.pytorch.device import DeviceFeed, largest_batch
from tasks.pose.network.pytorch.network import TorchNetwork


class Tensor:
    """Numbers that are on the device until they are brought from it."""

    def __init__(self, values: NDArray[Any], *, here: bool = False) -> None:
        self.values, self.here = values, here
        self.dtype, self.shape = values.dtype, values.shape

    def reshape(self, *shape: int) -> "Tensor":
        return Tensor(self.values.reshape(*shape))

    def numel(self) -> int:
        return int(self.values.size)

    def to(self, device: str, *, non_blocking: bool) -> "Tensor":
        assert non_blocking
        assert device == "cpu"
        return Tensor(self.values, here=True)

    def cpu(self) -> "Tensor":
        return self.to("cpu", non_blocking=True)

    def numpy(self) -> NDArray[Any]:
        assert self.here
        return self.values


class Device:
    """Stands for torch and its CUDA part."""

    def __init__(self, threads: int = 2, free: int = 0, frame: int = 0) -> None:
        self.threads, self.told = threads, []  # type: int, list[Any]
        self.free, self.frame, self.peak = free, frame, 0
        self.cuda = self

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, number: int) -> None:
        self.told.append(number)

    def cat(self, parts: list[Tensor]) -> Tensor:
        self.told.append("cat")
        return Tensor(np.concatenate([part.values for part in parts]))

    def inference_mode(self) -> Any:
        return nullcontext()

    def Stream(self, _: Any) -> str:  # noqa: N802 - torch's name
        return f"stream of {threading.current_thread().name}"

    def stream(self, stream: str) -> Any:
        self.told.append(stream)
        return nullcontext()

    def current_stream(self, _: Any) -> Any:
        return SimpleNamespace(synchronize=lambda: self.told.append("waited"))

    def empty_cache(self) -> None:
        self.told.append("emptied")

    def memory_allocated(self, _: Any) -> int:
        return 1000

    def reset_peak_memory_stats(self, _: Any) -> None:
        self.peak = 1000

    def max_memory_allocated(self, _: Any) -> int:
        return self.peak

    def mem_get_info(self, _: Any) -> tuple[int, int]:
        return self.free, 10 * self.free


def feed(device: Device, kind: str) -> DeviceFeed:
    return DeviceFeed(device, SimpleNamespace(type=kind))


@pytest.mark.parametrize(
    ("threads", "lanes", "each"), [(1, 1, 1), (2, 2, 1), (8, 8, 1), (16, 8, 2), (20, 8, 2)]
)
def test_processors_are_shared_out_among_lanes(threads: int, lanes: int, each: int) -> None:
    device = Device(threads)
    made = feed(device, "cpu")
    made.begin_lane()
    assert (made.lanes, device.told) == (lanes, [each])
    assert made.lanes * each <= threads


def test_other_devices_have_one_lane() -> None:
    device = Device()
    made = feed(device, "mps")
    made.begin_lane()
    assert (made.lanes, device.told) == (1, [])


def test_a_gpu_has_a_stream_for_each_lane_and_none_outside() -> None:
    device = Device()
    made = feed(device, "cuda")

    def work() -> None:
        made.begin_lane()
        with made.enter_lane():
            pass

    with made.enter_lane():
        pass
    for name in ("first", "second"):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
    assert made.lanes > 1
    assert device.told == ["stream of first", "stream of second"]


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_answers_come_back_as_they_are(kind: str) -> None:
    rng = np.random.default_rng(3)
    values: list[NDArray[Any]] = [
        rng.normal(size=(3, 1, 5, 3)).astype(np.float32),
        rng.integers(0, 9, (3, 2)),
        rng.normal(size=(3, 4)).astype(np.float32),
        np.zeros((3, 0), np.float32),
    ]
    device = Device()
    found = feed(device, kind).download([Tensor(value) for value in values])
    for one, expected in zip(found, values, strict=True):
        np.testing.assert_array_equal(one, expected)
        assert (one.shape, one.dtype) == (expected.shape, expected.dtype)
    # One piece for each type of number, and one wait for all of them.
    assert device.told == ([] if kind == "cpu" else ["cat", "cat", "waited"])


@pytest.mark.parametrize(
    ("most", "free", "each", "expected"),
    [(32, 10_000, 1, 32), (32, 1000, 100, 7), (32, 1000, 5000, 1), (0, 1000, 1, 1), (4, 9, 0, 4)],
)
def test_a_batch_fits_into_what_is_free(most: int, free: int, each: int, expected: int) -> None:
    assert largest_batch(most, free, each) == expected


def test_a_batch_is_as_large_as_one_frame_tells() -> None:
    device = Device(free=100_000)
    made = feed(device, "cuda")

    def run_one() -> None:
        device.peak = 1000 + 5000

    assert made.choose_batch_size(32, run_one) == int(70_000 / 5000 / made.lanes)
    assert feed(device, "cpu").choose_batch_size(0, run_one) == 1


class FullError(Exception):
    """Stands for torch's own."""


class Finder:
    """Has memory for so many frames at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.tried: list[int] = []

    def predict(self, batch: NDArray[np.uint8]) -> list[dict[str, NDArray[Any]]]:
        self.tried.append(len(batch))
        if len(batch) > self.room:
            raise FullError
        return [{"bodyparts": np.full((1, 1, 3), frame[0, 0, 0])} for frame in batch]


def network(room: int) -> tuple[Any, Finder]:
    made: Any = object.__new__(TorchNetwork)
    made._torch = SimpleNamespace(OutOfMemoryError=FullError, cuda=Device())
    made._finder, made._most = Finder(room), 99
    made._columns, made._parts = None, {"bodyparts": ("nose",), "unique_bodyparts": ()}
    return made, made._finder


def frames(count: int) -> NDArray[np.uint8]:
    return np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)


@pytest.mark.parametrize("count", [1, 2, 13, 32])
@pytest.mark.parametrize("room", [1, 3, 8, 40])
def test_no_frame_is_lost_where_memory_is_short(count: int, room: int) -> None:
    made, _ = network(room)
    for _ in range(2):
        found = made.predict(frames(count))["bodyparts"]
        np.testing.assert_array_equal(found[:, 0, 0, 0], np.arange(count))


def test_what_was_too_much_is_not_tried_again() -> None:
    made, finder = network(room=5)
    made.predict(frames(32))
    finder.tried.clear()
    made.predict(frames(32))
    assert finder.tried == [4] * 8


def test_no_room_for_a_single_frame_may_pass() -> None:
    made, _ = network(room=0)
    with pytest.raises(Retriable, match="too little free memory for a single frame"):
        made.predict(frames(4))
