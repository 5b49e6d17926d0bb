"""A project's PyTorch model: configuration, snapshots, and DeepLabCut's runners for them."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tasks.errors import BadInput, Retriable
from tasks.messages import find_field_problem, format_error
from tasks.pose.model.project_writer import CONDITIONS_FOLDER
from tasks.pose.network.pytorch.size_check import check_snapshot_fits
from tasks.pose.untrusted.torch_pickle import allow_numpy_scalars
from tasks.pose.untrusted.yaml_numbers import format_config

_DETECTOR_BACKBONES = {
    "torchvision.models.detection.faster_rcnn": ("resnet50", "mobilenet_v3_large"),
    "torchvision.models.detection.ssdlite": ("mobilenet_v3_large",),
}
"""Functions by which torchvision builds a detector's backbone; by default they fetch weights."""


@dataclass(frozen=True)
class TorchModel:
    """A model in memory, with all that DeepLabCut knows of it.

    Attributes:
        config: Its pytorch_config.yaml.
        project: The project's config.yaml.
        folder: The folder that holds ``train`` and ``test``.
        runner: DeepLabCut's runner for poses.
        detector: DeepLabCut's runner that finds animals; top-down models only.
        conditions: DeepLabCut's runner for the poses that a conditional top-down model starts
            from.
        scorer: The name that DeepLabCut gives to this model's results.
        snapshots: File names of the snapshots that were loaded: poses, then detector.
        repairs: Settings that DeepLabCut does not know and that were left out.
    """

    config: Any
    project: Any
    folder: Path
    runner: Any
    detector: Any | None
    conditions: Any | None
    scorer: str
    snapshots: tuple[str, ...]
    repairs: tuple[str, ...]


def load_torch_model(project: Path, device: str | None) -> TorchModel:
    """Load the weights of a project with exactly one snapshot (and one of a detector).

    Args:
        project: A DeepLabCut project.
        device: A torch device; by default a GPU where there is one.

    Returns:
        The model.

    Raises:
        BadInput: The weights do not fit the network, or the configuration cannot be used.
        Retriable: The device has no room for it now.
    """
    from deeplabcut.pose_estimation_pytorch.apis import utils  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.data import DLCLoader  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.task import Task  # noqa: PLC0415

    config, repairs = _load_network_config(project)
    loader = DLCLoader(project / "config.yaml", trainset_index=0, shuffle=_read_shuffle(project))
    task = Task(config["method"])
    options = {
        "device": device,
        "max_individuals": len(config["metadata"]["individuals"]),
        "inference_cfg": _inference_settings(config),
    }
    conditions = None
    (pose,) = utils.get_model_snapshots("all", loader.model_folder, task)
    found = [(pose, utils.get_pose_inference_runner)]
    if task == Task.TOP_DOWN:
        found.append(
            (_find_detector_snapshot(loader.model_folder), utils.get_detector_inference_runner)
        )
    snapshots = [snapshot for snapshot, _ in found]
    allow_numpy_scalars()
    with _prevent_downloads():
        for (snapshot, _), network in zip(found, _network_builders(config), strict=False):
            _build_or_explain(
                partial(check_snapshot_fits, network, snapshot.path), snapshot.path.name
            )
        runners = [
            _build_or_explain(partial(build, config, snapshot.path, **options), snapshot.path.name)
            for snapshot, build in found
        ]
        if task == Task.COND_TOP_DOWN:
            conditions = _load_conditions(project, options)
    return TorchModel(
        config=config,
        project=loader.project_cfg,
        folder=loader.model_folder.parent,
        runner=runners[0],
        detector=runners[1] if len(runners) > 1 else None,
        conditions=conditions,
        scorer=loader.scorer(*snapshots),
        snapshots=tuple(snapshot.path.name for snapshot in snapshots),
        repairs=repairs,
    )


def _load_conditions(project: Path, options: dict[str, Any]) -> Any:
    """The bottom-up model of a conditional one, as `get_pose_inference_runner` builds it there."""
    from deeplabcut.pose_estimation_pytorch.apis import utils  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.models import PoseModel  # noqa: PLC0415

    folder = project / CONDITIONS_FOLDER / "train"
    (path,) = folder.glob("*.pt")
    config, _ = _read_network_config(folder / "pytorch_config.yaml")
    _build_or_explain(
        partial(check_snapshot_fits, lambda: PoseModel.build(config["model"]), path), path.name
    )
    options = options | {"inference_cfg": _inference_settings(config)}
    build = utils.get_pose_inference_runner
    return _build_or_explain(partial(build, config, path, **options), path.name)


def _network_builders(config: Any) -> list[Callable[[], Any]]:
    """Return builders of the pose network and, in a top-down model, of the detector."""
    from deeplabcut.pose_estimation_pytorch.models import DETECTORS, PoseModel  # noqa: PLC0415

    return [
        lambda: PoseModel.build(config["model"]),
        lambda: DETECTORS.build(config["detector"]["model"]),
    ]


def _find_detector_snapshot(folder: Path) -> Any:
    from deeplabcut.pose_estimation_pytorch.apis import utils  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.task import Task  # noqa: PLC0415

    try:
        (snapshot,) = utils.get_model_snapshots("all", folder, Task.DETECT)
    except ValueError as error:
        raise BadInput(
            "the model is a top-down model, which needs a detector, but there is no "
            "snapshot-detector-….pt beside its snapshot; add the one that it was trained with"
        ) from error
    return snapshot


def _build_or_explain(build: Callable[[], Any], name: str) -> Any:
    import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

    try:
        return build()
    except (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError, OSError) as error:
        raise Retriable(
            f"the device has no memory for the model now: {format_error(error)}"
        ) from error
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"{name}: its weights cannot be loaded into the network that pytorch_config.yaml "
            f"describes ({type(error).__name__}: {format_error(error)})"
        ) from error


def _load_network_config(project: Path) -> tuple[Any, tuple[str, ...]]:
    """Load the pytorch_config.yaml of a project's model."""
    (path,) = project.glob("dlc-models-pytorch/*/*/train/pytorch_config.yaml")
    return _read_network_config(path)


def _read_network_config(path: Path) -> tuple[Any, tuple[str, ...]]:
    """Load pytorch_config.yaml, leaving out what this DeepLabCut does not know.

    DeepLabCut's schema refuses unknown keys, so a good model of another version would fail.
    """
    import yaml  # noqa: PLC0415
    from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        return _force_weights_only(PoseConfig.from_dict(values)), ()
    except ValidationError as error:
        unknown = [e["loc"] for e in error.errors() if e["type"] == "extra_forbidden"]
        if not unknown:
            raise _refuse_config(error) from error
    for where in unknown:
        _remove_key(values, where)
    try:
        config = PoseConfig.from_dict(values)
    except ValidationError as error:
        raise _refuse_config(error) from error
    path.write_text(format_config(values), encoding="utf-8")
    names = (".".join(map(str, where)) for where in unknown)
    repairs = tuple(f"pytorch_config.yaml: unknown key {name} left out" for name in names)
    return _force_weights_only(config), repairs


def _refuse_config(error: Any) -> BadInput:
    problem = find_field_problem(error)
    place = ".".join(map(str, problem.path))
    return BadInput(f"pytorch_config.yaml: {place}: {problem.text}")


def _force_weights_only(config: Any) -> Any:
    """Never unpickle what a snapshot holds beside its weights, whatever the archive asks for."""
    config["runner"]["load_weights_only"] = True
    if config["detector"] is not None:
        config["detector"]["runner"]["load_weights_only"] = True
    return config


def _inference_settings(config: Any) -> Any:
    """Return the runners' settings: one thread, one batch at a time, as the network was trained.

    DeepLabCut's own threads hand over frames without a lock, and lose those at a movie's end in
    which no animal is found.
    """
    inference = config["inference"].model_copy(deep=True)
    inference["multithreading"]["enabled"] = False
    inference["compile"]["enabled"] = False
    return inference


def _remove_key(values: Any, where: tuple[Any, ...]) -> None:
    """Remove a key by its path; steps that only the schema has (union members) are skipped."""
    for step in where[:-1]:
        if isinstance(values, dict) and step in values:
            values = values[step]
    if isinstance(values, dict):
        values.pop(where[-1], None)


def _read_shuffle(project: Path) -> int:
    (folder,) = project.glob("dlc-models-pytorch/*/*-trainset*shuffle*")
    return int(folder.name.rpartition("shuffle")[2])


@contextmanager
def _prevent_downloads() -> Iterator[None]:
    """Build detectors without the weights that torchvision fetches, only to be overwritten.

    The choice of those weights also decides what some layers are, so it can't just be left out.
    """

    def build_untrained(build: Callable[..., Any], *, weights: Any = None, **options: Any) -> Any:
        del weights
        return build(weights=None, **options)

    with ExitStack() as patches:
        for module_name, names in _DETECTOR_BACKBONES.items():
            module = importlib.import_module(module_name)
            for name in names:
                replacement = partial(build_untrained, getattr(module, name))
                patches.enter_context(patch.object(module, name, replacement))
        yield
