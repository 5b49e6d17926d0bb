"""How exactly a network computes, on a GPU that is made of the processor."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.pose.precision import FULL, compared
from tasks.pose.settings import Precision

torch: Any = pytest.importorskip("torch")

from tasks.pose.torch_precision import Reduced  # noqa: E402 - after what it needs

GPU = SimpleNamespace(type="cuda")


class Torch:
    """PyTorch with a GPU of a generation."""

    def __init__(self, generation: int = 9) -> None:
        self.cuda = SimpleNamespace(get_device_capability=lambda _: (generation, 0))
        self.backends = SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def network(*, by_groups: bool = False) -> Any:
    """A layer, and perhaps a group normalization, below a head as DeepLabCut has it."""
    torch.manual_seed(1)

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3)
            self.normal = torch.nn.GroupNorm(2, 4) if by_groups else torch.nn.Identity()
            self.seen: list[Any] = []

        def forward(self, inputs: Any) -> dict[str, dict[str, Any]]:
            self.seen.append(inputs.dtype)
            return {"bodypart": {"heatmap": self.normal(self.layer(inputs))}}

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
    reduced = Reduced(gpu, model, GPU)
    reduced.begin(precision)
    assert reduced.arithmetic.numbers == numbers
    assert gpu.backends.cudnn.allow_tf32 is tf32


def test_half_precision_is_measured_and_not_far_from_full() -> None:
    gpu, model = Torch(), network()
    reduced = Reduced(gpu, model, GPU)
    reduced.begin(Precision.HALF)
    reduced.measure(predictor(model), pictures())
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
    reduced = Reduced(Torch(), model, GPU)
    for precision in (Precision.HALF, Precision.FULL):
        reduced.begin(precision)
        found = predictor(model)(pictures(2))
        same = [
            np.array_equal(a["bodyparts"], b["bodyparts"])
            for a, b in zip(found, expected, strict=True)
        ]
        assert all(same) is (precision is Precision.FULL)


def test_full_precision_has_nothing_to_be_measured() -> None:
    reduced = Reduced(Torch(), network(), GPU)
    reduced.begin(Precision.FULL)
    reduced.measure(lambda _: pytest.fail("nothing is compared"), pictures())
    assert reduced.arithmetic == FULL


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
    reduced = Reduced(Torch(), model, GPU)
    reduced.begin(precision)
    assert (reduced.memory_format is torch.channels_last) is last
    assert model.layer.weight.is_contiguous(memory_format=reduced.memory_format)


def test_a_cpu_says_that_it_has_no_half_precision() -> None:
    model = network()
    before = model.forward
    reduced = Reduced(Torch(), model, SimpleNamespace(type="cpu"))
    reduced.begin(Precision.HALF)
    assert reduced.arithmetic.numbers == "float32"
    assert "no effect on a CPU" in reduced.arithmetic.warnings[0]
    assert model.forward == before


class TestCompared:
    def poses(self, *places: float) -> NDArray[np.float32]:
        """An animal with body parts at places, the last of them unlikely."""
        values = [[x, 0, 0.9] for x in places[:-1]] + [[places[-1], 0, 0.1]]
        return np.array([values], np.float32)

    def test_unlikely_points_do_not_count(self) -> None:
        found = compared("float16", [self.poses(1, 2.05, 99)], [self.poses(1, 2, 3)])
        assert (found.frames, found.points) == (1, 2)
        assert found.largest == pytest.approx(0.05, abs=1e-6)
        assert found.warnings == ()

    def test_points_that_are_moved_far_are_told(self) -> None:
        both = [self.poses(1, 2.5, 99)], [self.poses(1, 2, 3)]
        (told,) = compared("float16", *both).warnings
        assert "0.50 pixels" in told
        assert compared("float16", *both, warns=False).warnings == ()

    def test_points_that_are_lost_are_infinitely_far(self) -> None:
        found = compared("float16", [self.poses(1, np.nan, 3)], [self.poses(1, 2, 3)])
        assert found.largest == np.inf
        assert "far away" in found.warnings[0]

    def test_animals_may_change_places(self) -> None:
        one, other = self.poses(1, 2, 3), self.poses(50, 60, 70)
        both = [np.concatenate(pair) for pair in ((one, other), (other, one))]
        assert compared("float16", both[:1], both[1:]).largest == 0

    def test_frames_without_animals_have_nothing_to_compare(self) -> None:
        nothing = np.full((1, 3, 3), -1, np.float32)
        found = compared("float16", [nothing], [nothing])
        assert (found.frames, found.points, found.largest) == (1, 0, None)
