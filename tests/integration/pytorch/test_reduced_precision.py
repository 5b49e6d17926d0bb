"""How exactly a network computes, on a GPU that is made of the processor."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.pose.network.precision_check import FULL_PRECISION, compare_points
from tasks.pose.settings import Precision

torch: Any = pytest.importorskip("torch")

from tasks.pose.network.pytorch import reduced_precision  # noqa: E402 - after what it needs
from tasks.pose.network.pytorch.device import DeviceFeed  # noqa: E402
from tasks.pose.network.pytorch.device_network import DeviceNetwork  # noqa: E402
from tasks.pose.network.pytorch.reduced_precision import ReducedPrecision  # noqa: E402

GPU = SimpleNamespace(type="cuda")
CPU = SimpleNamespace(type="cpu")


class Torch:
    """PyTorch with a GPU of a generation."""

    def __init__(self, generation: int = 9) -> None:
        self.cuda = SimpleNamespace(get_device_capability=lambda _: (generation, 0))
        self.backends = SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def network(*, by_groups: bool = False, norm: str | None = None) -> Any:
    """A layer, and perhaps normalization, below a head as DeepLabCut has it."""
    torch.manual_seed(1)

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3)
            self.normal = torch.nn.GroupNorm(2, 4) if by_groups else torch.nn.Identity()
            if norm:
                self.normal = torch.nn.BatchNorm2d(4)
                self.normal.running_mean.uniform_()
            self.seen: list[Any] = []

        def forward(self, inputs: Any) -> dict[str, dict[str, Any]]:
            self.seen.append(inputs.dtype)
            first = self.layer(inputs)
            heatmap = self.normal(first) + (first if norm == "elsewhere too" else 0)
            return {"bodypart": {"heatmap": heatmap}}

    return Network().eval()


def pictures(count: int = 20) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (count, 12, 14, 3), np.uint8)


def predictor(model: Any) -> Any:
    """What estimates a batch: the largest value of each channel, as if it were a place."""

    def predict(batch: NDArray[np.uint8]) -> list[dict[str, NDArray[Any]]]:
        with torch.no_grad():
            inputs = torch.from_numpy(batch).float().permute(0, 3, 1, 2) / 255
            heatmap = model(inputs)["bodypart"]["heatmap"]
        assert heatmap.dtype == torch.float32
        best = heatmap.flatten(2).max(2).values.numpy()
        return [{"bodyparts": np.stack([one, one, one * 0 + 1], 1)[None]} for one in best]

    return predict


@pytest.mark.parametrize(
    ("generation", "precision", "numbers", "tf32"),
    [
        (9, Precision.STANDARD, "tfloat32", True),
        (9, Precision.FULL, "float32", False),
        (9, Precision.HALF, "float16", True),
        (7, Precision.STANDARD, "float32", True),
        (7, Precision.HALF, "float16", True),
    ],
)
def test_a_gpu_computes_as_is_asked_for(
    generation: int, precision: Precision, numbers: str, tf32: bool
) -> None:
    gpu, model = Torch(generation), network()
    reduced = ReducedPrecision(gpu, model, GPU)
    reduced.begin_movie(precision)
    assert reduced.arithmetic.numbers == numbers
    assert gpu.backends.cudnn.allow_tf32 is tf32


def test_half_precision_is_measured_and_not_far_from_full() -> None:
    gpu, model = Torch(), network()
    reduced = ReducedPrecision(gpu, model, GPU)
    reduced.begin_movie(Precision.HALF)
    reduced.compare_with_full(predictor(model), pictures())
    found = reduced.arithmetic
    assert (found.numbers, found.frames, found.points) == ("float16", 16, 64)
    assert found.most is not None
    assert found.largest is not None
    assert 0 < found.most <= found.largest < 0.01
    assert found.warnings == ()
    assert gpu.backends.cudnn.allow_tf32
    assert set(model.seen) == {torch.float32}, "the copy in float16 is another network"


def test_a_network_comes_back_from_half_precision() -> None:
    model = network()
    expected = predictor(model)(pictures(2))
    reduced = ReducedPrecision(Torch(), model, GPU)
    for precision in (Precision.HALF, Precision.FULL):
        reduced.begin_movie(precision)
        found = predictor(model)(pictures(2))
        same = [
            np.array_equal(a["bodyparts"], b["bodyparts"])
            for a, b in zip(found, expected, strict=True)
        ]
        assert all(same) is (precision is Precision.FULL)


def test_full_precision_has_nothing_to_be_measured() -> None:
    reduced = ReducedPrecision(Torch(), network(), GPU)
    reduced.begin_movie(Precision.FULL)
    reduced.compare_with_full(lambda _: pytest.fail("nothing is compared"), pictures())
    assert reduced.arithmetic == FULL_PRECISION


@pytest.mark.parametrize(
    ("by_groups", "precision", "last"),
    [
        (False, Precision.STANDARD, False),
        (False, Precision.HALF, True),
        (False, Precision.FULL, False),
        (True, Precision.STANDARD, False),
        (True, Precision.HALF, False),
    ],
)
def test_channels_lie_where_kernels_want_them(
    by_groups: bool, precision: Precision, last: bool
) -> None:
    model = network(by_groups=by_groups)
    reduced = ReducedPrecision(Torch(), model, GPU)
    reduced.begin_movie(precision)
    assert (reduced.memory_format is torch.channels_last) is last
    assert model.layer.weight.is_contiguous(memory_format=reduced.memory_format)


def test_a_processor_without_bfloat16_says_that_it_has_no_half_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reduced_precision, "has_bfloat16", lambda: False)
    model = network()
    before = model.forward
    reduced = ReducedPrecision(Torch(), model, CPU)
    reduced.begin_movie(Precision.HALF)
    assert reduced.arithmetic.numbers == "float32"
    assert "no effect on this processor" in reduced.arithmetic.warnings[0]
    assert reduced.build_bfloat16_network(inputs()) is None
    assert model.forward == before


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has instructions for it; others compute the same, slowly."""
    monkeypatch.setattr(reduced_precision, "has_bfloat16", lambda: True)


@pytest.mark.usefixtures("bfloat16")
def test_half_precision_on_a_cpu_is_measured() -> None:
    model = network()
    engine = in_half(model)
    with torch.inference_mode():
        engine.reduced.compare_with_full(predictor(engine_of(engine)), pictures(6))
    found = engine.reduced.arithmetic
    assert (found.numbers, found.frames, found.points) == ("bfloat16", 4, 16)
    assert found.most is not None
    assert found.largest is not None
    assert 0 < found.most <= found.largest < 0.05


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("norm", ["merged", "elsewhere too", None])
def test_a_network_in_bfloat16_gives_about_the_same_for_any_shape(norm: str | None) -> None:
    model = network(norm=norm)
    engine = in_half(model)
    run = engine_of(engine)
    for batch in (inputs(), inputs(3), torch.rand(2, 3, 20, 30)):
        with torch.inference_mode():
            found, expected = run(batch), model(batch)
        heatmap = found["bodypart"]["heatmap"]
        assert heatmap.dtype == torch.float32
        torch.testing.assert_close(heatmap, expected["bodypart"]["heatmap"], atol=0.05, rtol=0.05)
        assert not torch.equal(heatmap, expected["bodypart"]["heatmap"])


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("features", [lambda x: x, lambda x: (x, x)[1:], lambda x: [x]])
def test_heads_stay_in_full_precision(features: Any) -> None:
    class Backbone(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3)

        def forward(self, inputs: Any) -> Any:
            assert inputs.dtype == self.layer.weight.dtype
            return features(self.layer(inputs))

    class WithHeads(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = Backbone(), torch.nn.Conv2d(4, 2, 3)

        def forward(self, inputs: Any) -> dict[str, dict[str, Any]]:
            found = self.backbone(inputs)
            found = found if isinstance(found, torch.Tensor) else found[0]
            assert found.dtype == self.head.weight.dtype == torch.float32
            return {"bodypart": {"heatmap": self.head(found)}}

    torch.manual_seed(1)
    model = WithHeads().eval()
    engine = in_half(model)
    assert engine.reduced.current_numbers == "bfloat16"
    with torch.inference_mode():
        found = engine_of(engine)(inputs())["bodypart"]["heatmap"]
        expected = model(inputs())["bodypart"]["heatmap"]
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0.01)
    assert not torch.equal(found, expected)


@pytest.mark.usefixtures("bfloat16")
def test_a_movie_in_full_precision_after_one_in_half() -> None:
    model = network()
    engine = DeviceNetwork(torch, model, DeviceFeed(torch, CPU))
    for precision in (Precision.HALF, Precision.STANDARD, Precision.HALF, Precision.FULL):
        engine.reduced.begin_movie(precision)
        run = engine_of(engine)
        with torch.inference_mode():
            before = run(inputs())["bodypart"]["heatmap"]
            expected = model(inputs())["bodypart"]["heatmap"]
        torch.testing.assert_close(before, expected)  # not the last movie's network
        engine.prepare_for_inputs(inputs)
        with torch.inference_mode():
            found = run(inputs())["bodypart"]["heatmap"]
        close = torch.allclose(found, expected, atol=1e-6)
        assert close is (precision is not Precision.HALF)


@pytest.mark.usefixtures("bfloat16")
def test_a_network_that_cannot_be_lowered_runs_in_full_precision() -> None:
    class Stubborn(torch.nn.Module):  # type: ignore[misc]
        def forward(self, inputs: Any) -> dict[str, dict[str, Any]]:
            return {"bodypart": {"heatmap": torch.special.zeta(inputs + 2, inputs + 1)}}

    engine = in_half(Stubborn().eval())
    found = engine.reduced.arithmetic
    assert found.numbers == "float32"
    assert "no effect on this network" in found.warnings[0]
    with torch.inference_mode():
        heatmap = engine_of(engine)(inputs())["bodypart"]["heatmap"]
    torch.testing.assert_close(heatmap, Stubborn()(inputs())["bodypart"]["heatmap"])


def inputs(count: int = 1) -> Any:
    return torch.from_numpy(pictures(count)).float().permute(0, 3, 1, 2) / 255


def in_half(model: Any) -> DeviceNetwork:
    """An engine on a CPU that is ready for a movie in half precision."""
    engine = DeviceNetwork(torch, model, DeviceFeed(torch, CPU))
    engine.reduced.begin_movie(Precision.HALF)
    engine.prepare_for_inputs(inputs)
    return engine


def engine_of(engine: DeviceNetwork) -> Any:
    """What an engine computes a batch with."""
    return lambda batch: engine.network_for(batch)(batch)


class TestCompared:
    def poses(self, *places: float) -> NDArray[np.float32]:
        """An animal with body parts at places, the last of them unlikely."""
        values = [[x, 0, 0.9] for x in places[:-1]] + [[places[-1], 0, 0.1]]
        return np.array([values], np.float32)

    def test_unlikely_points_do_not_count(self) -> None:
        found = compare_points("float16", [self.poses(1, 2.05, 99)], [self.poses(1, 2, 3)])
        assert (found.frames, found.points) == (1, 2)
        assert found.largest == pytest.approx(0.05, abs=1e-6)
        assert found.warnings == ()

    def test_points_that_are_moved_far_are_told(self) -> None:
        both = [self.poses(1, 2.5, 99)], [self.poses(1, 2, 3)]
        (told,) = compare_points("float16", *both).warnings
        assert "0.50 pixels" in told
        assert compare_points("float16", *both, warns=False).warnings == ()

    def test_points_that_are_lost_are_infinitely_far(self) -> None:
        found = compare_points("float16", [self.poses(1, np.nan, 3)], [self.poses(1, 2, 3)])
        assert found.largest == np.inf
        assert "far away" in found.warnings[0]

    def test_animals_may_change_places(self) -> None:
        one, other = self.poses(1, 2, 3), self.poses(50, 60, 70)
        both = [np.concatenate(pair) for pair in ((one, other), (other, one))]
        assert compare_points("float16", both[:1], both[1:]).largest == 0

    def test_frames_without_animals_have_nothing_to_compare(self) -> None:
        nothing = np.full((1, 3, 3), -1, np.float32)
        found = compare_points("float16", [nothing], [nothing])
        assert (found.frames, found.points, found.largest) == (1, 0, None)
