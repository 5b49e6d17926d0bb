"""A network frozen for one shape of input: batch normalization merged into its convolutions.

In a small network what follows a convolution (sum, activation) is merged into it too, where
oneDNN's graph compiler can. On one core of an EPYC with AVX-512 the demo's network takes 30 ms a
frame where it took 42 ms frozen alone, and 83 ms as DeepLabCut runs it, four frames at a time with
channels first. Outputs differ by rounding only, which is checked before they are used.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Outputs = dict[str, dict[str, Any]]

TOLERANCE = 3e-5
"""How far outputs may be from the network's own, as a share of the largest; rounding is near 1e-6.

The smallest among large ones are sums of large numbers, and no more exact than these.
"""

_MOST_FUSED_PARAMETERS = 15_000_000
"""Larger networks gain little from merging more, and oneDNN takes long to find out how. For
HRNet-W32 it takes 20 s, and then gives something else altogether, which the check notices."""

_WARMING_RUNS = 2
"""The first two calls profile and rewrite the network."""


def is_worth_freezing(model: Any) -> bool:
    """Whether there is batch normalization to merge; freezing takes as long as eight batches.

    A ResNet-50 with group normalization takes 900 ms a frame, frozen or not.
    """
    torch: Any = importlib.import_module("torch")
    return any(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())


def freeze(model: Any, inputs: Any) -> Callable[[Any], Outputs] | None:
    """Freeze a network for inputs of one shape.

    Args:
        model: DeepLabCut's network in evaluation mode, on the CPU.
        inputs: A batch; the frozen network takes others of the same shape only.

    Returns:
        A function that gives what the network gives, from several threads at a time too; None
        where it cannot be frozen, or where it would give something else.
    """
    torch: Any = importlib.import_module("torch")  # seconds, and only an estimator needs it
    # A second picture, so that nothing that the first happens to have decides.
    pictures = [inputs, inputs.flip(-1).contiguous(memory_format=torch.channels_last)]
    expected = [model(picture) for picture in pictures]
    names = [(head, name) for head, values in expected[0].items() for name in values]

    def run(network: Any, batch: Any) -> Outputs:
        return _named(network(batch), names)

    for fused in (True, False) if _is_small(model) else (False,):
        network = _frozen(model, inputs, torch, fused=fused)
        if network is not None and all(
            _same(run(network, picture), right, torch)
            for picture, right in zip(pictures, expected, strict=True)
        ):
            return lambda batch, network=network: run(network, batch)  # type: ignore[misc]
    return None


def _is_small(model: Any) -> bool:
    count: int = sum(part.numel() for part in model.parameters())
    return count <= _MOST_FUSED_PARAMETERS


def _frozen(model: Any, inputs: Any, torch: Any, *, fused: bool) -> Any | None:
    """The frozen network after the runs that rewrite it; None where there is no such network."""
    try:
        with _fusion(torch, on=fused):
            traced = torch.jit.trace(_flat(model, torch), inputs, check_trace=False)
            network = torch.jit.freeze(traced)
            for _ in range(_WARMING_RUNS):
                network(inputs)
    except (RuntimeError, TypeError, ValueError):
        return None
    return network


@contextmanager
def _fusion(torch: Any, *, on: bool) -> Iterator[None]:
    """Rewrite with oneDNN's graph compiler in the block; what is rewritten there stays so."""
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(on)
    try:
        yield
    finally:
        torch.jit.enable_onednn_fusion(before)


def _same(found: Outputs, expected: Outputs, torch: Any) -> bool:
    return all(
        torch.allclose(found[head][name], value, 0, TOLERANCE * max(1.0, float(value.abs().max())))
        for head, values in expected.items()
        for name, value in values.items()
    )


def _flat(model: Any, torch: Any) -> Any:
    """The network with a tuple for its nested outputs, which a tracer cannot follow."""

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: Any) -> tuple[Any, ...]:
            return tuple(v for values in self.model(inputs).values() for v in values.values())

    return Flat().eval()


def _named(values: tuple[Any, ...], names: list[tuple[str, str]]) -> Outputs:
    outputs: Outputs = {}
    for (head, name), value in zip(names, values, strict=True):
        outputs.setdefault(head, {})[name] = value
    return outputs
