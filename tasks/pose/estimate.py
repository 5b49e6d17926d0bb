"""Estimate poses: DeepLabCut's own network, weights and predictor, fed by our own reader.

`deeplabcut.analyze_videos` keeps growing in memory on a CPU, prepares frames one at a time, and
counts frames by the container's claim. Here frames are decoded in a thread, moved to the device as
bytes, normalized there, and predicted with DeepLabCut's model and predictor; the answer is the
same to within rounding (tests compare it with `analyze_videos`).

These functions run in a child process of their own (`tasks.pose.processes`).
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.errors import BadInput, Retriable, StageFailed
from tasks.pose.frozen import Outputs, freeze
from tasks.pose.keypoints import COORDS
from tasks.pose.movies import Image, MovieReader, Timing
from tasks.pose.settings import Crop

H5_KEY = "df_with_missing"

_QUEUED_BATCHES = 3
"""Batches that are decoded ahead of the network."""

_PIXELS_AT_ONCE = {"cpu": 4 * 640 * 480, "cuda": 32 * 640 * 480}
"""Pixels that go to the network at a time. More is no faster on a CPU, only larger: a ResNet's
activations take about 1 kB for each pixel."""


@dataclass(frozen=True)
class Loaded:
    """A model in memory, as the run record tells it.

    Attributes:
        scorer: The name that DeepLabCut gives to this model's results.
        snapshot: File name of the snapshot that was loaded.
        device: The torch device that it runs on.
        path: Which feed the frames take: ``device`` (normalized on the device) or ``deeplabcut``
            (prepared by DeepLabCut's own transforms, frame by frame).
        repairs: Settings of the archive that DeepLabCut does not know and that were left out.
    """

    scorer: str
    snapshot: str
    device: str
    path: str
    repairs: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """What estimation found in a movie.

    Attributes:
        frames: Number of poses, one for each decodable frame.
        timing: When the frames were shown.
        decode_errors: What the decoder could not read.
        loaded: The model that ran.
        batch_size: Frames that went to the network at a time.
        seconds: From the first frame's decoding to the last pose.
    """

    frames: int
    timing: Timing
    decode_errors: tuple[str, ...]
    loaded: Loaded
    batch_size: int
    seconds: float


def load(project: Path, device: str | None = None) -> Loaded:
    """Load the project's model into this process, where later calls find it.

    Args:
        project: A DeepLabCut project with exactly one snapshot.
        device: A torch device; by default a GPU where there is one.

    Returns:
        What was loaded.

    Raises:
        BadInput: The weights do not fit the network, or hold more than weights.
    """
    return _network(str(project), device).loaded


def estimate(
    project: Path,
    movie: Path,
    target: Path,
    crop: Crop | None,
    device: str | None,
    progress: Callable[[int], None],
) -> Estimate:
    """Estimate the pose in every decodable frame and write DeepLabCut's H5.

    Args:
        project: A DeepLabCut project with exactly one snapshot.
        movie: A local movie.
        target: The H5 file to write: key ``df_with_missing``, table format; coordinates in pixels,
            relative to the crop as DeepLabCut has them.
        crop: The rectangle that goes to the network; None for the whole frame.
        device: A torch device; by default a GPU where there is one.
        progress: Called with the number of frames that have a pose.

    Returns:
        Number and times of the frames, and what ran.

    Raises:
        BadInput: The movie or the model cannot be read, or the weights do not fit.
        Retriable: The device has too little free memory for a single frame.
        StageFailed: A decoded frame has no pose.
    """
    network = _network(str(project), device)
    reader = MovieReader(movie)
    started = time.monotonic()
    chunks: list[NDArray[np.float32]] = []
    done = 0
    frames = _cropped(reader, crop)
    first = next(frames, None)
    if first is None:
        raise BadInput(f"{movie.name}: none of its frames can be decoded")
    batch_size = network.batch_size(first)
    with _feeding(chain([first], frames), batch_size) as batches:
        for batch in batches:
            chunks.append(network.poses(batch))
            done += len(batch)
            progress(done)
    seconds = time.monotonic() - started
    if done != reader.frames:
        raise StageFailed(f"{movie.name}: {reader.frames} frames decode, but {done} have a pose")
    write_poses(pose_table(np.concatenate(chunks), network.loaded.scorer, network.parts), target)
    return Estimate(
        frames=done,
        timing=reader.timing(),
        decode_errors=tuple(reader.errors),
        loaded=network.loaded,
        batch_size=batch_size,
        seconds=seconds,
    )


def pose_table(
    poses: NDArray[np.float32], scorer: str, body_parts: tuple[str, ...]
) -> pd.DataFrame:
    """Label an array of poses as DeepLabCut does for a single animal.

    Args:
        poses: Shape (frames, body parts, 3): x and y in pixels, likelihood 0–1.
        scorer: The name for the first column level.
        body_parts: Names in the network's order.

    Returns:
        One row a frame; column levels scorer, bodyparts, coords.
    """
    columns = pd.MultiIndex.from_product(
        [[scorer], body_parts, COORDS], names=["scorer", "bodyparts", "coords"]
    )
    return pd.DataFrame(poses.reshape(len(poses), -1), columns=columns, index=range(len(poses)))


def write_poses(table: pd.DataFrame, target: Path) -> None:
    """Write a table of poses in the form that DeepLabCut writes and its tools read."""
    table.to_hdf(target, key=H5_KEY, format="table", mode="w")


def read_poses(source: Path) -> pd.DataFrame:
    """Read a table of poses that DeepLabCut or `write_poses` wrote."""
    table = pd.read_hdf(source, key=H5_KEY)
    assert isinstance(table, pd.DataFrame)
    return table


# --- frames ----------------------------------------------------------------------------------


def cropped_edges(crop: Crop, width: int, height: int) -> tuple[int, int, int, int]:
    """Where DeepLabCut really cuts: it goes through fractions of the frame and rounds down.

    Args:
        crop: The rectangle that was asked for.
        width: Columns of the frame.
        height: Rows of the frame.

    Returns:
        Left, right, top, bottom in pixels; now and then one less than asked for.

    Raises:
        BadInput: Nothing is left of a crop that is one pixel wide or high.
    """
    left, right = int(width * (crop.left / width)), int(width * (crop.right / width))
    top, bottom = int(height * (crop.top / height)), int(height * (crop.bottom / height))
    if left == right or top == bottom:
        raise BadInput(
            f"crop: {crop.width}×{crop.height} pixels are too few, DeepLabCut rounds them down to "
            f"{right - left}×{bottom - top}; make it larger"
        )
    return left, right, top, bottom


def _cropped(frames: MovieReader, crop: Crop | None) -> Iterator[Image]:
    for frame in frames:
        if crop is None:
            yield frame
        else:
            left, right, top, bottom = cropped_edges(crop, frame.shape[1], frame.shape[0])
            yield frame[top:bottom, left:right]


@contextmanager
def _feeding(frames: Iterator[Image], size: int) -> Iterator[Iterator[NDArray[np.uint8]]]:
    """Decode in a thread, a few batches ahead of the network.

    Yields:
        An iterator over batches, each of shape (at most `size`, height, width, 3).
    """
    batches: queue.Queue[NDArray[np.uint8] | BaseException | None] = queue.Queue(_QUEUED_BATCHES)
    stopped = threading.Event()

    def put(item: NDArray[np.uint8] | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                batches.put(item, timeout=0.5)
                return

    def decode() -> None:
        try:
            while (batch := list(islice(frames, size))) and not stopped.is_set():
                put(np.stack(batch))
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the frames are used
            put(error)

    thread = threading.Thread(target=decode, name="decoder")
    thread.start()
    try:
        yield _taken(batches)
    finally:
        stopped.set()
        thread.join()


def _taken(
    batches: "queue.Queue[NDArray[np.uint8] | BaseException | None]",
) -> Iterator[NDArray[np.uint8]]:
    while (item := batches.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


# --- network ---------------------------------------------------------------------------------


class _Network:
    """DeepLabCut's model and predictor on a device."""

    def __init__(self, project: Path, device: str | None) -> None:
        import torch  # noqa: PLC0415 - seconds, and only this process needs it

        self._torch = torch
        config, repairs = _network_config(project)
        self._runner, scorer, snapshot = _runner(project, config, device)
        self.parts = tuple(config["metadata"]["bodyparts"])
        self._device = torch.device(self._runner.device)
        self._normalize = _normalization(self._runner, torch, self._device)
        # Twice as fast on a CPU and on tensor cores; results differ by rounding only.
        self._model = self._runner.model.to(memory_format=torch.channels_last)
        self._frozen: Callable[[Any], Outputs] | None = None
        self._frozen_shape: tuple[int, ...] | None = None
        self._last_shape: tuple[int, ...] | None = None
        self.loaded = Loaded(
            scorer=scorer,
            snapshot=snapshot,
            device=str(self._device),
            path="device" if self._normalize else "deeplabcut",
            repairs=repairs,
        )

    def batch_size(self, frame: Image) -> int:
        """How many frames of this size go to the network at a time."""
        pixels = _PIXELS_AT_ONCE.get(self._device.type, _PIXELS_AT_ONCE["cpu"])
        return max(1, int(pixels // (frame.shape[0] * frame.shape[1])))

    def poses(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Predict a batch, in halves where the device has too little memory for it.

        Args:
            batch: RGB, shape (frames, height, width, 3).

        Returns:
            Shape (frames, body parts, 3): x, y in pixels, likelihood.
        """
        try:
            with self._torch.no_grad():
                return self._predict(batch)
        except self._torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise Retriable("the GPU has too little free memory for a single frame") from error
        self._torch.cuda.empty_cache()
        half = len(batch) // 2
        return np.concatenate([self.poses(batch[:half]), self.poses(batch[half:])])

    def _predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        inputs, contexts = self._inputs(batch)
        raw = self._model.get_predictions(self._outputs(inputs))
        heads = {
            head: {name: value.cpu().numpy() for name, value in values.items()}
            for head, values in raw.items()
        }
        found = [self._pose(heads, index, context) for index, context in enumerate(contexts)]
        return np.stack(found).astype(np.float32, copy=False)

    def _outputs(self, inputs: Any) -> Any:
        """Run the network; on a CPU frozen for the shape that comes again and again."""
        shape = tuple(inputs.shape)
        if self._device.type == "cpu" and shape == self._last_shape != self._frozen_shape:
            self._frozen, self._frozen_shape = freeze(self._model, inputs), shape
        self._last_shape = shape
        frozen = self._frozen if shape == self._frozen_shape else None
        return (frozen or self._model)(inputs)

    def _inputs(self, batch: NDArray[np.uint8]) -> tuple[Any, list[dict[str, Any]]]:
        size = {"image_size": (batch.shape[2], batch.shape[1])}
        if self._normalize is not None:
            even = {"offsets": (0, 0), "scales": (1, 1)}
            return self._normalize(batch), [size | even for _ in batch]
        pairs = [self._runner.preprocessor(frame, dict(size)) for frame in batch]
        inputs = self._torch.cat([inputs for inputs, _ in pairs]).to(self._device)
        return inputs, [context for _, context in pairs]

    def _pose(
        self, heads: dict[str, dict[str, NDArray[Any]]], index: int, context: dict[str, Any]
    ) -> NDArray[Any]:
        """Let DeepLabCut put one frame's outputs together."""
        one = {head: {k: v[index] for k, v in values.items()} for head, values in heads.items()}
        pose = self._runner.postprocessor([one], context)[0]["bodyparts"][0, :, :3]
        if len(pose) != len(self.parts):
            raise BadInput(
                f"the network gives {len(pose)} body parts, but its configuration names "
                f"{len(self.parts)} ({', '.join(self.parts)})"
            )
        return pose  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _network(project: str, device: str | None) -> _Network:
    return _Network(Path(project), device)


def _network_config(project: Path) -> tuple[Any, tuple[str, ...]]:
    """Load pytorch_config.yaml, leaving out what this DeepLabCut does not know.

    DeepLabCut's schema refuses unknown keys, so a good model of another version would fail.
    """
    import yaml  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    (path,) = project.glob("dlc-models-pytorch/*/*/train/pytorch_config.yaml")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return PoseConfig.from_dict(values), ()
    except ValidationError as error:
        unknown = [e["loc"] for e in error.errors() if e["type"] == "extra_forbidden"]
        if not unknown:
            raise BadInput(f"pytorch_config.yaml: {_first(error)}") from error
    for where in unknown:
        _leave_out(values, where)
    try:
        config = PoseConfig.from_dict(values)
    except ValidationError as error:
        raise BadInput(f"pytorch_config.yaml: {_first(error)}") from error
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    names = (".".join(map(str, where)) for where in unknown)
    return config, tuple(f"pytorch_config.yaml: unknown key {name} left out" for name in names)


def _leave_out(values: Any, where: tuple[Any, ...]) -> None:
    """Remove a key by its path; steps that only the schema has (union members) are skipped."""
    for step in where[:-1]:
        if isinstance(values, dict) and step in values:
            values = values[step]
    if isinstance(values, dict):
        values.pop(where[-1], None)


def _first(error: Any) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _runner(project: Path, config: Any, device: str | None) -> tuple[Any, str, str]:
    """Build DeepLabCut's inference runner, its scorer name, and the snapshot it loaded."""
    import torch  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.apis import utils  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.data import DLCLoader  # noqa: PLC0415

    loader = DLCLoader(project / "config.yaml", trainset_index=0, shuffle=_shuffle(project))
    (snapshot,) = utils.get_model_snapshots("all", loader.model_folder, loader.pose_task)
    try:
        runner = utils.get_pose_inference_runner(
            config,
            snapshot.path,
            device=device,
            max_individuals=len(config["metadata"]["individuals"]),
        )
    except (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError, OSError) as error:
        raise Retriable(f"the device has no room for the model now: {_short(error)}") from error
    except Exception as error:
        raise BadInput(
            f"{snapshot.path.name}: its weights cannot be loaded into the network that "
            f"pytorch_config.yaml describes ({type(error).__name__}: {_short(error)})"
        ) from error
    return runner, loader.scorer(snapshot), snapshot.path.name


def _shuffle(project: Path) -> int:
    (folder,) = project.glob("dlc-models-pytorch/*/*-trainset*shuffle*")
    return int(folder.name.rpartition("shuffle")[2])


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:400]


def _normalization(runner: Any, torch: Any, device: Any) -> Callable[[Any], Any] | None:
    """DeepLabCut's normalization as one step on the device, where it is all that is asked for."""
    transforms = runner.preprocessor.components[1].transform.transforms
    if len(transforms) != 1 or type(transforms[0]).__name__ != "Normalize":
        return None
    full = np.float32(transforms[0].max_pixel_value)
    mean = torch.from_numpy(np.array(transforms[0].mean, np.float32) * full).to(device)
    scale = np.reciprocal(np.array(transforms[0].std, np.float32) * full)
    factor = torch.from_numpy(scale).to(device)

    def normalize(batch: NDArray[np.uint8]) -> Any:
        frames = torch.from_numpy(batch)
        if device.type == "cuda":
            frames = frames.pin_memory().to(device, non_blocking=True)
        pixels = frames.to(torch.float32)
        # Channels stay last in memory, as they are in a decoded frame.
        return pixels.sub_(mean).mul_(factor).permute(0, 3, 1, 2)

    return normalize
