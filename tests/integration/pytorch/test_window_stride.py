"""Networks whose windows have the full frame's features are told from those that look at all."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

from tasks.pose.network.pytorch.window_stride import (  # noqa: E402
    find_window_support,
    make_trial_picture,
)


class HeatmapPredictor:
    """By its name, DeepLabCut's."""


class SimCCPredictor:
    """By its name, DeepLabCut's, which reads places of a full picture."""


class Head(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, predictor: Any, *layers: Any) -> None:
        super().__init__()
        self.predictor = predictor
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Any) -> Any:
        return self.layers(features)


class Network(nn.Module):  # type: ignore[misc, name-defined]
    """A backbone and a head, as DeepLabCut's networks have them."""

    def __init__(self, *layers: Any, head: tuple[Any, ...] = (), predictor: Any = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.backbone = nn.Sequential(*layers)
        self.heads = nn.ModuleDict({"bodypart": Head(predictor or HeatmapPredictor(), *head)})

    def forward(self, inputs: Any) -> Any:
        return self.heads["bodypart"](self.backbone(inputs))


class Branches(nn.Module):  # type: ignore[misc, name-defined]
    """A fine and a coarse branch that are added, as in an HRNet."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = halve(4), nn.Sequential(halve(4), halve(4), halve(4))
        self.enlarge = nn.Upsample(scale_factor=4)

    def forward(self, inputs: Any) -> Any:
        return self.fine(inputs) + self.enlarge(self.coarse(inputs))


class SqueezeAndExcitation(nn.Module):  # type: ignore[misc, name-defined]
    """As timm has it, without a layer for the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(4, 4, 1)

    def forward(self, inputs: Any) -> Any:
        return inputs * self.weigh(inputs.mean((2, 3), keepdim=True))


def halve(inner: int = 3) -> Any:
    return nn.Conv2d(inner, 4, 3, stride=2, padding=1)


def find(network: Any) -> Any:
    with torch.no_grad():
        return find_window_support(network.eval(), make_trial_picture(torch, "cpu"))


@pytest.mark.parametrize(
    ("network", "stride"),
    [
        (Network(halve(), nn.BatchNorm2d(4), nn.ReLU()), 2),
        (Network(halve(), nn.MaxPool2d(3, 2, 1), halve(4), halve(4)), 16),
        (Network(*[halve(n) for n in (3, 4, 4)], head=(nn.ConvTranspose2d(4, 2, 3, 2),)), 8),
        (Network(halve(), Branches()), 16),
    ],
)  # fmt: skip
def test_the_stride_is_that_of_the_coarsest_layer(network: Any, stride: int) -> None:
    assert find(network).stride == stride


@pytest.mark.parametrize("size", [(160, 192), (176, 208)])
def test_windows_at_multiples_of_it_have_the_frame_s_features(size: tuple[int, int]) -> None:
    network = Network(halve(), Branches(), head=(nn.ConvTranspose2d(4, 2, 3, 2),)).eval()
    stride = find(network).stride
    picture = torch.rand((1, 3, *size))
    top, left, rows, columns = 2 * stride, stride, size[0] - 4 * stride, size[1] - 3 * stride
    with torch.no_grad():
        full = network(picture)
        part = network(picture[..., top : top + rows, left : left + columns])
        moved = network(picture[..., top + 2 : top + 2 + rows, left : left + columns])
    y, x = top // 2, left // 2  # features of 2 pixels each, of which the outer ones see a cut
    inner = (..., slice(20, 28), slice(20, 28))
    torch.testing.assert_close(part[inner], full[..., y:, x:][inner])
    assert not torch.allclose(moved[inner], full[..., y + 1 :, x:][inner])


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (Network(halve(), nn.GroupNorm(2, 4)), "its layer GroupNorm may look at"),
        (Network(halve(), nn.AdaptiveAvgPool2d(1)), "its layer AdaptiveAvgPool2d may look at"),
        (Network(halve(), SqueezeAndExcitation()), "its layer Conv2d sees the whole picture"),
        (Network(halve(), nn.Flatten(), nn.Linear(65536, 3)), "its layer Flatten may look at"),
        (Network(halve(), predictor=SimCCPredictor()), "its predictor (SimCCPredictor) reads"),
    ],
)  # fmt: skip
def test_what_looks_at_the_whole_picture_has_none(network: Any, reason: str) -> None:
    support = find(network)
    assert support.stride == 0
    assert support.reason.startswith(reason)


def test_no_hook_is_left() -> None:
    network = Network(halve())
    find(network)
    assert not any(part._forward_hooks for part in network.modules())
