"""Reduced precision of a network: chosen by the request, and always measured."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tasks.pose.network.interface import FramePrediction
from tasks.pose.network.precision_check import (
    FULL_PRECISION,
    Arithmetic,
    NumberType,
    compare_points,
)
from tasks.pose.network.pytorch.frozen import NetworkOutputs, lower_to_bfloat16, to_float32
from tasks.pose.network.pytorch.kept_state import has_hooks
from tasks.pose.settings import Precision

_COMPARED_FRAMES_ON_GPU = 16
"""Frames of a movie's first batch that are also estimated in full precision, at the most."""

_COMPARED_FRAMES_ON_CPU = 4
"""The same: a large network takes a second for each."""

_COMPARED_AT_ONCE = 4
"""Number of frames at a time: full precision takes up to twice the memory."""

_MIN_TF32_CAPABILITY = 8
"""The first generation of NVIDIA's GPUs (compute capability) that has TF32."""

BFLOAT16: Final = "bfloat16"
"""Numbers of half precision on a CPU."""

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Linux' names of the processor's instructions for them; without, float32 is faster."""

_CPU_WITHOUT_BFLOAT16 = (
    "precision: half has no effect on this processor, which has no instructions for bfloat16 "
    "(AVX512_BF16 or AMX), so that the network ran in full precision; run it on a GPU"
)

_NETWORK_WITHOUT_BFLOAT16 = (
    "precision: half has no effect on this network, which cannot compute in bfloat16 on a CPU, so "
    "that it ran in full precision; run it on a GPU"
)

_NETWORK_WITHOUT_HALF = (
    "precision: half has no effect on this network, whose modules keep what they compute of a "
    "batch, so that it cannot be copied; it ran in standard precision"
)


class ReducedPrecision:
    """Makes a network compute as exactly as a movie's request asks for.

    Half precision takes a copy of the network in float16: DeepLabCut's ``autocast`` goes back to
    float32 for every group normalization, which costs a ResNet-50 half of its speed. Outputs are
    float32 again before the predictor sees them: in half precision a position of 300 pixels is
    known to a quarter of a pixel only.

    On a CPU it takes one in bfloat16, where the processor has instructions for that: a ResNet-50
    takes half of the time. It has the range of float32, so that nothing overflows, and 8 digits.

    Args:
        torch: The module.
        model: DeepLabCut's network; its ``forward`` is replaced on a GPU.
        device: The torch device that it is on.

    Attributes:
        arithmetic: How the movie that was begun is computed.
        memory_format: How pictures lie in memory, which the network is given in the same way.
    """

    def __init__(self, torch: Any, model: Any, device: Any) -> None:
        self._torch, self._model = torch, model
        self._on_gpu = device.type == "cuda"
        self._has_tf32 = (
            self._on_gpu and torch.cuda.get_device_capability(device)[0] >= _MIN_TF32_CAPABILITY
        )
        self._by_groups = any(isinstance(part, torch.nn.GroupNorm) for part in model.modules())
        self._can_copy = not has_hooks(model)
        self._forward: Callable[..., Any] = model.forward
        self._half: Any = None
        self._is_full = False
        self._precision = Precision.STANDARD
        self.arithmetic = FULL_PRECISION
        self.memory_format = torch.channels_last
        if self._on_gpu:
            model.forward = self._run_network

    def begin_movie(self, precision: Precision) -> None:
        """Begin a movie: from now on the network computes like this."""
        half = precision is Precision.HALF
        warnings: tuple[str, ...] = ()
        if half and not self._can_copy:
            precision, half, warnings = Precision.STANDARD, False, (_NETWORK_WITHOUT_HALF,)
        self._precision = precision
        if not self._on_gpu:
            self.arithmetic = Arithmetic(warnings=warnings)
            if half and has_bfloat16():
                self.arithmetic = Arithmetic(BFLOAT16)
            elif half:
                self.arithmetic = Arithmetic(warnings=(_CPU_WITHOUT_BFLOAT16,))
            return
        self.arithmetic = Arithmetic(self._choose_numbers(precision), warnings=warnings)
        self._torch.backends.cudnn.allow_tf32 = precision is not Precision.FULL
        self.memory_format = self._choose_memory_format(precision)
        self._model.to(memory_format=self.memory_format)
        self._half = self._copy_in_half() if half else None

    @property
    def current_numbers(self) -> NumberType:
        """Number format in which the network computes now."""
        return FULL_PRECISION.numbers if self._is_full else self.arithmetic.numbers

    def build_bfloat16_network(self, inputs: Any) -> Callable[[Any], NetworkOutputs] | None:
        """On a CPU, the network in half precision; None where it computes in full precision.

        Args:
            inputs: A batch.
        """
        if self.arithmetic.numbers != BFLOAT16:
            return None
        network = lower_to_bfloat16(self._model, inputs)
        if network is None:
            self.give_up_bfloat16()
        return network

    def give_up_bfloat16(self) -> None:
        """On a CPU, compute the movie that was begun in full precision, and say so."""
        if self.arithmetic.numbers == BFLOAT16:
            self.arithmetic = Arithmetic(warnings=(_NETWORK_WITHOUT_BFLOAT16,))

    def _choose_numbers(self, precision: Precision) -> NumberType:
        if precision is Precision.HALF:
            return "float16"
        return "tfloat32" if precision is Precision.STANDARD and self._has_tf32 else "float32"

    def _choose_memory_format(self, precision: Precision) -> Any:
        """Choose the memory format of pictures: DeepLabCut's, or the tensor cores'.

        Both give the same but for rounding; in DeepLabCut's layout even TF32 rounds as it does
        there: on an H200 a ResNet-50's points were within 0.0001 pixels of `analyze_videos`, those
        of a small network with channels last within 0.01. Only float16 gains much by them, and
        not where a network normalizes by groups, as DeepLabCut's ResNets do: PyTorch has kernels
        for channels first alone (1305 frames/s of 640×480 against 624).
        """
        last = precision is Precision.HALF and not self._by_groups
        return self._torch.channels_last if last else self._torch.contiguous_format

    def _copy_in_half(self) -> Any:
        """A copy of the network in float16, with its own ``forward``."""
        replaced = self._model.__dict__.pop("forward")
        try:
            return copy.deepcopy(self._model).half()
        finally:
            self._model.forward = replaced

    def compare_with_full(
        self,
        predict: Callable[[NDArray[np.uint8]], list[FramePrediction]],
        batch: NDArray[np.uint8],
    ) -> None:
        """Estimate a movie's first frames in full precision, too, and keep how far apart they are.

        Args:
            predict: Estimates a batch.
            batch: The movie's first.
        """
        numbers = self.arithmetic.numbers
        if numbers == FULL_PRECISION.numbers:
            return
        frames = batch[: _COMPARED_FRAMES_ON_GPU if self._on_gpu else _COMPARED_FRAMES_ON_CPU]
        pairs: list[tuple[Any, Any]] = []
        for start in range(0, len(frames), _COMPARED_AT_ONCE):
            part = frames[start : start + _COMPARED_AT_ONCE]
            reduced = predict(part)
            with self._use_full_precision():
                full = predict(part)
            pairs += zip(_body_part_points(reduced), _body_part_points(full), strict=True)
        warns = self._precision is Precision.HALF
        compared = compare_points(numbers, *zip(*pairs, strict=True), warns=warns)
        warnings = (*self.arithmetic.warnings, *compared.warnings)
        self.arithmetic = replace(compared, warnings=warnings)

    @contextmanager
    def _use_full_precision(self) -> Iterator[None]:
        half, self._half, self._is_full = self._half, None, True
        tf32 = self._torch.backends.cudnn.allow_tf32
        self._torch.backends.cudnn.allow_tf32 = False
        try:
            yield
        finally:
            self._half, self._is_full = half, False
            self._torch.backends.cudnn.allow_tf32 = tf32

    def _run_network(self, inputs: Any, *args: Any, **options: Any) -> Any:
        half = self._half
        if half is None:
            return self._forward(inputs, *args, **options)
        return to_float32(half(inputs.half(), *args, **options))


def _body_part_points(found: list[FramePrediction]) -> Iterator[NDArray[Any]]:
    return (one["bodyparts"] for one in found)


@cache
def has_bfloat16() -> bool:
    """Return whether this processor computes with bfloat16, according to Linux."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        flags = next((line for line in lines if line.startswith("flags")), "")
        return not _BFLOAT16_FLAGS.isdisjoint(flags.split())
    return False
