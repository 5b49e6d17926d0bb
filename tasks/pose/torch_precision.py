"""A network in reduced precision on a GPU: where it is asked for, and never unmeasured."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.precision import FULL, Arithmetic, compared
from tasks.pose.settings import Precision

_AT_ONCE = 4
"""Frames that are compared at a time: full precision takes twice the memory."""

_ON_A_CPU = (
    "precision: half has no effect on a CPU, where the network ran in full precision; "
    "run it on a GPU"
)

Found = dict[str, NDArray[Any]]


class Reduced:
    """Makes a network compute in half precision, as DeepLabCut's ``autocast`` does, when told to.

    Outputs are made float32 again before the predictor sees them: in half precision a position of
    300 pixels is known to a quarter of a pixel only.

    Args:
        torch: The module.
        model: DeepLabCut's network; its ``forward`` is replaced on a GPU.
        device: The torch device that it is on.

    Attributes:
        arithmetic: How the movie that was begun is computed.
    """

    def __init__(self, torch: Any, model: Any, device: Any) -> None:
        self._torch = torch
        self._on_gpu = device.type == "cuda"
        self._forward: Callable[..., Any] = model.forward
        self._on = False
        self.arithmetic = FULL
        if self._on_gpu:
            # PyTorch lets convolutions of float32 round to 10 bits by default.
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            model.forward = self._run

    def begin(self, precision: Precision) -> None:
        """Begin a movie: from now on the network computes like this."""
        wanted = precision is Precision.HALF
        self._on = wanted and self._on_gpu
        self.arithmetic = Arithmetic(warnings=(_ON_A_CPU,)) if wanted and not self._on else FULL

    def measure(
        self, predict: Callable[[NDArray[np.uint8]], list[Found]], batch: NDArray[np.uint8]
    ) -> None:
        """Estimate a movie's first frames in both ways and keep how far points are apart."""
        if not self._on:
            return
        pairs: list[tuple[Any, Any]] = []
        for start in range(0, len(batch), _AT_ONCE):
            part = batch[start : start + _AT_ONCE]
            reduced = predict(part)
            self._on = False
            try:
                full = predict(part)
            finally:
                self._on = True
            pairs += [
                (one["bodyparts"], other["bodyparts"])
                for one, other in zip(reduced, full, strict=True)
            ]
        self.arithmetic = compared("float16", *zip(*pairs, strict=True))

    def _run(self, *args: Any, **options: Any) -> Any:
        if not self._on:
            return self._forward(*args, **options)
        with self._torch.autocast("cuda", self._torch.float16):
            outputs = self._forward(*args, **options)
        return {
            head: {name: value.float() for name, value in values.items()}
            for head, values in outputs.items()
        }
