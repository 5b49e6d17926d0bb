"""Packed and frozen networks compute what the network itself does, whatever it is made of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from tasks.pose.network.pytorch.frozen import freeze_network  # noqa: E402
from tasks.pose.network.pytorch.onednn import observe_network, pack_network  # noqa: E402

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


class Careful(nn.Module):  # type: ignore[misc, name-defined]
    """It looks at its convolution before it runs it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), norm(3)

    def forward(self, inputs: Any) -> Any:
        return self.norm(self.convolution(inputs.to(self.convolution.weight.dtype)))


class TwoNames(nn.Module):  # type: ignore[misc, name-defined]
    """A convolution and its norm have two names each, and run by the second ones."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), norm(3)
        self.both = nn.Sequential(self.convolution, self.norm)

    def forward(self, inputs: Any) -> Any:
        return self.both(inputs)


class NormWithActivation(nn.BatchNorm2d):  # type: ignore[misc, name-defined]
    """As timm has it."""

    def forward(self, inputs: Any) -> Any:
        return super().forward(inputs).relu()


NETWORKS: dict[str, Callable[[], Any]] = {
    "merged": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), norm(8), nn.ReLU(inplace=True)),
    "1x1": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 1)),
    "strided": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, dilation=2, padding=2)),
    "by channel": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), norm(6)),
    "same": lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 3, padding="same"), norm(4)),
    "reflected": lambda: nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")
    ),
    "transposed": lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 2, 3, stride=2)),
    "norm first": lambda: nn.Sequential(norm(3), nn.Conv2d(3, 4, 3)),
    "norm with activation": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), NormWithActivation(4)),
    "shared": Shared,
    "two names": TwoNames,
    "activation before norm": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), norm(4)
    ),
    "no statistics": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)
    ),
    "synchronized": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4)),
}


@pytest.fixture(autouse=True)
def alike() -> None:
    torch.manual_seed(0)


def pictures(*size: int) -> Any:
    return torch.rand(*(size or SIZE)).to(memory_format=torch.channels_last)


def packed_for(network: Any) -> Any:
    with observe_network(network) as seen:
        for _ in range(2):
            network(pictures())
    return pack_network(network, seen)


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


def kinds(network: Any) -> list[str]:
    return [type(part).__name__ for part in network]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("merged", ["Packed", "Identity", "ReLU"]),
        ("synchronized", ["Packed", "Identity"]),
        ("activation before norm", ["Packed", "ReLU", "BatchNorm2d"]),
        ("no statistics", ["Packed", "BatchNorm2d"]),
        ("same", ["Packed", "Conv2d", "BatchNorm2d"]),
    ],
)
@torch.no_grad()  # type: ignore[untyped-decorator]
def test_norms_are_merged_and_convolutions_packed(name: str, expected: list[str]) -> None:
    assert kinds(packed_for(NETWORKS[name]().eval())) == expected


@torch.no_grad()  # type: ignore[untyped-decorator]
def test_nothing_watches_a_network_afterwards_whatever_happens() -> None:
    network = NETWORKS["merged"]().eval()
    with pytest.raises(RuntimeError), observe_network(network):
        network(torch.rand(1, 5, 8, 8))  # it has five channels
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


MORE: dict[str, Callable[[], Any]] = {"residual": Residual, "careful": Careful}


@pytest.mark.parametrize("most_fused", [0, 10], ids=["large", "small"])
@pytest.mark.parametrize("make", (NETWORKS | MORE).values(), ids=NETWORKS | MORE)
@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_frozen_network_gives_what_the_network_gives(
    make: Callable[[], Any], most_fused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.pose.network.pytorch.frozen._MAX_FUSED_CONVOLUTIONS", most_fused)
    network = Heads(make()).eval().to(memory_format=torch.channels_last)
    frozen = freeze_network(network, pictures()) or network
    new = pictures()
    torch.testing.assert_close(frozen(new), network(new), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "most_fused", "expected"),
    [
        (NETWORKS["merged"], 10, "fused"),
        (NETWORKS["norm first"], 10, "fused"),
        (NETWORKS["merged"], 0, "merged"),
        (NETWORKS["1x1"], 10, "packed"),  # there is no norm that could be merged
        (Residual, 10, "packed"),  # the graph compiler would take all memory
        (Residual, 0, "packed"),  # merged, a normalized result would be added to itself
        (Careful, 10, "fused"),
        (Careful, 0, "as it is"),  # what it looks at is not there any more
        (lambda: nn.Sequential(nn.Linear(32, 4)), 10, "as it is"),
    ],
)
@torch.no_grad()  # type: ignore[untyped-decorator]
def test_a_network_is_frozen_in_the_best_way_that_gives_the_same(
    make: Callable[[], Any], most_fused: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.pose.network.pytorch.frozen._MAX_FUSED_CONVOLUTIONS", most_fused)
    network = Heads(make()).eval().to(memory_format=torch.channels_last)
    assert way_of(freeze_network(network, pictures())) == expected


def way_of(frozen: Any) -> str:
    if frozen is None:
        return "as it is"
    if not isinstance(frozen, nn.Module):
        return "fused"
    names = {type(part).__name__ for part in frozen.modules()}
    assert "Packed" in names
    return "merged" if "Identity" in names else "packed"
