"""A network with its convolutions as oneDNN runs them best: for a large one, on a CPU.

Batch normalization is merged into the convolution before it. Each convolution keeps its weights in
the layout that oneDNN wants for pictures of one size, and goes to oneDNN whatever its kernel:
PyTorch computes those of 1×1 by itself in a thread that works alone, as each of our lanes does, at
half the speed. On one core of an EPYC with AVX-512 a ResNet-50 takes 0.82 s a frame of 640×480 in
place of 0.92, which is 94 thousand million products a second; a product of large matrices, which
nothing exceeds, does 90 to 105.
"""

import copy
import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """What a network did with its pictures.

    Attributes:
        sizes: The shape of what each convolution was given last.
        pairs: Convolutions with the batch normalization that was given their result.
    """

    sizes: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    pairs: set[tuple[Any, Any]] = field(default_factory=set)

    def merged(self) -> list[tuple[Any, Any]]:
        """The pairs of which neither part is in another one."""
        parts = [part for pair in self.pairs for part in pair]
        return [pair for pair in self.pairs if all(parts.count(part) == 1 for part in pair)]


@contextmanager
def watched(model: Any) -> Iterator[Seen]:
    """See what a network does while it runs in the block.

    A result that goes to a batch normalization may go elsewhere, too, which is not seen here: who
    merges them has to compare what comes out in the end.

    Args:
        model: The network.
    """
    nn: Any = importlib.import_module("torch").nn
    seen, last = Seen(), [None, None]

    def after_convolution(part: Any, inputs: Any, output: Any) -> None:
        seen.sizes[part] = tuple(inputs[0].shape)
        last[:] = part, output

    def before_norm(part: Any, inputs: Any) -> None:
        if inputs[0] is last[1]:
            seen.pairs.add((last[0], part))

    with ExitStack() as stack:
        for part in model.modules():
            # Kinds that are made from these may do more, such as an activation.
            if type(part) is nn.Conv2d and _is_plain(part):
                stack.callback(part.register_forward_hook(after_convolution).remove)
            elif type(part) is nn.BatchNorm2d:
                stack.callback(part.register_forward_pre_hook(before_norm).remove)
        yield seen


def packed(model: Any, seen: Seen) -> Any:
    """A copy of a network that computes the same, but for rounding.

    Args:
        model: A network in evaluation mode, on the CPU.
        seen: What it did with pictures of the size that is to come.

    Returns:
        The copy, which may be run by several threads at a time.
    """
    torch: Any = importlib.import_module("torch")
    network = copy.deepcopy(model)
    names = {part: name for name, part in model.named_modules()}
    for convolution, norm in seen.merged():
        merged = torch.nn.utils.fuse_conv_bn_eval(
            network.get_submodule(names[convolution]), network.get_submodule(names[norm])
        )
        network.set_submodule(names[convolution], merged)
        network.set_submodule(names[norm], torch.nn.Identity())
    kind = _packed_kind(torch)
    for convolution, size in seen.sizes.items():
        name = names[convolution]
        network.set_submodule(name, kind(network.get_submodule(name), size))
    return network


def _is_plain(convolution: Any) -> bool:
    """Whether its padding is zeros, of a width that is a number."""
    return convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)


def _packed_kind(torch: Any) -> Any:
    """The class of a convolution whose weights lie as oneDNN wants them."""
    # What PyTorch's own compiler calls; it has no other way to them.
    lay_out = torch.ops.mkldnn._reorder_convolution_weight  # noqa: SLF001
    convolve = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001

    class Packed(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, plain: Any, size: tuple[int, ...]) -> None:
            super().__init__()
            how = (plain.padding, plain.stride, plain.dilation, plain.groups)
            self._weight = lay_out(plain.weight.detach(), *how, size)
            self._others: Any = (plain.bias, *how, "none", [], "")

        def forward(self, inputs: Any) -> Any:
            return convolve(inputs, self._weight, *self._others)

    return Packed
