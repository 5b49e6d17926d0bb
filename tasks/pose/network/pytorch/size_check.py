"""Check that a snapshot fits a network before either takes memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.pose.untrusted.torch_shapes import read_weight_shapes

_SPARE_PARAMETERS = 1000
"""Parameters that a network may make and throw away again, as timm's do with their last layers."""


def check_snapshot_fits(build: Callable[[], Any], snapshot: Path) -> None:
    """Build a network of shapes alone, and compare it with a snapshot's.

    A configuration names any number of channels and layers; those of a network that fits its
    snapshot take no more memory than the snapshot.

    Args:
        build: Builds the network.
        snapshot: Its weights on disk.

    Raises:
        BadInput: The snapshot is none, or claims more numbers than it holds.
        RuntimeError: It does not fit the network, or the network has far more parameters.
    """
    import torch  # noqa: PLC0415 - seconds, and only an estimator needs it
    from torch.nn.modules.module import (  # noqa: PLC0415
        register_module_parameter_registration_hook,
    )

    shapes = read_weight_shapes(snapshot, snapshot.name)
    left = len(shapes) + _SPARE_PARAMETERS

    def count_parameter(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError(f"the network has more layers than its {len(shapes)} tensors")

    hook = register_module_parameter_registration_hook(count_parameter)
    try:
        with torch.device("meta"):
            network = build()
            state = {name: torch.empty(shape) for name, shape in shapes.items()}
    finally:
        hook.remove()
    network.load_state_dict(state)
