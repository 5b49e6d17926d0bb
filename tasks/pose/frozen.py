"""A network frozen for one shape of input, which comes again and again.

Batch normalization is merged into its convolutions, and these compute as oneDNN does it best.

In a small network what follows a convolution (sum, activation) is merged into it too, where
oneDNN's graph compiler can. On one core of an EPYC with AVX-512 the demo's network takes 30 ms a
frame where it took 42 ms frozen alone, and 83 ms as DeepLabCut runs it, four frames at a time with
channels first. Outputs differ by rounding only, which is checked before they are used.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tasks.pose.packed import Seen, packed, watched

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


def freeze(model: Any, inputs: Any) -> Callable[[Any], Outputs] | None:
    """Freeze a network for inputs of one shape; it takes as long as four to eight batches.

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
    with watched(model) as seen:
        expected = [model(picture) for picture in pictures]
    names = [(head, name) for head, values in expected[0].items() for name in values]
    makers = (partial(_fused, model, inputs, names, torch), partial(_packed, model, seen))
    for make in makers:
        run = make()
        if run is not None and all(
            _same(run(picture), right, torch)
            for picture, right in zip(pictures, expected, strict=True)
        ):
            return run
    return None


def _fused(
    model: Any, inputs: Any, names: list[tuple[str, str]], torch: Any
) -> Callable[[Any], Outputs] | None:
    """A small network with batch normalization, after the runs that rewrite it."""
    if not _is_worth_fusing(model, torch):
        return None
    try:
        with _fusion(torch):
            traced = torch.jit.trace(_flat(model, torch), inputs, check_trace=False)
            network = torch.jit.freeze(traced)
            if _has_norms(network):
                return None
            for _ in range(_WARMING_RUNS):
                network(inputs)
    except (RuntimeError, TypeError, ValueError):
        return None
    return lambda batch: _named(network(batch), names)


def _packed(model: Any, seen: Seen) -> Callable[[Any], Outputs] | None:
    """Any network, with its convolutions as oneDNN wants them."""
    try:
        network: Callable[[Any], Outputs] = packed(model, seen)
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return None
    return network


def _is_worth_fusing(model: Any, torch: Any) -> bool:
    count: int = sum(part.numel() for part in model.parameters())
    has_norms = any(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())
    return has_norms and count <= _MOST_FUSED_PARAMETERS


def _has_norms(network: Any) -> bool:
    """Whether batch normalization is left that could not be merged.

    Where one follows a convolution and both results are added, oneDNN's graph compiler takes all
    memory that there is (measured with PyTorch 2.11).
    """
    return any(node.kind() == "aten::batch_norm" for node in network.graph.nodes())


@contextmanager
def _fusion(torch: Any) -> Iterator[None]:
    """Rewrite with oneDNN's graph compiler in the block; what is rewritten there stays so."""
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(True)
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
