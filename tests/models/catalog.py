"""Models of every family and kind that DeepLabCut 3 can build, by name; loads no library."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.torch_models import LENIENT_SETTINGS, PARTS, ModelKind

PYTORCH, TENSORFLOW = "pytorch", "tensorflow"

_BOTTOM_UP = (
    *("resnet_50", "resnet_101", "cspnext_s", "cspnext_m", "cspnext_x"),
    *("hrnet_w18", "hrnet_w32", "hrnet_w48", "dekr_w18", "dekr_w32", "dekr_w48"),
    *("dlcrnet_stride16_ms5", "dlcrnet_stride32_ms5"),
)
_TOP_DOWN = (
    *("top_down_resnet_50", "top_down_resnet_101", "top_down_cspnext_s", "top_down_cspnext_m"),
    *("top_down_cspnext_x", "top_down_hrnet_w18", "top_down_hrnet_w32", "top_down_hrnet_w48"),
    *("rtmpose_s", "rtmpose_m", "rtmpose_x", "animaltokenpose_base"),
)
_CONDITIONAL = (
    *("ctd_prenet_rtmpose_s", "ctd_prenet_rtmpose_m", "ctd_prenet_rtmpose_x"),
    *("ctd_prenet_rtmpose_x_human", "ctd_prenet_hrnet_w32", "ctd_prenet_hrnet_w48"),
    *("ctd_coam_w32", "ctd_coam_w48", "ctd_coam_w48_human"),
)
_OTHER_DETECTORS = ("fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn_v2")
SMALLEST_DETECTOR = "ssdlite"


@dataclass(frozen=True)
class ModelCase:
    """A model to make and to compare.

    Attributes:
        name: Its name on the page and on the command line.
        engine: DeepLabCut's engine.
        family: The part of the table that it stands in.
        network: DeepLabCut's name of the network.
        detector: The detector of a top-down model.
        several: Whether it is first made for two animals that are followed.
    """

    name: str
    engine: str
    family: str
    network: str
    detector: str | None = None
    several: bool = True

    @property
    def is_simcc(self) -> bool:
        """Whether likelihoods are a softmax of hundreds of times an output."""
        return "rtmpose" in self.network

    @property
    def size(self) -> int:
        """Its place in the order of networks by size, roughly."""
        sizes = [
            *("mobilenet", "efficientnet", "rtmpose_s", "cspnext_s", "resnet_50", "dlcrnet"),
            *("w18", "rtmpose_m", "cspnext_m", "tokenpose", "w32", "resnet_101", "resnet_152"),
            *("rtmpose_x", "cspnext_x", "w48"),
        ]
        if self.detector not in (None, SMALLEST_DETECTOR):
            return len(sizes)  # pictures of 800 pixels, whatever a frame's size is
        places = [place for place, part in enumerate(sizes) if part in self.network]
        return places[0] if places else len(sizes)

    def list_kinds(self) -> list[ModelKind]:
        """The PyTorch models to try: for two animals, and for one where that gives no tracks."""
        parts = (*PARTS, "back")
        conditional = self.network if self.family == "conditional top-down" else None
        network = None if conditional else self.network
        two = ModelKind(
            parts=parts,
            detector=self.detector,
            conditional=conditional,
            network=network,
            settings=LENIENT_SETTINGS,
        )
        one = ModelKind(
            individuals=("only",),
            parts=parts,
            detector=self.detector,
            conditional=conditional,
            network=network,
            multi_animal=False,
        )
        return [two, one] if self.several else [one]


_ONE, _MANY = "one animal, TensorFlow", "several animals, TensorFlow"

CASES = (
    *(ModelCase(name, PYTORCH, "bottom-up", name) for name in _BOTTOM_UP),
    *(ModelCase(name, PYTORCH, "top-down", name, SMALLEST_DETECTOR) for name in _TOP_DOWN),
    *(
        ModelCase(f"rtmpose_s+{name}", PYTORCH, "other detectors", "rtmpose_s", name)
        for name in _OTHER_DETECTORS
    ),
    *(ModelCase(name, PYTORCH, "conditional top-down", name) for name in _CONDITIONAL),
    *(
        ModelCase(f"tensorflow/{name}", TENSORFLOW, _ONE, name, several=False)
        for name in ("resnet_50", "resnet_101", "resnet_152", "mobilenet_v2_1.0", "efficientnet-b0")
    ),
    *(
        ModelCase(f"tensorflow/animals/{name}", TENSORFLOW, _MANY, name)
        for name in ("resnet_50", "mobilenet_v2_0.35", "efficientnet-b0", "dlcrnet_ms5")
    ),
)
