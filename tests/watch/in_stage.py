"""Loads a model in a stage's process under watch."""

from pathlib import Path

from tasks.pose import estimate
from tasks.pose.errors import BadInput
from tests.watch.hook import Watch

_watch = Watch(code=False)


def load_watched(project: Path) -> tuple[str, list[str]]:
    """Load a project's model.

    Returns:
        Why it is refused, and what its loading did beside.
    """
    _watch.seen, _watch.allowed, _watch.on = [], str(project.resolve()), True
    try:
        estimate.load(project, "cpu")
    except BadInput as error:
        return str(error), _watch.seen
    finally:
        _watch.on = False
    return "", _watch.seen


def unpickle_watched(snapshot: Path) -> list[str]:
    """Load a snapshot as PyTorch does where it is told to trust it."""
    import torch

    _watch.seen, _watch.allowed, _watch.on = [], "/nowhere", True
    try:
        torch.load(snapshot, weights_only=False)
    finally:
        _watch.on = False
    return _watch.seen
