"""Functions that tests run in the process that holds torch and DeepLabCut."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from unittest.mock import patch

import pandas as pd

from tasks.errors import PoseWarning
from tasks.pose.network.pytorch.model_loader import _prevent_downloads
from tasks.pose.tables.assembly_tracking import build_assembly_track_table
from tasks.pose.tables.tracking import BatchPredictions, TrackingSettings, build_track_table


def track_predictions(
    predictions: list[BatchPredictions], tracking: TrackingSettings
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Tracks, and what was told about them."""
    return _build_and_listen(build_track_table, predictions, tracking)


def track_assemblies(
    predictions: list[BatchPredictions], tracking: TrackingSettings
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Tracks of assembled animals, and what was told about them."""
    return _build_and_listen(build_assembly_track_table, predictions, tracking)


def _build_and_listen(
    build_table: Callable[[list[BatchPredictions], TrackingSettings], pd.DataFrame],
    predictions: list[BatchPredictions],
    tracking: TrackingSettings,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PoseWarning)
        table = build_table(predictions, tracking)
    return table, tuple(str(w.message) for w in caught if w.category is PoseWarning)


def record_detector_lookups(kind: str) -> list[str]:
    """Addresses that are asked while one of DeepLabCut's detectors is built."""
    from deeplabcut.pose_estimation_pytorch.models import DETECTORS

    asked: list[str] = []

    def record_lookup(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise OSError(url)

    known = {"ssdlite": {"type": "SSDLite", "pretrained_from_imagenet": True}}
    config = known.get(kind, {"type": "FasterRCNN", "variant": kind})
    with (
        patch("torchvision.models._api.load_state_dict_from_url", record_lookup),
        _prevent_downloads(),
    ):
        DETECTORS.build(config)
    return asked


def find_limits(project: Path) -> dict[str, float]:
    """How far outputs of a project's SimCC heads may be from the network's own, by head."""
    from tasks.pose.network.pytorch.frozen import find_simcc_limits
    from tasks.pose.network.pytorch.model_loader import load_torch_model

    return find_simcc_limits(load_torch_model(project, "cpu").runner.model)


def list_config_keys() -> set[str]:
    """Every key that DeepLabCut's schema of pytorch_config.yaml allows, by its path."""
    from deeplabcut.pose_estimation_pytorch.config.pose import PoseConfig

    return set(_iterate_paths(PoseConfig, ""))


def _iterate_paths(kind: Any, where: str) -> Iterator[str]:
    yield from (f"{where}{alias}" for alias in kind._alias_map())
    for name, field in kind.model_fields.items():
        yield f"{where}{name}"
        for below in (field.annotation, *get_args(field.annotation)):
            if hasattr(below, "model_fields"):
                yield from _iterate_paths(below, f"{where}{name}.")
