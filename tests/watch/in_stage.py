"""Loads a model in a stage's process under watch."""

import re
from pathlib import Path
from unittest.mock import patch

import numpy as np

from tasks.errors import BadInput
from tasks.pose import estimate
from tasks.pose.network.loader import load_network
from tasks.pose.network.pytorch import model_loader
from tests.watch.hook import Watch

_watch = Watch(code=False)


def load_under_watch(project: Path) -> tuple[str, list[str]]:
    """Load a project's model past our own look at its weights.

    Returns:
        Why it is refused, and what its loading did beside.
    """
    _watch.seen, _watch.allowed, _watch.on = [], str(project.resolve()), True
    try:
        with patch.object(model_loader, "check_snapshot_fits"):
            estimate.preload_model(project, "cpu")
    except BadInput as error:
        return str(error), _watch.seen
    finally:
        _watch.on = False
    return "", _watch.seen


def unpickle_under_watch(snapshot: Path) -> list[str]:
    """Load a snapshot as PyTorch does where it is told to trust it."""
    import torch

    _watch.seen, _watch.allowed, _watch.on = [], "/nowhere", True
    try:
        torch.load(snapshot, weights_only=False)
    finally:
        _watch.on = False
    return _watch.seen


def measure_load(project: Path) -> tuple[str, float]:
    """Load a project's model.

    Returns:
        Why it is refused, and the megabytes that its loading took beside those taken before.
    """
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is taken now
    before = _read_peak_megabytes()
    try:
        estimate.preload_model(project, "cpu")
    except BadInput as error:
        return str(error), _read_peak_megabytes() - before
    return "", _read_peak_megabytes() - before


def _read_peak_megabytes() -> float:
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


def read_batch_size(project: Path, rows: int, columns: int) -> int:
    """Frames of a size that go to a project's network at a time."""
    return load_network(project, "cpu").begin_movie(np.zeros((rows, columns, 3), np.uint8))
