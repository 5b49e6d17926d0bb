"""Transfer of batches to a device and of answers back, several at a time.

A lane is a thread that takes one batch after the other through the network. On a CPU each lane has
processors of its own: threads that share one layer must wait for each other at its end, at every
layer, and where another program has one of the processors, all of them wait for it (on two
cores with other programs, two lanes took 39 ms a frame where two threads in one took 111). On a
GPU a lane is a stream: while one batch is computed the next is uploaded and the last put together.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_CPU_LANES = 8
"""Each holds a network's activations; a machine with more processors gives each lane several."""

_GPU_LANES = 3
"""One is uploaded, one computed, one put together."""

_USED_MEMORY_SHARE = 0.7
"""Share of a GPU's free memory that batches take; the rest is for fragments, and for others."""


class DeviceFeed:
    """The way to a device and back.

    Args:
        torch: The module.
        device: The torch device.
        most_cpu_lanes: How many batches there are at a time on a CPU, at most.

    Attributes:
        lanes: How many batches are on their way at a time.
        device: The torch device.
    """

    def __init__(self, torch: Any, device: Any, most_cpu_lanes: int = _MAX_CPU_LANES) -> None:
        self._torch, self.device = torch, device
        self._is_cuda = device.type == "cuda"
        threads = torch.get_num_threads()
        others = 1 if device.type != "cpu" else min(threads, most_cpu_lanes)
        self.lanes = _GPU_LANES if self._is_cuda else others
        self._threads = max(1, threads // self.lanes)
        self._own = threading.local()

    def begin_lane(self) -> None:
        """Make the calling thread a lane."""
        if self._is_cuda:
            self._own.stream = self._torch.cuda.Stream(self.device)
        elif self.device.type == "cpu":
            self._torch.set_num_threads(self._threads)

    @contextmanager
    def enter_lane(self) -> Iterator[None]:
        """Run what is in the block in the calling thread's lane."""
        with ExitStack() as stack:
            stack.enter_context(self._torch.inference_mode())
            if stream := getattr(self._own, "stream", None):
                stack.enter_context(self._torch.cuda.stream(stream))
            yield

    def choose_batch_size(self, most: int, run_one: Callable[[], object]) -> int:
        """Choose the batch size: on a GPU, the largest that all lanes have memory for.

        Args:
            most: How many frames are enough.
            run_one: Takes a single frame through the network.
        """
        if not self._is_cuda:
            return max(1, most)
        cuda, device = self._torch.cuda, self.device
        cuda.empty_cache()
        before = cuda.memory_allocated(device)
        cuda.reset_peak_memory_stats(device)
        with self.enter_lane():
            run_one()
        each = cuda.max_memory_allocated(device) - before
        cuda.empty_cache()
        free, _ = cuda.mem_get_info(device)
        return largest_batch(most, free, each * self.lanes)

    def allocate_batch(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Memory for a batch; a GPU reads its kind by itself, without the processor's help."""
        if not self._is_cuda:
            return np.empty(shape, np.uint8)
        pinned = self._torch.empty(shape, dtype=self._torch.uint8, pin_memory=True)
        memory: NDArray[np.uint8] = pinned.numpy()
        return memory

    def upload(self, batch: NDArray[np.uint8]) -> Any:
        """Move a batch to the device, in one piece and as bytes."""
        return self._torch.from_numpy(batch).to(self.device, non_blocking=True)

    def download(self, values: Sequence[Any]) -> list[NDArray[Any]]:
        """Bring a batch's answers from the device, in one piece for each type of number."""
        if not self._is_cuda:
            return [value.cpu().numpy() for value in values]
        return self._unpack_values(values, self._download_by_type(values))

    def _download_by_type(self, values: Sequence[Any]) -> dict[Any, NDArray[Any]]:
        """All numbers of each type, one after the other."""
        kinds = dict.fromkeys(value.dtype for value in values)
        packed = {
            kind: self._torch.cat([v.reshape(-1) for v in values if v.dtype == kind])
            for kind in kinds
        }
        # Into memory that the GPU writes by itself: that is what it asks for when it need not wait.
        here = {kind: numbers.to("cpu", non_blocking=True) for kind, numbers in packed.items()}
        self._wait_for_stream()
        return {kind: numbers.numpy() for kind, numbers in here.items()}

    def _wait_for_stream(self) -> None:
        """Until the lane's stream has done all that it was given; other threads go on."""
        self._torch.cuda.current_stream(self.device).synchronize()

    def _unpack_values(
        self, values: Sequence[Any], numbers: dict[Any, NDArray[Any]]
    ) -> list[NDArray[Any]]:
        places = dict.fromkeys(numbers, 0)
        found = []
        for value in values:
            start = places[value.dtype]
            places[value.dtype] = stop = start + value.numel()
            found.append(numbers[value.dtype][start:stop].reshape(tuple(value.shape)))
        return found


def largest_batch(most: int, free: int, each: int) -> int:
    """Return the most frames that fit into memory, with some left for other programs.

    Args:
        most: How many frames are enough.
        free: Bytes that are free.
        each: Bytes that a frame takes.
    """
    return max(1, min(most, int(free * _USED_MEMORY_SHARE / max(1, each))))
