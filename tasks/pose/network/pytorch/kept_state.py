"""Find out whether a network keeps something of a batch on its modules while it runs.

DeepLabCut's DLCRNet does: forward hooks leave the features of two inner layers on its backbone,
which reads them there. Such a network mixes batches when several threads run it at a time, and its
copies mix them always: a copy's hooks are the original's, and write there.
"""

from collections.abc import Iterator
from typing import Any

_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
"""Attributes of a PyTorch module with the functions called around its ``forward``."""


def has_hooks(model: Any) -> bool:
    """Return whether any module of a network has forward hooks.

    Args:
        model: A PyTorch module.
    """
    return any(getattr(part, name, None) for part in model.modules() for name in _HOOKS)


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
