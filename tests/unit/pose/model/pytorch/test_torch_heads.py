"""The weights say how many body parts a network was trained for; the configuration must agree."""

from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.pose.model.pytorch.torch_heads import check_trained_heads
from tasks.pose.untrusted.torch_shapes import Shapes

BODYPART = "heads.bodypart"


def network(kind: str, *, unique: int = 0, animals: int = 1, **heads: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "bodyparts": ["nose", "ear", "tail"],
            "unique_bodyparts": [f"corner{index}" for index in range(unique)],
            "individuals": [f"mouse{index}" for index in range(animals)],
        },
        "model": {"heads": {"bodypart": {"type": kind}} | heads},
    }


def deconvolution(head: str, layer: str, *outputs: int) -> Shapes:
    return {
        f"heads.{head}.{layer}.deconv_layers.{2 * index}.bias": (count,)
        for index, count in enumerate(outputs)
    }


def simple(count: int) -> Shapes:
    return deconvolution("bodypart", "heatmap_head", count) | deconvolution(
        "bodypart", "locref_head", 2 * count
    )


PAIRS = {"type": "DLCRNetHead", "predictor": {"graph": [[0, 1], [1, 2]]}}

GOOD: dict[str, tuple[dict[str, Any], Shapes]] = {
    "heatmaps": (network("HeatmapHead"), simple(3)),
    "two layers": (
        network("HeatmapHead"),
        deconvolution("bodypart", "heatmap_head", 256, 3),
    ),
    "a last convolution": (
        network("HeatmapHead"),
        deconvolution("bodypart", "heatmap_head", 256)
        | {f"{BODYPART}.heatmap_head.final_conv.bias": (3,)},
    ),
    "pairs": (
        network("", bodypart=PAIRS),
        simple(3) | deconvolution("bodypart", "paf_head", 4),
    ),
    "DEKR": (
        network("DEKRHead"),
        {
            f"{BODYPART}.heatmap_head.transition_heatmap.1.bias": (32,),
            f"{BODYPART}.heatmap_head.head_heatmap.1.bias": (4,),
        },
    ),
    "RTMPose": (
        network("RTMCCHead"),
        {f"{BODYPART}.final_layer.bias": (3,), f"{BODYPART}.cls_x.weight": (512, 256)},
    ),
    "a head of another kind": (network("TransformerHead"), {f"{BODYPART}.mlp_head.1.bias": (9,)}),
    "arena and identity": (
        network(
            "HeatmapHead",
            unique=2,
            animals=4,
            unique_bodypart={"type": "HeatmapHead"},
            identity={"type": "HeatmapHead"},
        ),
        simple(3)
        | deconvolution("unique_bodypart", "heatmap_head", 2)
        | deconvolution("identity", "heatmap_head", 4),
    ),
    "no weights": (network("HeatmapHead"), {}),
}


@pytest.mark.parametrize("case", GOOD)
def test_weights_that_fit_pass(case: str) -> None:
    config, shapes = GOOD[case]
    check_trained_heads(config, shapes, "m.zip", "snapshot-1.pt")


JUDGED = [case for case in GOOD if case not in {"a head of another kind", "no weights"}]


@pytest.mark.parametrize("case", JUDGED)
def test_one_name_too_many_is_refused(case: str) -> None:
    config, shapes = GOOD[case]
    config = config | {"metadata": config["metadata"] | {"bodyparts": ["a", "b", "c", "d"]}}
    with pytest.raises(BadInput, match="names 4 body parts") as caught:
        check_trained_heads(config, shapes, "m.zip", "snapshot-1.pt")
    assert "the weights in snapshot-1.pt have" in str(caught.value)


@pytest.mark.parametrize(
    ("head", "key", "says"),
    [
        ("unique_bodypart", "unique_bodyparts", "names 1 unique body parts"),
        ("identity", "individuals", "names 1 individuals"),
    ],
)
def test_the_other_heads_are_looked_at_too(head: str, key: str, says: str) -> None:
    config, shapes = GOOD["arena and identity"]
    config = config | {"metadata": config["metadata"] | {key: ["one"]}}
    with pytest.raises(BadInput, match=says) as caught:
        check_trained_heads(config, shapes, "m.zip", "snapshot-1.pt")
    assert head in str(caught.value)


def test_pairs_of_another_number_are_refused() -> None:
    config, shapes = GOOD["pairs"]
    shapes = shapes | deconvolution("bodypart", "paf_head", 6)
    with pytest.raises(BadInput, match=r"bodypart\.paf_head has 4 outputs, but .* have 6"):
        check_trained_heads(config, shapes, "m.zip", "snapshot-1.pt")


def test_other_heads_than_the_configuration_says_are_refused() -> None:
    config, shapes = GOOD["heatmaps"]
    shapes = shapes | deconvolution("identity", "heatmap_head", 2)
    with pytest.raises(BadInput, match=r"has the heads bodypart, but .* bodypart, identity"):
        check_trained_heads(config, shapes, "m.zip", "snapshot-1.pt")


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({"channels": [512, 3]}, True),
        ({"channels": [512, 100_000, 3]}, False),
        ({"channels": [512, 7], "final_conv": {"out_channels": 3}}, False),
        ({"channels": [512], "final_conv": {"out_channels": 3}}, True),
    ],
)
def test_layers_in_between_are_compared_too(config: dict[str, Any], fits: bool) -> None:
    head = {"type": "HeatmapHead", "heatmap_config": config}
    told = network("", bodypart=head)
    if fits:
        check_trained_heads(told, simple(3), "m.zip", "snapshot-1.pt")
        return
    with pytest.raises(BadInput, match=r"bodypart\.heatmap_config layers of .* weights have 3;"):
        check_trained_heads(told, simple(3), "m.zip", "snapshot-1.pt")
