"""Functions that tests run in the process that holds torch and DeepLabCut."""

import warnings
from pathlib import Path
from unittest.mock import patch

import pandas as pd

from tasks.pose.errors import PoseWarning
from tasks.pose.torch_model import _no_downloads
from tasks.pose.tracking import Predictions, Tracking, tracked_table


def tracked(
    predictions: list[Predictions], tracking: Tracking
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Tracks, and what was told about them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PoseWarning)
        table = tracked_table(predictions, tracking)
    return table, tuple(str(w.message) for w in caught if w.category is PoseWarning)


def detector_lookups(kind: str) -> list[str]:
    """Addresses that are asked while one of DeepLabCut's detectors is built."""
    from deeplabcut.pose_estimation_pytorch.models import DETECTORS

    asked: list[str] = []

    def look_up(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise OSError(url)

    known = {"ssdlite": {"type": "SSDLite", "pretrained_from_imagenet": True}}
    config = known.get(kind, {"type": "FasterRCNN", "variant": kind})
    with patch("torchvision.models._api.load_state_dict_from_url", look_up), _no_downloads():
        DETECTORS.build(config)
    return asked


def change_method(project: Path, method: str) -> None:
    """Say in a project's pytorch_config.yaml that its model is of another kind."""
    (path,) = project.glob("dlc-models-pytorch/*/*/train/pytorch_config.yaml")
    text = path.read_text()
    path.write_text(text.replace("method: bu", f"method: {method}"))
