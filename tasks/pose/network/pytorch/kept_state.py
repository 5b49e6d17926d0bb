"""Find out whether a network keeps something of a batch on its modules while it runs.

DeepLabCut's DLCRNet does: forward hooks leave the features of two inner layers on its backbone,
which reads them there. Such a network mixes batches when several threads run it at a time, and its
copies mix them always: a copy's hooks are the original's, and write there. `separate_features`
gives each thread features of its own, in which a network and its copies share no batch.
"""

import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
"""Attributes of a PyTorch module with the functions called around its ``forward``."""

_FEATURES = "interm_features"
"""The attribute of a DLCRNet on which its hooks leave features, and nothing else."""


class ThreadFeatures(MutableMapping[str, Any]):
    """Features of inner layers, of which each thread sees what it has left itself.

    Copies of a network have the same mapping: its hooks, which are not copied, write where the
    copy reads in the same thread.
    """

    def __init__(self) -> None:
        self._of_thread = threading.local()

    def __deepcopy__(self, _known: dict[int, Any]) -> "ThreadFeatures":
        return self

    def __getitem__(self, name: str) -> Any:
        return vars(self._of_thread)[name]

    def __setitem__(self, name: str, features: Any) -> None:
        vars(self._of_thread)[name] = features

    def __delitem__(self, name: str) -> None:
        del vars(self._of_thread)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self._of_thread))

    def __len__(self) -> int:
        return len(vars(self._of_thread))


def separate_features(model: Any) -> None:
    """Give each thread features of its own in backbones whose hooks leave them there.

    Args:
        model: DeepLabCut's network; those that are not known to do so stay as they are.
    """
    for part in model.modules():
        if _is_dlcrnet(part) and type(getattr(part, _FEATURES, None)) is dict:
            setattr(part, _FEATURES, ThreadFeatures())


def has_hooks(model: Any) -> bool:
    """Return whether any module of a network has forward hooks that may keep a batch's features.

    Those of a DLCRNet do not, after `separate_features`.

    Args:
        model: A PyTorch module.
    """
    known = {
        f"{type(part).__module__}.DLCRNet._get_features.<locals>.hook"
        for part in model.modules()
        if isinstance(getattr(part, _FEATURES, None), ThreadFeatures)
    }
    return any(
        f"{getattr(hook, '__module__', '')}.{getattr(hook, '__qualname__', '')}" not in known
        for part in model.modules()
        for name in _HOOKS
        for hook in getattr(part, name, {}).values()
    )


def _is_dlcrnet(part: Any) -> bool:
    """Return whether a module is DeepLabCut's own DLCRNet; a class made of it may do more."""
    kind = type(part)
    return kind.__name__ == "DLCRNet" and kind.__module__.startswith("deeplabcut.")


def leaves_tensors(model: Any, inputs: Any) -> bool:
    """Return whether a batch changes the tensors that a network's modules hold.

    Parameters are left out; buffers count, and tensors in lists and mappings too. What is computed
    once, at the first batch, and stays is no state of a batch.

    Args:
        model: A PyTorch module in evaluation mode.
        inputs: A batch.
    """
    return _has_changed_tensors(model, inputs) and _has_changed_tensors(model, inputs)


def _has_changed_tensors(model: Any, inputs: Any) -> bool:
    before = _collect_tensors(model)
    model(inputs)
    after = _collect_tensors(model)
    return len(before) != len(after) or any(
        old is not new or version != later
        for (old, version), (new, later) in zip(before, after, strict=True)
    )


def _collect_tensors(model: Any) -> list[tuple[Any, int]]:
    """Each tensor on the modules with its version, in a fixed order."""
    return [
        (tensor, tensor._version)  # noqa: SLF001 - PyTorch counts changes in place there
        for part in model.modules()
        for name, value in vars(part).items()
        if name not in {"_parameters", "_modules"}
        for tensor in _find_tensors(value)
    ]


def _find_tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _find_tensors(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _find_tensors(inner)
    elif hasattr(value, "untyped_storage") and not value.is_inference():
        yield value
