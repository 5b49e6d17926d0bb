"""A network frozen for one shape of input, which comes again and again.

Batch normalization is merged into its convolutions, and these compute as oneDNN does it best.

In a small network what follows a convolution (sum, activation) is merged into it too, where
oneDNN's graph compiler can. On one core of an EPYC with AVX-512 the demo's network takes 32 ms a
frame where it takes 33 packed, 40 as it is, and 83 ms as DeepLabCut runs it, four frames at a time
with channels first. Outputs differ by rounding only, which is checked before they are used.
"""

import copy
import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from typing import Any

from tasks.pose.network.pytorch.onednn import (
    NetworkObservations,
    is_batch_norm,
    merge_norms,
    observe_network,
    pack_network,
)
from tasks.processes.prefetch import thread_pool

NetworkOutputs = dict[str, dict[str, Any]]

TOLERANCE = 3e-5
"""Largest distance from the network's own outputs, as a share of the largest; rounding is 1e-6.

The smallest among large ones are sums of large numbers, and no more exact than these.
"""

SIMCC_LIKELIHOOD_TOLERANCE = 0.01
"""Largest distance of a SimCC network's likelihoods from its own.

SimCC networks (RTMPose) are compared by this in place of `TOLERANCE`: DeepLabCut takes the softmax
of 850 to 900 times an output (``decode_beta`` times ``sigma``). Rounding, a millionth of an output,
so moves a likelihood by up to 5e-4; what `TOLERANCE` allows would move it by 0.013 where the
largest output is 1, and by more where it is larger.
"""

_MAX_FUSED_CONVOLUTIONS = 150
"""Convolutions of a network in which more is merged. For HRNets, which have 300, oneDNN takes 4 to
20 s to find out how, and then gives something else altogether, which the check notices."""

_MAX_FUSED_PARAMETERS = 15_000_000
"""Parameters of a network that gains little from merging more."""

_WARM_UP_RUNS = 2
"""The first two calls profile and rewrite the network."""


def freeze_network(
    model: Any, inputs: Any, lanes: int = 1, begin_lane: Callable[[], object] | None = None
) -> Callable[[Any], NetworkOutputs] | None:
    """Freeze a network for inputs of one shape; it takes as long as three to eight batches.

    Args:
        model: DeepLabCut's network in evaluation mode, on the CPU.
        inputs: A batch; the frozen network takes others of the same shape only.
        lanes: How many threads will run it at a time: it is tried in as many.
        begin_lane: Called in each of these threads first.

    Returns:
        A function that gives what the network gives, from several threads at a time too, with
        its own weights; None if it cannot be frozen, or if its output would differ.
    """
    torch: Any = importlib.import_module("torch")  # seconds, and only an estimator needs it
    limits = find_simcc_limits(model)
    at_once = partial(_run_at_once, lanes=lanes, begin=begin_lane, torch=torch)
    with observe_network(model) as seen:
        known = [(inputs, model(inputs))]
    # A second picture, so that nothing decides that the first one happens to have.
    other = inputs.flip(-1).contiguous(memory_format=torch.channels_last)
    known.append((other, model(other)))
    if _is_worth_fusing(model, seen):
        make_fused = partial(_fuse_network, model, *known[0], torch)
        if fused := _build_if_equal(make_fused, known, torch, limits, at_once):
            return fused
    # One that is packed takes batches of any size: with one of another size nothing is left of the
    # first.
    small = inputs[:1].flip(-2) if len(inputs) > 1 else torch.cat([inputs, other])
    small = small.contiguous(memory_format=torch.channels_last)
    known.append((small, model(small)))
    makers = (partial(pack_network, model, seen, merges=merges) for merges in (True, False))
    built = (_build_if_equal(make, known, torch, limits, at_once) for make in makers)
    return next(filter(None, built), None)


def lower_to_bfloat16(model: Any, inputs: Any) -> Callable[[Any], NetworkOutputs] | None:
    """Make a network that computes in bfloat16, as processors with instructions for it do fast.

    The heads of DeepLabCut's networks, which are small, compute in float32: rounded to 8 digits,
    places near a heatmap's top are alike, and another one is the maximum. For the demo's network
    that moves 99 of 100 points by 0.3 pixels at most in place of 0.8, and takes no longer.

    Args:
        model: DeepLabCut's network in evaluation mode, on the CPU.
        inputs: A batch.

    Returns:
        A function that gives about what the network gives, in float32, from several threads at a
        time too and for inputs of any shape, with its own weights; None where a part of it
        cannot compute so.
    """
    torch: Any = importlib.import_module("torch")
    with observe_network(model) as seen:
        known = [(inputs, model(inputs))]
    # Before numbers are rounded, not after: its statistics are merged in full.
    try:
        network: Any = _build_if_equal(
            partial(merge_norms, model, seen), known, torch, find_simcc_limits(model)
        ) or copy.deepcopy(model)
        if isinstance(getattr(network, "backbone", None), torch.nn.Module):
            network.backbone = _lower_part(network.backbone, torch)
        else:
            network = _lower_part(network, torch)
        network(inputs)
    except Exception:  # noqa: BLE001 - whatever others' networks hold: they run as they are
        return None
    lowered: Callable[[Any], NetworkOutputs] = network
    return lowered


def _lower_part(part: Any, torch: Any) -> Any:
    """A part of a network that computes in bfloat16, and takes and gives float32."""

    class Lowered(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.part = part.to(dtype=torch.bfloat16, memory_format=torch.channels_last)

        def forward(self, inputs: Any) -> Any:
            return to_float32(self.part(inputs.to(torch.bfloat16)))

    return Lowered().eval()


def to_float32(values: Any) -> Any:
    """Convert a reduced-precision network's output tensors, however nested, to float32."""
    if isinstance(values, dict):
        return {name: to_float32(value) for name, value in values.items()}
    if isinstance(values, (tuple, list)):
        return type(values)(to_float32(value) for value in values)
    return values.float()


def _build_if_equal(
    make: Callable[[], Callable[[Any], NetworkOutputs] | None],
    pairs: list[tuple[Any, NetworkOutputs]],
    torch: Any,
    limits: dict[str, float],
    run_all: Callable[[Callable[[Any], bool], list[Any]], Iterable[bool]] | None = None,
) -> Callable[[Any], NetworkOutputs] | None:
    """Build a network and return it only if its output is as expected."""
    try:
        run = make()
        if run is None:
            return None
        check = partial(_check_pair, run, torch=torch, limits=limits)
        right = all(run_all(check, pairs) if run_all else map(check, pairs))
    except Exception:  # noqa: BLE001 - whatever others' networks hold: they run as they are
        return None
    return run if right else None


def _check_pair(
    run: Callable[[Any], NetworkOutputs],
    pair: tuple[Any, NetworkOutputs],
    *,
    torch: Any,
    limits: dict[str, float],
) -> bool:
    """Return whether a network's outputs for an input are those that are expected."""
    inputs, expected = pair
    return _is_close(run(inputs), expected, torch, limits)


def _run_at_once(
    check: Callable[[Any], bool],
    pairs: list[Any],
    *,
    lanes: int,
    begin: Callable[[], object] | None,
    torch: Any,
) -> list[bool]:
    """Check a network in as many threads as it will run in, each at least once."""

    def check_untracked(pair: Any) -> bool:
        with torch.no_grad():  # which holds for a thread
            return check(pair)

    if lanes == 1:
        return [check_untracked(pair) for pair in pairs]
    with thread_pool(lanes, "check", begin) as pool:
        return list(pool.map(check_untracked, islice(cycle(pairs), max(lanes, len(pairs)))))


def _fuse_network(
    model: Any, inputs: Any, expected: NetworkOutputs, torch: Any
) -> Callable[[Any], NetworkOutputs] | None:
    """A small network with batch normalization, after the runs that rewrite it."""
    names = [(head, name) for head, values in expected.items() for name in values]
    with _enable_fusion(torch):
        traced = torch.jit.trace(_flatten_outputs(model, torch), inputs, check_trace=False)
        network = torch.jit.freeze(traced)
        if _has_unmerged(network):
            return None
        for _ in range(_WARM_UP_RUNS):
            network(inputs)
    return lambda batch: _name_outputs(network(batch), names)


def _is_worth_fusing(model: Any, seen: NetworkObservations) -> bool:
    small = (
        len(seen.sizes) <= _MAX_FUSED_CONVOLUTIONS
        and sum(p.numel() for p in model.parameters()) <= _MAX_FUSED_PARAMETERS
    )
    return small and any(is_batch_norm(part) for part in model.modules())


def _has_unmerged(network: Any) -> bool:
    """Return whether a convolution feeds batch normalization and something else, too.

    Where both results are then added, oneDNN's graph compiler takes all memory that there is
    (measured with PyTorch 2.10).
    """
    norms = (node for node in network.graph.nodes() if node.kind() == "aten::batch_norm")
    return any("conv" in next(norm.inputs()).node().kind() for norm in norms)


@contextmanager
def _enable_fusion(torch: Any) -> Iterator[None]:
    """Rewrite with oneDNN's graph compiler in the block; what is rewritten there stays so."""
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(True)
    try:
        yield
    finally:
        torch.jit.enable_onednn_fusion(before)


def _is_close(
    found: NetworkOutputs, expected: NetworkOutputs, torch: Any, limits: dict[str, float]
) -> bool:
    return all(
        torch.allclose(
            found[head][name],
            value,
            0,
            limits.get(head, TOLERANCE * max(1.0, float(value.abs().max()))),
        )
        for head, values in expected.items()
        for name, value in values.items()
    )


def find_simcc_limits(model: Any) -> dict[str, float]:
    """Find how far the outputs of a network's SimCC heads may be from its own, by head.

    The slope of a softmax is at most a quarter, and a likelihood falls by what its own output
    loses and by what the others gain: half of an output's change, times the factor.

    Args:
        model: DeepLabCut's network.
    """
    heads = getattr(model, "heads", {})
    predictors: dict[str, Any] = {
        name: getattr(head, "predictor", None) for name, head in heads.items()
    }
    return {
        name: 2 * SIMCC_LIKELIHOOD_TOLERANCE / (predictor.decode_beta * float(max(predictor.sigma)))
        for name, predictor in predictors.items()
        if type(predictor).__name__ == "SimCCPredictor" and not predictor.normalize_outputs
    }


def _flatten_outputs(model: Any, torch: Any) -> Any:
    """The network with a tuple for its nested outputs, which a tracer cannot follow."""

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: Any) -> tuple[Any, ...]:
            return tuple(v for values in self.model(inputs).values() for v in values.values())

    return Flat().eval()


def _name_outputs(values: tuple[Any, ...], names: list[tuple[str, str]]) -> NetworkOutputs:
    outputs: NetworkOutputs = {}
    for (head, name), value in zip(names, values, strict=True):
        outputs.setdefault(head, {})[name] = value
    return outputs
