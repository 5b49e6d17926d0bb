"""How many frames, and animals, go to the networks of a top-down model at a time."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.pose.top_down import TopDown

PIXELS = 4 * 640 * 480


def runner(rows: int | None = None, columns: int | None = None) -> Any:
    """One whose preprocessor makes a frame as large as said, or leaves it as it is."""

    def preprocessor(frame: Any, context: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        shape = (rows or frame.shape[0], columns or frame.shape[1])
        return np.zeros((len(context.get("bboxes", [0])), 3, *shape), np.float32), context

    network = SimpleNamespace(modules=list, forward=None)
    return SimpleNamespace(preprocessor=preprocessor, batch_size=1, device="cpu", model=network)


@pytest.mark.parametrize(
    ("detector", "poses", "expected"),
    [
        (runner(), runner(256, 256), (4, 1, 18)),
        (runner(), runner(960, 1280), (4, 1, 1)),
        (runner(960, 1280), runner(256, 256), (1, 1, 18)),
        (runner(48, 64), runner(256, 256), (4, 1, 18)),
    ],
)
def test_batches_are_as_large_as_the_networks_see_them(
    detector: Any, poses: Any, expected: tuple[int, int, int]
) -> None:
    finder = TopDown(detector, poses, PIXELS)
    frames = finder.batch_size(np.zeros((480, 640, 3), np.uint8))
    assert (frames, detector.batch_size, poses.batch_size) == expected
