"""Animals are found, cut out and looked at in lanes, and come back to the frame they are from."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tasks.pose.network.pytorch.top_down import TopDown

PIXELS = 4 * 640 * 480
SIDE = 8
"""Pixels of an animal's picture."""


class Normalize:
    """As albumentations' class of this name: the step that is done on the device."""

    mean, std, max_pixel_value = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 255.0


class Resize:
    """A step that is not."""


class AugmentImage:
    """As DeepLabCut's class of this name."""

    def __init__(self, *steps: Any) -> None:
        self.transform = SimpleNamespace(transforms=list(steps))


class Crop:
    """Cuts animals out, without scaling: a picture of each box' first pixel."""

    def __call__(self, frame: Any, context: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        corners = [frame[int(y), int(x)] for x, y, *_ in context["bboxes"]]
        pictures = np.empty((len(corners), SIDE, SIDE, 3), np.uint8)
        pictures[:] = np.array(corners, np.uint8).reshape(-1, 1, 1, 3)
        return pictures, context


class Preprocessor:
    """What a runner does to a frame: its steps, and how large it comes out of them."""

    def __init__(self, *components: Any, size: tuple[int, int] | None = None) -> None:
        self.components, self.size = components, size

    def __call__(self, frame: Any, context: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if isinstance(self.components[0], Crop):
            pictures, context = self.components[0](frame, context)
            return torch.from_numpy(pictures / np.float32(255)).permute(0, 3, 1, 2), context
        return torch.zeros((1, 3, *(self.size or frame.shape[:2]))), context


class Detector(torch.nn.Module):
    """Finds in each frame as many animals as its first pixel says, side by side."""

    def forward(self, frames: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        counts = [round(float(frame[0, 0, 0]) * 255) for frame in frames]
        return {}, [
            {
                "boxes": torch.tensor([[1.0 + i, 0, 9, 9] for i in range(n)]).reshape(-1, 4),
                "scores": torch.ones(n),
            }
            for n in counts
        ]


class Poses(torch.nn.Module):
    """Says of each picture how bright it is, and notes how many it sees at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, pictures: Any) -> Any:
        self.sizes.append(len(pictures))
        return pictures

    def get_predictions(self, pictures: Any) -> dict[str, dict[str, Any]]:
        return {"bodypart": {"poses": pictures.mean(dim=(1, 2, 3)).reshape(-1, 1, 1) * 255}}


def _boxes(found: list[Any], context: Any) -> tuple[dict[str, Any], Any]:
    (one,) = found
    boxes = one["detection"]["bboxes"]
    return {"bboxes": boxes, "bbox_scores": one["detection"]["scores"]}, context


def _bodyparts(found: list[Any], context: Any) -> tuple[dict[str, Any], Any]:
    poses = [one["bodypart"]["poses"] for one in found]
    bodyparts = np.concatenate(poses) if poses else np.zeros((0, 1))
    return {"bodyparts": bodyparts, "bboxes": context["bboxes"]}, context


def detector(*steps: Any, size: tuple[int, int] | None = None) -> Any:
    preprocessor = Preprocessor(AugmentImage(*steps), size=size)
    return SimpleNamespace(preprocessor=preprocessor, postprocessor=_boxes, model=Detector())


def poses(*steps: Any) -> Any:
    return SimpleNamespace(
        preprocessor=Preprocessor(Crop(), AugmentImage(*steps)),
        postprocessor=_bodyparts,
        model=Poses(),
        device="cpu",
    )


def frame(*brightness: int) -> NDArray[np.uint8]:
    """A frame whose first pixel is the number of its animals, and the next theirs."""
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[0, : len(brightness) + 1] = np.array([len(brightness), *brightness])[:, None]
    return picture


@pytest.mark.parametrize(("size", "expected"), [((480, 640), 5), ((1500, 2000), 2), ((48, 64), 5)])
def test_a_detector_sees_more_than_there_is_in_a_small_frame(
    size: tuple[int, int], expected: int
) -> None:
    finder = TopDown(detector(Resize(), size=size), poses(Normalize()), 5 * PIXELS)
    assert finder.begin_movie(frame()) == expected


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ({"fixed_size": (320, 320)}, 20),
        ({"fixed_size": None, "min_size": (800,), "max_size": 1333}, 5),
    ],
)
def test_a_detector_scales_frames_itself(transform: dict[str, Any], expected: int) -> None:
    runner = detector(Normalize())
    runner.model.model = SimpleNamespace(transform=SimpleNamespace(**transform))
    assert TopDown(runner, poses(Normalize()), 5 * PIXELS).begin_movie(frame()) == expected


@pytest.mark.parametrize(
    ("of_frames", "of_animals", "path"),
    [
        (Normalize(), Normalize(), "device"),
        (Resize(), Normalize(), "deeplabcut"),
        (Normalize(), Resize(), "deeplabcut"),
    ],
)
def test_the_path_is_told_of_both_networks(of_frames: Any, of_animals: Any, path: str) -> None:
    finder = TopDown(detector(of_frames), poses(of_animals), PIXELS)
    finder.begin_movie(frame())
    assert finder.frame_preparer == path


@pytest.mark.parametrize("step", [Normalize(), Resize()])
def test_animals_come_back_to_their_frames(step: Any) -> None:
    network = poses(step)
    finder = TopDown(detector(Normalize()), network, PIXELS)
    finder.begin_movie(frame())
    seen = [(7, 40), (), (90,), (200, 3, 250)]
    found = finder.predict(np.stack([frame(*one) for one in seen]))
    assert [one["bodyparts"].ravel().round().tolist() for one in found] == [list(s) for s in seen]
    assert network.model.sizes == [1] * 6
    assert [set(one) for one in found] == [{"bodyparts"}] * 4


def test_a_box_of_less_than_a_pixel_is_no_animal() -> None:
    runner = detector(Normalize())
    runner.postprocessor = lambda found, context: (
        {"bboxes": np.array([[0.0, 0, 0.4, 0.5], [2, 0, 9, 9]]), "bbox_scores": np.ones(2)},
        context,
    )
    finder = TopDown(runner, poses(Normalize()), PIXELS)
    finder.begin_movie(frame())
    (found,) = finder.predict(frame(5, 60)[None])
    assert found["bodyparts"].ravel().round().tolist() == [60]
