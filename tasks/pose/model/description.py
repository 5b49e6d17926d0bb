"""Description of a model before it runs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.errors import BadInput


class SnapshotOption(BaseModel):
    """A snapshot that a request can choose.

    Attributes:
        use: The value of the setting ``snapshot`` that chooses it.
        name: Its file name; without endings for TensorFlow.
    """

    model_config = ConfigDict(frozen=True)

    use: str | int
    name: str


class ShuffleOption(BaseModel):
    """A model of an archive that a request can choose.

    Attributes:
        use: The value of the setting ``shuffle`` that chooses it.
        folder: The folder of its snapshots in the archive.
        engine: The engine that trained it.
        net_type: Its network, where its configuration names one.
        method: How it finds animals, where its configuration says so.
        snapshots: Its snapshots, in DeepLabCut's order.
    """

    model_config = ConfigDict(frozen=True)

    use: str | int
    folder: str
    engine: Literal["pytorch", "tensorflow"]
    net_type: str | None = None
    method: str | None = None
    snapshots: tuple[SnapshotOption, ...]


class ModelFacts(BaseModel):
    """Facts that an archive states about its model, set field by field while the archive is read.

    Of a refused archive some fields stay unset: `knows` answers which.

    Attributes:
        name: The archive's file name.
        sha256: The archive's digest.
        size: The archive's size in bytes.
        shuffles: The models that the archive holds, of which a request can choose one.
        engine: The engine that trained the model.
        net_type: The network, as the model's configuration names it.
        backbone: The backbone that is really built, where its configuration names one (PyTorch,
            and TensorFlow's DLCRNet): ``net_type`` may say another of its kind.
        task: The DeepLabCut project's task.
        date: The DeepLabCut project's date.
        experimenter: The DeepLabCut project's scorer: the person who labeled.
        shuffle: The training shuffle.
        training_fraction: Share of labeled frames that were used for training, 0–1.
        snapshot: File name of the snapshot that is used; without endings for TensorFlow, where a
            snapshot is several files.
        snapshots: Names of all snapshots, in DeepLabCut's order.
        detector: File name of the detector's snapshot that is used; top-down models only.
        detectors: File names of all of the detector's snapshots, in DeepLabCut's order.
        conditions: File name of the snapshot of the bottom-up model whose poses a conditional
            top-down model starts from.
        body_parts: Names in the network's order.
        output_columns: The network's output for each body part, from 0, where it has more outputs
            than body parts; else empty.
        individuals: Names of the animals; one for a single-animal model.
        unique_body_parts: Body parts of the arena, multi-animal models only.
        multi_animal: Whether results have one more column level, for individuals.
        identity: Whether the network tells the animals apart.
        track_method: What animals are followed by: ``ellipse``, ``box`` or ``skeleton``; empty for
            a single animal.
        method: How the network finds animals: ``bu`` bottom-up, ``td`` top-down, ``ctd``
            conditional top-down.
        skeleton: Pairs of body parts that are joined by a line.
        skeleton_color: A matplotlib color.
        alpha: Opacity of dots in the keypoints-only movie and the previews, 0–1.
        batch_size: Frames at a time that the archive's config.yaml asks for.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    sha256: str
    size: int
    shuffles: tuple[ShuffleOption, ...] = ()
    engine: Literal["pytorch", "tensorflow"]
    net_type: str
    backbone: str | None = None
    task: str
    date: str
    experimenter: str
    shuffle: int
    training_fraction: float
    snapshot: str
    snapshots: tuple[str, ...]
    detector: str | None = None
    detectors: tuple[str, ...] = ()
    conditions: str | None = None
    body_parts: tuple[str, ...]
    output_columns: tuple[int, ...] = ()
    individuals: tuple[str, ...]
    unique_body_parts: tuple[str, ...]
    multi_animal: bool
    identity: bool = False
    track_method: str = ""
    method: str
    skeleton: tuple[tuple[str, str], ...]
    skeleton_color: str
    alpha: float
    batch_size: int

    @classmethod
    def begin(cls) -> "ModelFacts":
        """Return facts of which none is set yet."""
        return cls.model_construct()  # type: ignore[call-arg]

    def knows(self, *names: str) -> bool:
        """Return whether all of these fields are set."""
        return self.model_fields_set.issuperset(names)

    @property
    def all_body_parts(self) -> tuple[str, ...]:
        """Body parts of the animals, then those of the arena."""
        return self.body_parts + self.unique_body_parts


class Model(ModelFacts):
    """Facts known of a model before it runs; it goes into the run record as it is.

    Attributes:
        snapshot_sha256: Digest of the file that holds the snapshot's weights.
        detector_sha256: Digest of the detector's snapshot that is used.
        conditions_sha256: Digest of the snapshot in `conditions`.
        repairs: What was corrected, one sentence each.
        warnings: What the user should know, one sentence each.
    """

    model_config = ConfigDict(frozen=True)

    snapshot_sha256: str
    detector_sha256: str | None = None
    conditions_sha256: str | None = None
    repairs: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def network(self) -> str:
        """The network for people: ``net_type``, and the backbone where that says another."""
        return format_network(self.net_type, self.backbone)

    def check_displayed_parts(self, wanted: Literal["all"] | list[str]) -> None:
        """Refuse body parts that the model does not have.

        Raises:
            BadInput: Naming those that it has.
        """
        unknown = [] if wanted == "all" else [p for p in wanted if p not in self.all_body_parts]
        if unknown:
            raise BadInput(
                f"displayed_body_parts: the model has no body part called "
                f"{', '.join(map(repr, unknown))}; it has {', '.join(self.all_body_parts)}"
            )


def format_network(net_type: str, backbone: str | None) -> str:
    """A network for people: its type, and its backbone where that is called otherwise.

    >>> format_network("resnet_50", "resnet18_gn")
    'resnet18_gn (net_type resnet_50)'
    """
    plain = net_type.replace("_", "").lower()
    if not backbone or plain in backbone.replace("_", "").lower():
        return net_type
    return f"{backbone} (net_type {net_type})"
