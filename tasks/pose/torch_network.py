"""A PyTorch model: DeepLabCut's own network, weights and predictor, on a device."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.errors import BadInput, Retriable
from tasks.pose.frozen import Outputs, freeze
from tasks.pose.movies import Image
from tasks.pose.network import Loaded
from tasks.pose.poses import pose_table

_PIXELS_AT_ONCE = {"cpu": 4 * 640 * 480, "cuda": 32 * 640 * 480}
"""Pixels that go to the network at a time. More is no faster on a CPU, only larger: a ResNet's
activations take about 1 kB for each pixel."""


class TorchNetwork:
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

    def predict(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
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
        return np.concatenate([self.predict(batch[:half]), self.predict(batch[half:])])

    def table(self, predictions: Sequence[NDArray[np.float32]]) -> pd.DataFrame:
        """Put a movie's poses into DeepLabCut's table."""
        return pose_table(np.concatenate(predictions), self.loaded.scorer, self.parts)

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
