"""Packed and frozen networks compute what the network itself does, whatever it is made of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from tasks.pose.frozen import freeze  # noqa: E402
from tasks.pose.packed import packed, watched  # noqa: E402

SIZE = (2, 3, 24, 32)

# It is still what traces a network; an estimator's own warnings go to its log.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def norm(channels: int) -> Any:
    """Batch normalization that really changes something."""
    layer = nn.BatchNorm2d(channels)
    layer.running_mean.uniform_(-1, 1)
    layer.running_var.uniform_(0.5, 2)
    nn.init.uniform_(layer.weight, 0.5, 2)
    nn.init.uniform_(layer.bias, -1, 1)
    return layer


class Residual(nn.Module):  # type: ignore[misc, name-defined]
    """A convolution's own result is used beside its normalized one."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3, padding=1), norm(3)

    def forward(self, inputs: Any) -> Any:
        found = self.convolution(inputs)
        return self.norm(found) + found


class Shared(nn.Module):  # type: ignore[misc, name-defined]
    """One convolution with two normalizations."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.first, self.second = nn.Conv2d(3, 3, 1), norm(3), norm(3)

    def forward(self, inputs: Any) -> Any:
        return self.second(self.convolution(self.first(self.convolution(inputs))))


class NormWithActivation(nn.BatchNorm2d):  # type: ignore[misc, name-defined]
    """As timm has it."""

    def forward(self, inputs: Any) -> Any:
        return super().forward(inputs).relu()


NETWORKS: dict[str, Callable[[], Any]] = {
    "merged": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), norm(8), nn.ReLU(inplace=True)),
    "1x1": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 1)),
    "strided": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, dilation=2, padding=2)),
    "by channel": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), norm(6)),
    "same": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), norm(4)),
    "reflected": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")),
    "transposed": lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 2, 3, stride=2)),
    "norm first": lambda: nn.Sequential(norm(3), nn.Conv2d(3, 4, 3)),
    "norm with activation": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), NormWithActivation(4)),
    "shared": Shared,
}


@pytest.fixture(autouse=True)
def alike() -> None:
    torch.manual_seed(0)


def pictures(*size: int) -> Any:
    return torch.rand(*(size or SIZE)).to(memory_format=torch.channels_last)


def packed_for(network: Any) -> Any:
    with watched(network) as seen:
        for _ in range(2):
            network(pictures())
    return packed(network, seen)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_packed_network_gives_what_the_network_gives(make: Callable[[], Any]) -> None:
    network = make().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copied = packed_for(network)
    for _ in range(2):
        new = pictures()
        torch.testing.assert_close(copied(new), network(new), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


@torch.no_grad()  # type: ignore[untyped-decorator]
def test_norms_are_merged_and_convolutions_packed() -> None:
    network = NETWORKS["merged"]().eval()
    copied = packed_for(network)
    kinds = [type(part).__name__ for part in copied]
    assert kinds == ["Packed", "Identity", "ReLU"]
    assert not network[0]._forward_hooks
    assert not network[1]._forward_pre_hooks


@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_packed_network_takes_other_sizes_and_several_threads() -> None:
    network = NETWORKS["1x1"]().eval()
    copied = packed_for(network)
    many = [pictures(1, 3, 10 + index, 40) for index in range(20)]
    with ThreadPoolExecutor(4, initializer=torch.set_grad_enabled, initargs=(False,)) as threads:
        found = list(threads.map(copied, many))
    for picture, one in zip(many, found, strict=True):
        torch.testing.assert_close(one, network(picture), rtol=1e-4, atol=1e-5)


class Heads(nn.Module):  # type: ignore[misc, name-defined]
    """A network with outputs as DeepLabCut's have them."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Any) -> dict[str, dict[str, Any]]:
        found = self.network(inputs)
        return {"bodypart": {"heatmap": found, "locref": found * 2}}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_frozen_network_gives_what_the_network_gives(make: Callable[[], Any]) -> None:
    network = Heads(make()).eval().to(memory_format=torch.channels_last)
    frozen = freeze(network, pictures())
    assert frozen is not None
    new = pictures()
    torch.testing.assert_close(frozen(new), network(new), rtol=1e-4, atol=1e-4)


@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_network_that_would_give_something_else_is_not_frozen() -> None:
    # With the graph compiler it would take all memory; packed, a normalized result would be added
    # to itself.
    assert freeze(Heads(Residual()).eval(), pictures()) is None
