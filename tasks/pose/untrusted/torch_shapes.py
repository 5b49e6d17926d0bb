"""The tensors in a snapshot, by name and shape, read from its pickle without loading anything.

A pickle is a program for a machine with a stack. Here only the steps that lead to tensors are
followed: nothing is imported or called, and a tensor's numbers stay in the file.
"""

import io
import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.pose.untrusted.torch_pickle import NotASnapshot, explain_no_snapshot, iterate_pickles

Shapes = dict[str, tuple[int, ...]]
"""Tensors of a network's state by name, in its order."""


class _Mapping(list[tuple[Any, Any]]):
    """Keys and values as they come: keys are never hashed, as there are some that collide."""


@dataclass(frozen=True)
class _GlobalName:
    name: str


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]


_MAX_DIMENSIONS = 8

_MAPPING_TYPES = {"collections OrderedDict"}
_TENSOR_BUILDERS = {"torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor"}
_PARAMETER_BUILDERS = {"torch._utils _rebuild_parameter"}


def read_weight_shapes(path: Path, shown: str) -> Shapes:
    """Tell what a snapshot's ``model`` holds.

    Args:
        path: A snapshot that `tasks.pose.untrusted.torch_pickle.check_weights` lets pass.
        shown: What to call it in messages.

    Returns:
        The tensors of its ``model``; none where it has no such thing.

    Raises:
        BadInput: It is damaged, or claims more numbers than its file can hold.
    """
    try:
        states = (
            _find_model_state(_replay_pickle(pickle)) for pickle in iterate_pickles(path, shown)
        )
        shapes: Shapes = next((state for state in states if state), {})
        _check_number_count(shapes, path.stat().st_size)
    except NotASnapshot as error:
        raise explain_no_snapshot(shown, error) from error
    return shapes


def _check_number_count(shapes: Shapes, size: int) -> None:
    """A number takes at least a byte, but any tensor may say that all of its are one and the same.

    A network of such tensors would take any amount of memory.
    """
    if (numbers := sum(map(math.prod, shapes.values()))) > size:
        raise NotASnapshot(f"one that claims {numbers} numbers in {size} bytes")


def _find_model_state(found: Any) -> Shapes:
    """The tensors of the ``model`` in what a snapshot holds."""
    for key, model in found if isinstance(found, _Mapping) else ():
        if key == "model" and isinstance(model, _Mapping):
            tensors = [(n, t) for n, t in model if isinstance(n, str) and isinstance(t, _Tensor)]
            return {name: tensor.shape for name, tensor in tensors}
    return {}


def _replay_pickle(pickle: bytes | io.BytesIO) -> Any:
    """Replay a pickle's mappings and tensors."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    try:
        for step, argument, _ in pickletools.genops(pickle):
            if step.name == "STOP":
                return stack.pop()
            _follow_step(step, argument, stack, memo)
    except (ValueError, UnicodeError, OverflowError, LookupError, TypeError) as error:
        raise NotASnapshot("a damaged one") from error
    return None


def _follow_step(step: pickletools.OpcodeInfo, argument: Any, stack: list[Any], memo: Any) -> None:
    """Take one step: `pickletools` knows how much each takes off the stack and puts on it."""
    name = step.name
    if name.endswith("PUT"):
        memo[argument] = stack[-1]
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name.endswith("GET"):
        stack.append(memo[argument])
    elif name == "DUP":
        stack.append(stack[-1])
    else:
        taken = _pop_arguments(
            stack, len(step.stack_before), pickletools.markobject in step.stack_before
        )
        if step.stack_after:
            stack.append(_build_value(name, argument, taken))


def _pop_arguments(stack: list[Any], count: int, to_mark: bool) -> list[Any]:
    """Pop a step's arguments: a number of values, or all above the last mark."""
    if not to_mark:
        return [stack.pop() for _ in range(count)][::-1]
    above: list[Any] = []
    while (value := stack.pop()) is not pickletools.markobject:
        above.append(value)
    # What is added to lies below the mark.
    below = [stack.pop() for _ in range(count - 2)]
    return below + above[::-1]


def _build_value(name: str, argument: Any, taken: list[Any]) -> Any:
    if name == "MARK":
        return pickletools.markobject
    if name == "GLOBAL":
        return _GlobalName(str(argument))
    if "TUPLE" in name:
        return tuple(taken)
    if "DICT" in name:
        return _Mapping(zip(taken[::2], taken[1::2], strict=True))
    if name in {"SETITEM", "SETITEMS"} and isinstance(taken[0], _Mapping):
        taken[0].extend(zip(taken[1::2], taken[2::2], strict=True))
    if name == "REDUCE":
        return _emulate_call(*taken)
    return taken[0] if taken else argument


def _emulate_call(function: Any, arguments: Any) -> Any:
    """Emulate a call that makes tensors."""
    called = function.name if isinstance(function, _GlobalName) else ""
    if called in _MAPPING_TYPES:
        return _Mapping()
    if called in _PARAMETER_BUILDERS:
        return arguments[0]
    if called in _TENSOR_BUILDERS:
        shape = tuple(arguments[2])
        if len(shape) > _MAX_DIMENSIONS or any(side not in range(2**63) for side in shape):
            raise ValueError("a tensor's shape")
        return _Tensor(shape)
    return None
