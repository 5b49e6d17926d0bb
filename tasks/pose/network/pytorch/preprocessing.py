"""Pictures as a network wants them: moved to its device as bytes, and normalized there."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.pytorch.device import DeviceFeed

Batch = NDArray[np.uint8]
PictureContext = dict[str, Any]
"""Facts by which DeepLabCut maps the network's picture back to the frame."""

_AUGMENTATION_STEP = "AugmentImage"
_PADDING_STEP = "PadIfNeeded"

_STEPS_TO_DEVICE = {"ToTensor", "ToBatch"}
"""Steps that only lay pictures out for the network, as we do ourselves."""


class _Preprocessor:
    """Preprocessing of one of DeepLabCut's runners, as one step on the device if possible.

    Args:
        torch: The module.
        runner: DeepLabCut's runner.
        feed: The way to its device.

    Attributes:
        on_device: Whether pictures are moved as bytes and normalized on the device; else
            DeepLabCut prepares each of them.
    """

    def __init__(self, torch: Any, runner: Any, feed: DeviceFeed) -> None:
        self._torch, self._feed = torch, feed
        self._prepare = runner.preprocessor
        names = [type(step).__name__ for step in runner.preprocessor.components]
        place = names.index(_AUGMENTATION_STEP)
        self._before = runner.preprocessor.components[:place]
        self._after = [
            step
            for step in runner.preprocessor.components[place + 1 :]
            if type(step).__name__ not in _STEPS_TO_DEVICE
        ]
        steps = list(runner.preprocessor.components[place].transform.transforms)
        self._paddings, self._normalize = _build_normalization(steps, torch, feed)
        self.on_device = self._normalize is not None

    def _normalize_on_device(self, batch: Batch) -> Any:
        assert self._normalize is not None
        return self._normalize(batch)

    def _needs_only_normalization(self, picture: Image) -> bool:
        """Return whether a picture needs normalization only; else DeepLabCut pads it."""
        return self._normalize is not None and all(
            pad(image=picture)["image"].shape == picture.shape for pad in self._paddings
        )


class FramePreprocessor(_Preprocessor):
    """Whole frames."""

    def begin_movie(self, frame: Image) -> int:
        """Begin a movie with its first frame.

        Returns:
            Pixels of a frame, or of what the network sees of it if that is more.
        """
        rows, columns = frame.shape[:2]
        self.on_device = self._needs_only_normalization(frame)
        if self.on_device:
            return int(rows * columns)
        inputs, _ = self._prepare(frame, {"image_size": (columns, rows)})
        return int(max(rows * columns, inputs.shape[-2] * inputs.shape[-1]))

    @property
    def window_divisor(self) -> int:
        """Pixels of which windows begin at a multiple to be padded as frames are; 0 if none do."""
        if self._normalize is None:
            return 0
        divisors = [_read_divisors(pad) for pad in self._paddings]
        return 0 if None in divisors else math.lcm(*(n for pair in divisors for n in pair or ()))

    def prepare_inputs(self, batch: Batch) -> tuple[Any, list[PictureContext]]:
        """Convert RGB frames, shape (frames, height, width, 3), to the network's input.

        Returns:
            On the device, float32, shape (frames, 3, height, width); and what belongs to each.
        """
        size = {"image_size": (batch.shape[2], batch.shape[1])}
        if self.on_device:
            even = {"offsets": (0, 0), "scales": (1, 1)}
            return self._normalize_on_device(batch), [size | even for _ in batch]
        pairs = [self._prepare(frame, dict(size)) for frame in batch]
        inputs = self._torch.cat([inputs for inputs, _ in pairs]).to(self._feed.device)
        return inputs, [context for _, context in pairs]


class AnimalPreprocessor(_Preprocessor):
    """Animals that are cut out of frames, all scaled to one size."""

    def begin_movie(self, frame: Image, animal: PictureContext | None = None) -> int:
        """Begin a movie with its first frame.

        Args:
            frame: RGB, shape (height, width, 3).
            animal: The runner's description of one animal that fills the frame; by default a box.

        Returns:
            Pixels of what the network sees of an animal.
        """
        whole = animal or full_frame_boxes(frame, 1)
        self.on_device = self._needs_only_normalization(self._crop_animals(frame, whole)[0][0])
        (picture,), _ = self.cut_animals(frame, whole)
        return int(np.prod(picture.shape)) // 3

    def cut_animals(
        self, frame: Image, boxes: PictureContext
    ) -> tuple[Sequence[Any], PictureContext]:
        """Cut animals out of a frame.

        Args:
            frame: RGB, shape (height, width, 3).
            boxes: ``bboxes``: left, top, width, height of each animal, shape (animals, 4).

        Returns:
            A picture of each animal, and what belongs to all of them.
        """
        return (
            self._crop_animals(frame, boxes)
            if self.on_device
            else self._prepare(frame, dict(boxes))
        )

    def _crop_animals(
        self, frame: Image, boxes: PictureContext
    ) -> tuple[Sequence[Any], PictureContext]:
        """Animals as bytes, by those of DeepLabCut's steps that come before the normalization."""
        pictures: Any = frame
        context = dict(boxes)
        for step in (*self._before, *self._after):
            pictures, context = step(pictures, context)
        return pictures, context

    def prepare_inputs(self, pictures: Sequence[Any]) -> Any:
        """Convert pictures to the input on the device, shape (pictures, 3, height, width)."""
        if not self.on_device:
            return self._torch.stack(list(pictures)).to(self._feed.device)
        memory = self._feed.allocate_batch((len(pictures), *pictures[0].shape))
        return self._normalize_on_device(np.stack(pictures, out=memory))


def full_frame_boxes(frame: Image, animals: int) -> PictureContext:
    """Boxes of animals that fill a frame, as a detector gives them."""
    rows, columns = frame.shape[:2]
    return {"bboxes": np.tile([0, 0, columns, rows], (animals, 1)), "bbox_scores": np.ones(animals)}


def _read_divisors(pad: Any) -> tuple[int, int] | None:
    """Multiples to which a step pads pictures at the right and below; None if it pads otherwise."""
    divisors = pad.pad_height_divisor, pad.pad_width_divisor
    place = str(getattr(pad.position, "value", pad.position))
    return divisors if all(divisors) and place == "top_left" else None


def _build_normalization(
    steps: list[Any], torch: Any, feed: DeviceFeed
) -> tuple[list[Any], Callable[[Batch], Any] | None]:
    """Paddings, and a normalization on the device; None where a model asks for more than that."""
    names = [type(step).__name__ for step in steps]
    if names[-1:] != ["Normalize"] or set(names[:-1]) - {_PADDING_STEP}:
        return [], None
    *paddings, last = steps
    full = np.float32(last.max_pixel_value)
    mean = torch.from_numpy(np.array(last.mean, np.float32) * full).to(feed.device)
    scale = np.reciprocal(np.array(last.std, np.float32) * full)
    factor = torch.from_numpy(scale).to(feed.device)

    def normalize_batch(batch: Batch) -> Any:
        pixels = feed.upload(batch).to(torch.float32)
        # Channels stay last in memory, as they are in a decoded frame.
        return pixels.sub_(mean).mul_(factor).permute(0, 3, 1, 2)

    return paddings, normalize_batch
