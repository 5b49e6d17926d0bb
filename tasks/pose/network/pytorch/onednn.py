"""A network with its convolutions as oneDNN runs them best: for a large one, on a CPU.

Batch normalization is merged into the convolution before it. Each convolution keeps its weights in
the layout that oneDNN wants for pictures of one size, and goes to oneDNN whatever its kernel:
PyTorch computes those of 1×1 by itself in a thread that works alone, as each of our lanes does, at
half the speed. On one core of an EPYC with AVX-512 a ResNet-50 takes 0.82 s a frame of 640×480 in
place of 0.92, which is 94 thousand million operations a second; a product of large matrices, which
nothing exceeds, does 90 to 105.
"""

import copy
import importlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class NetworkObservations:
    """Observations of a network while it computes a batch.

    Attributes:
        sizes: The shape of what each convolution was given last.
        pairs: Convolutions with the batch normalization that was given their result.
    """

    sizes: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    pairs: set[tuple[Any, Any]] = field(default_factory=set)
    _last: tuple[Any, Any, int] = (None, None, 0)

    def record_convolution(self, part: Any, inputs: Any, output: Any) -> None:
        """A hook that is called with what a convolution was given, and gave."""
        if inputs:
            self.sizes[part] = tuple(inputs[0].shape)
            self._last = part, output, _write_count(output)

    def record_norm(self, part: Any, inputs: Any) -> None:
        """A hook that is called with what a batch normalization is given."""
        convolution, output, changes = self._last
        if inputs and inputs[0] is output and _write_count(output) == changes:
            self.pairs.add((convolution, part))

    def mergeable_pairs(self) -> list[tuple[Any, Any]]:
        """The pairs of which neither part is in another one, and whose norm has statistics."""
        found = Counter(part for pair in self.pairs for part in pair)
        alone = (pair for pair in self.pairs if found[pair[0]] == found[pair[1]] == 1)
        return [(one, norm) for one, norm in alone if norm.running_mean is not None]


def _write_count(tensor: Any) -> int:
    """Count the writes to a tensor; an activation may change it in place."""
    count: int = tensor._version  # noqa: SLF001 - there is no other way to know
    return count


@contextmanager
def observe_network(model: Any) -> Iterator[NetworkObservations]:
    """See what a network does while it runs in the block.

    A result that goes to a batch normalization may go elsewhere, too, which is not seen here: who
    merges them has to compare what comes out in the end.

    Args:
        model: The network, which must not run in PyTorch's inference mode.

    Yields:
        What it has done by the end of the block.
    """
    seen = NetworkObservations()
    with ExitStack() as stack:
        for part in model.modules():
            if _is_plain_convolution(part):
                stack.callback(part.register_forward_hook(seen.record_convolution).remove)
            elif is_batch_norm(part):
                stack.callback(part.register_forward_pre_hook(seen.record_norm).remove)
        yield seen


def pack_network(model: Any, seen: NetworkObservations, *, merges: bool = True) -> Any:
    """A copy of a network that computes the same, but for rounding.

    Args:
        model: A network in evaluation mode, on the CPU.
        seen: What it did with pictures of the size that is to come.
        merges: Whether batch normalization is merged.

    Returns:
        The copy, which may be run by several threads at a time. It has its own weights.

    Raises:
        ValueError: There is no convolution that could be packed.
    """
    if not seen.sizes:
        raise ValueError("The network has no convolution that could be packed.")
    network = merge_norms(model, seen) if merges else copy.deepcopy(model)
    names, kind = _part_names(model), _packed_class()
    for convolution, size in seen.sizes.items():
        plain = network.get_submodule(names[convolution][0])
        _replace_part(network, names[convolution], kind(plain, size))
    return network


def merge_norms(model: Any, seen: NetworkObservations) -> Any:
    """A copy of a network whose batch normalization is merged into the convolutions before it.

    Args:
        model: A network in evaluation mode.
        seen: What it did with its pictures.
    """
    network, names = copy.deepcopy(model), _part_names(model)
    for convolution, norm in seen.mergeable_pairs():
        _merge_norm(network, names[convolution], names[norm])
    return network


def _part_names(model: Any) -> dict[Any, list[str]]:
    """All names of each part."""
    names: dict[Any, list[str]] = defaultdict(list)
    for name, part in model.named_modules(remove_duplicate=False):
        names[part].append(name)
    return names


def _merge_norm(network: Any, convolution: list[str], norm: list[str]) -> None:
    nn: Any = importlib.import_module("torch").nn
    parts = (network.get_submodule(convolution[0]), network.get_submodule(norm[0]))
    _replace_part(network, convolution, nn.utils.fuse_conv_bn_eval(*parts))
    _replace_part(network, norm, nn.Identity())


def _replace_part(network: Any, names: list[str], part: Any) -> None:
    for name in names:
        network.set_submodule(name, part)


def is_batch_norm(part: Any) -> bool:
    """Return whether a module is plain batch normalization; subclasses may do more."""
    nn: Any = importlib.import_module("torch").nn
    return type(part) in (nn.BatchNorm2d, nn.SyncBatchNorm)


def _is_plain_convolution(part: Any) -> bool:
    """Return whether a module is a plain convolution padded with this many zeros."""
    nn: Any = importlib.import_module("torch").nn
    plain = type(part) is nn.Conv2d and part.padding_mode == "zeros"
    return plain and not isinstance(part.padding, str)


def _packed_class() -> Any:
    """The class of a convolution whose weights lie as oneDNN wants them."""
    torch: Any = importlib.import_module("torch")
    # What PyTorch's own compiler calls; it has no other way to them.
    lay_out = torch.ops.mkldnn._reorder_convolution_weight  # noqa: SLF001
    convolve = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001

    class Packed(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, plain: Any, size: tuple[int, ...]) -> None:
            super().__init__()
            how = (plain.padding, plain.stride, plain.dilation, plain.groups)
            self._weight = lay_out(plain.weight.detach(), *how, size)
            bias = None if plain.bias is None else plain.bias.detach()
            self._others: Any = (bias, *how, "none", [], "")

        def forward(self, inputs: Any) -> Any:
            return convolve(inputs, self._weight, *self._others)

    return Packed
