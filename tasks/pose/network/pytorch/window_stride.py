"""Find out whether windows of a frame give a network's features of the full frame, and where.

They do where every layer looks at a neighborhood alone. What normalizes, pools, or weighs by the
whole picture (groups, attention, squeeze-and-excitation) gives something else in a window.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from tasks.pose.network.interface import WindowSupport

_LOCAL_LAYERS = frozenset(
    {
        *("Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d", "Upsample", "ZeroPad2d"),
        # They pad by a side's rest after division by the stride, which windows share with frames.
        *("Conv2dSame", "MaxPool2dSame", "AvgPool2dSame"),
        *("BatchNorm2d", "SyncBatchNorm", "BatchNormAct2d", "FrozenBatchNorm2d"),
        *("ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh"),
        *("Hardswish", "Hardsigmoid", "Dropout", "Dropout2d", "DropPath", "DropBlock2d"),
    }
)
"""Class names of layers that look at a neighborhood, in evaluation mode."""

_EMPTY_LAYERS = ("Identity", "Sequential")

_LOCAL_PREDICTORS = frozenset(
    {"HeatmapPredictor", "PartAffinityFieldPredictor", "DEKRPredictor", "IdentityPredictor"}
)
"""DeepLabCut's predictors that read a point's place from the features around it."""

_PICTURE_SIDE = 256
"""Pixels of the picture that the network is tried with; a multiple of any stride."""


def find_window_support(model: Any, picture: Any) -> WindowSupport:
    """Find the stride of places at which windows give the full frame's features.

    Args:
        model: DeepLabCut's network.
        picture: What it takes: any picture of `make_trial_picture`.

    Returns:
        The stride, or the reason for which there is none.
    """
    predictors = {type(head.predictor).__name__ for head in model.heads.values()}
    if others := sorted(predictors - _LOCAL_PREDICTORS):
        return WindowSupport(reason=f"its predictor ({others[0]}) reads places of a full picture")
    seen: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []

    def record_layer(layer: Any, inputs: Any, output: Any) -> None:
        shapes = [tuple(getattr(value, "shape", ())) for value in (*inputs[:1], output)]
        seen.append((type(layer).__name__, shapes[0], shapes[-1]))

    with ExitStack() as stack:
        for layer in _find_leaves(model):
            stack.callback(layer.register_forward_hook(record_layer).remove)
        model(picture)
    return _judge_layers(seen)


def make_trial_picture(torch: Any, device: Any) -> Any:
    """Make a picture to try a network with, on its device."""
    return torch.zeros((1, 3, _PICTURE_SIDE, _PICTURE_SIDE), device=device)


def _find_leaves(model: Any) -> Iterator[Any]:
    leaves = (part for part in model.modules() if next(part.children(), None) is None)
    return (leaf for leaf in leaves if type(leaf).__name__ not in _EMPTY_LAYERS)


def _judge_layers(seen: list[tuple[str, tuple[int, ...], tuple[int, ...]]]) -> WindowSupport:
    stride = 1
    for name, before, after in seen:
        if name not in _LOCAL_LAYERS:
            return WindowSupport(reason=f"its layer {name} may look at the whole picture")
        sizes = {*before[2:], *after[2:]}
        smaller = min(after[2:], default=0) < min(before[2:], default=0)
        if not sizes or 1 in sizes or (smaller and any(_PICTURE_SIDE % n for n in after[2:])):
            return WindowSupport(reason=f"its layer {name} sees the whole picture at once")
        if smaller:  # what makes it larger again begins where it began
            stride = max(stride, *(_PICTURE_SIDE // n for n in after[2:]))
    return WindowSupport(stride)
