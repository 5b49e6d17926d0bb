"""Networks that keep something of a batch on their modules run one batch at a time."""

import copy
import threading
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from tasks.pose.network.pytorch.device import DeviceFeed  # noqa: E402
from tasks.pose.network.pytorch.device_network import DeviceNetwork  # noqa: E402
from tasks.pose.network.pytorch.frozen import freeze_network  # noqa: E402
from tasks.pose.network.pytorch.kept_state import (  # noqa: E402
    ThreadFeatures,
    has_hooks,
    leaves_tensors,
)
from tasks.pose.settings import Precision  # noqa: E402

# It is still what traces a network; an estimator's own warnings go to its log.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


class Plain(nn.Module):  # type: ignore[misc, name-defined]
    """Keeps nothing; a head as DeepLabCut's networks have them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, inputs: Any) -> dict[str, dict[str, Any]]:
        return {"bodypart": {"heatmap": self.second(self.keep(self.first(inputs)))}}

    def keep(self, features: Any) -> Any:
        return features

    def get_predictions(self, outputs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return outputs


class Hooked(Plain):
    """Reads what a forward hook left on it, as DLCRNet does."""

    def __init__(self) -> None:
        super().__init__()
        self.features: dict[str, Any] = {}
        self.first.register_forward_hook(lambda _part, _inputs, output: self.leave(output))

    def leave(self, output: Any) -> None:
        self.features["first"] = output

    def keep(self, features: Any) -> Any:
        wait_for_others()
        return self.features["first"]


class Attribute(Plain):
    """Keeps features as an attribute, without hooks."""

    def keep(self, features: Any) -> Any:
        self.features = [features]
        wait_for_others()
        return self.features[0]


class Buffer(Plain):
    """Changes a buffer in place."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def keep(self, features: Any) -> Any:
        self.seen.add_(1)
        return features


class Cached(Plain):
    """Computes something once, which stays."""

    grid: Any = None

    def keep(self, features: Any) -> Any:
        if self.grid is None:
            self.grid = torch.ones(1)
        return features * self.grid


LANES = 3
ALL_LANES = threading.Barrier(LANES)


class Meeting(Plain):
    """Keeps features in a mapping, which lanes read when all of them have written."""

    def __init__(self, features: MutableMapping[str, Any]) -> None:
        super().__init__()
        self.features = features

    def keep(self, features: Any) -> Any:
        self.features["first"] = features
        if threading.current_thread() is not threading.main_thread():
            ALL_LANES.wait(60)
        return self.features["first"]


def wait_for_others() -> None:
    """Give other threads time to overwrite what this one keeps."""
    torch.rand(400, 400) @ torch.rand(400, 400)


@pytest.mark.parametrize(
    ("make", "hooks", "tensors"),
    [
        (Plain, False, False),
        (Hooked, True, True),
        (Attribute, False, True),
        (Buffer, False, True),
        (Cached, False, False),
    ],
)
def test_state_is_found(make: Callable[[], Any], hooks: bool, tensors: bool) -> None:
    model = make().eval()
    with torch.no_grad():
        assert has_hooks(model) == hooks
        assert leaves_tensors(model, torch.rand(1, 3, 8, 8)) == tensors


@pytest.mark.parametrize("make", [Plain, Hooked, Attribute])
def test_lanes_do_not_mix_batches(make: Callable[[], Any]) -> None:
    generator = torch.Generator().manual_seed(2)
    batches = [torch.rand(2, 3, 24, 24, generator=generator) for _ in range(16)]
    with torch.no_grad():
        expected = [make().eval()(batch)["bodypart"]["heatmap"].numpy() for batch in batches]
    feed = DeviceFeed(torch, torch.device("cpu"))
    network = DeviceNetwork(torch, make().eval(), feed)
    network.reduced.begin_movie(Precision.STANDARD)
    network.prepare_for_inputs(lambda: batches[0])

    def predict(batch: Any) -> Any:
        with feed.enter_lane():
            return network.predict_heads(batch)["bodypart"]["heatmap"]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predict, batches))
    for one, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, right, atol=1e-5)
    assert network.keeps_state == (make is not Plain)
    assert network.execution.startswith("prepared" if make is Plain else "as it is, one batch")


@pytest.mark.parametrize(("features", "is_prepared"), [(dict, False), (ThreadFeatures, True)])
def test_a_network_is_prepared_only_if_its_lanes_do_not_mix_batches(
    features: Callable[[], MutableMapping[str, Any]], is_prepared: bool
) -> None:
    network = Meeting(features()).eval().to(memory_format=torch.channels_last)
    batch = torch.rand(2, 3, 24, 24).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        assert (freeze_network(network, batch, LANES) is not None) == is_prepared


def test_threads_have_features_of_their_own() -> None:
    features = ThreadFeatures()
    features["bank"] = 1
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: dict(features)).result() == {}
        pool.submit(features.__setitem__, "bank", 2).result()
        assert pool.submit(lambda: dict(features)).result() == {"bank": 2}
    assert dict(features) == {"bank": 1}
    assert copy.deepcopy(features) is features
    del features["bank"]
    assert not features


@pytest.mark.parametrize("make", [Hooked, Attribute])
def test_half_precision_is_given_up_with_a_word(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.pose.network.pytorch.reduced_precision.has_bfloat16", lambda: True)
    network = DeviceNetwork(torch, make().eval(), DeviceFeed(torch, torch.device("cpu")))
    for _ in range(2):
        network.reduced.begin_movie(Precision.HALF)
        network.prepare_for_inputs(lambda: torch.rand(2, 3, 24, 24))
        assert network.reduced.arithmetic.numbers == "float32"
        (warning,) = network.reduced.arithmetic.warnings
        assert warning.startswith("precision: half has no effect on this network")
