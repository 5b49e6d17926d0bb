"""Multi-animal TensorFlow models made for tests; in a child process only.

Their weights are drawn at random, but for those of the last layers, which learn from frames of
`tests.support.blob_movies` for a second: body parts, pairs of them, and identities are then found
as a trained network finds them, animals come and go, and assembly and tracking have work to do.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tasks.processes.stage_process import StageProcess
from tests.support.blob_movies import HEIGHT, WIDTH, draw_blobs, find_blobs
from tests.support.tensorflow_models import read_defaults

MODEL_FOLDER = "dlc-models/iteration-0/blobsNov29-trainset95shuffle1"
SNAPSHOT_NAME = "snapshot-20"
PARTS = ["nose", "middle", "tail"]
ARENA_PARTS = ["corner", "door"]
INDIVIDUALS = ["one", "two"]
ARENA_PLACES = [(20.0, 20.0), (140.0, 108.0)]
LEARNED_FRAMES = [
    (first + index, count)
    for first, count in ((0, 2), (9, 2), (15, 1), (21, 0), (27, 2), (34, 2))
    for index in range(4)
]
"""Frames of blobs, each with its number and how many animals are to be seen."""
LEARNING_STEPS = 50


@dataclass(frozen=True)
class AnimalModel:
    """A model to make.

    Attributes:
        network: What is special in its pose_cfg.yaml.
        arena: Body parts of the arena.
        identity: Whether it tells the animals apart.
        batch_size: Frames at a time.
        individuals: Names of the animals.
        parts: Names of the animals' body parts.
        project: What is special in its config.yaml.
        tracking: What is special in its inference_cfg.yaml.
    """

    network: dict[str, Any]
    arena: list[str] = field(default_factory=list)
    identity: bool = False
    batch_size: int = 4
    individuals: list[str] = field(default_factory=lambda: list(INDIVIDUALS))
    parts: list[str] = field(default_factory=lambda: list(PARTS))
    project: dict[str, Any] = field(default_factory=dict)
    tracking: dict[str, Any] = field(default_factory=dict)


MODEL_KINDS = {
    "EfficientNet": AnimalModel(
        {"net_type": "efficientnet-b0", "paf_best": [2, 0]}, ARENA_PARTS, identity=True
    ),
    "ResNet": AnimalModel({"net_type": "resnet_50"}),
    "DLCRNet": AnimalModel(
        {"net_type": "resnet_50", "multi_stage": True, "stride": 4}, ARENA_PARTS, identity=True
    ),
    "MobileNet": AnimalModel(
        {"net_type": "mobilenet_v2_0.35"}, ARENA_PARTS, tracking={"iou_threshold": 0.1}
    ),
    "one point, box, one at a time": AnimalModel(
        {"net_type": "efficientnet-b0"},
        batch_size=1,
        parts=["middle"],
        project={"default_track_method": "box"},
        tracking={"boundingboxslack": 20, "iou_threshold": 0.2},
    ),
    "one animal, skeleton": AnimalModel(
        {"net_type": "mobilenet_v2_0.5", "stride": 4},
        individuals=["one"],
        project={"default_track_method": "skeleton"},
    ),
}
"""What is compared with DeepLabCut, by what is special in it."""


def write_animal_zip(target: Path, model: AnimalModel) -> Path:
    """Write a model archive as DeepLabCut 2.2 lays it out."""
    project = target.with_suffix("")
    train = project / MODEL_FOLDER / "train"
    pose = build_pose_config(model)
    trained = {"batch_size": 8, "optimizer": "adam", "crop_size": [400, 400]}
    inference = {"nmsradius": 5.0, "minconfidence": 0.01, "sigma": 1, "locref_smooth": False}
    for path, values in (
        (train / "pose_cfg.yaml", pose | trained),
        (train.parent / "test" / "pose_cfg.yaml", inference | pose),
        (train.parent / "test" / "inference_cfg.yaml", build_tracking(model)),
        (project / "config.yaml", build_project(model)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values, sort_keys=False))
    _save_weights(inference | pose, model, train / SNAPSHOT_NAME)
    return Path(shutil.make_archive(str(project), "zip", project))


class AnimalModels:
    """Archives that are made when they are first asked for.

    Args:
        process: Where TensorFlow is, or will be, loaded.
        folder: Where the archives go.
    """

    def __init__(self, process: StageProcess, folder: Path) -> None:
        self._process, self._folder = process, folder
        self._archives: dict[str, Path] = {}

    def archive_of(self, kind: str) -> Path:
        """Return the archive of a kind of `MODEL_KINDS`."""
        if kind not in self._archives:
            target = self._folder / f"{len(self._archives)}.zip"
            self._archives[kind] = self._process.call(write_animal_zip, target, MODEL_KINDS[kind])
        return self._archives[kind]


def build_pose_config(model: AnimalModel) -> dict[str, Any]:
    """The values of train/pose_cfg.yaml that test/pose_cfg.yaml has, too."""
    names, count = model.parts + model.arena, len(model.parts)
    graph = [[first, second] for first in range(count) for second in range(first + 1, count)]
    return {
        "num_joints": len(names),
        "all_joints": [[index] for index in range(len(names))],
        "all_joints_names": names,
        "multi_stage": False,
        "global_scale": 0.8,
        "location_refinement": True,
        "locref_stdev": 7.2801,
        "dataset_type": "multi-animal-imgaug",
        "partaffinityfield_predict": bool(graph),
        "pairwise_predict": False,
        "partaffinityfield_graph": graph,
        "num_limbs": len(graph),
        "num_idchannel": len(model.individuals) if model.identity else 0,
    } | model.network


def build_project(model: AnimalModel) -> dict[str, Any]:
    """config.yaml as DeepLabCut 2.2 writes it: it names no engine."""
    return {
        "Task": "blobs",
        "scorer": "somebody",
        "date": "Nov29",
        "multianimalproject": True,
        "identity": model.identity,
        "project_path": "/home/lab/blobs",
        "individuals": model.individuals,
        "uniquebodyparts": model.arena,
        "multianimalbodyparts": model.parts,
        "bodyparts": "MULTI!",
        "skeleton": [model.parts[:2]] if len(model.parts) > 1 else [],
        "TrainingFraction": [0.95],
        "iteration": 0,
        "default_net_type": "dlcrnet_ms5",
        "default_track_method": "ellipse",
        "snapshotindex": -1,
        "batch_size": model.batch_size,
        "cropping": False,
        "x1": 0,
        "x2": 160,
        "y1": 0,
        "y2": 128,
    } | model.project


def build_tracking(model: AnimalModel) -> dict[str, Any]:
    """inference_cfg.yaml."""
    return {
        "variant": 0,
        "pafthreshold": 0.1,
        "method": "m1",
        "minimalnumberofconnections": len(model.parts) // 2,
        "pcutoff": 0.1,
        "topktoretain": len(model.individuals),
        "withid": model.identity,
        "boundingboxslack": 0,
        "iou_threshold": 0.6,
        "max_age": 1,
        "min_hits": 1,
    } | model.tracking


def _save_weights(pose: dict[str, Any], model: AnimalModel, target: Path) -> None:
    import tensorflow as tf
    from deeplabcut.pose_estimation_tensorflow.nnets.factory import PoseNetFactory

    v1 = tf.compat.v1
    values = read_defaults() | pose
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(5)
        frames = v1.placeholder(tf.float32, [model.batch_size, None, None, 3])
        heads = PoseNetFactory.create(dict(values)).get_net(frames)
        session.run(v1.global_variables_initializer())
        layers = [
            _OutputLayer.find(heads[name])
            for name in ("part_pred", "locref", "pairwise_pred")
            if name in heads
        ]
        pictures = np.stack([draw_blobs(index, count) for index, count in LEARNED_FRAMES])
        batches = pictures.reshape(-1, model.batch_size, *pictures.shape[1:])
        seen = [session.run([layer.input for layer in layers], {frames: one}) for one in batches]
        targets = _Targets(values, model).of_frames()
        for layer, inputs, (wanted, weights) in zip(
            layers, map(np.concatenate, zip(*seen, strict=True)), targets, strict=False
        ):
            layer.fit(session, inputs, wanted, weights, is_probability=layer is layers[0])
        v1.train.Saver().save(session, str(target), write_meta_graph=False)


@dataclass
class _OutputLayer:
    """One of the network's last layers, which is linear in what it gets.

    Attributes:
        input: The tensor that it gets.
        weights: The variable of its kernel.
        biases: The variable of its biases.
        stride: By how much it enlarges; 0 for a convolution that keeps the size.
    """

    input: Any
    weights: Any
    biases: Any
    stride: int

    @classmethod
    def find(cls, output: Any) -> "_OutputLayer":
        """The layer that gives an output of a slim network."""
        import tensorflow as tf

        scope = output.op.name.rpartition("/")[0]
        variables = tf.compat.v1.global_variables(scope)
        weights, biases = sorted(variables, key=lambda v: v.op.name, reverse=True)
        convolution = output.op.inputs[0].op
        transposed = convolution.type == "Conv2DBackpropInput"
        return cls(
            convolution.inputs[2 if transposed else 0], weights, biases, 2 if transposed else 0
        )

    def fit(
        self,
        session: Any,
        inputs: NDArray[Any],
        wanted: NDArray[Any],
        weights: NDArray[Any],
        *,
        is_probability: bool,
    ) -> None:
        """Make the layer answer what is wanted, as nearly as it can."""
        import tensorflow as tf

        scale = np.sqrt(np.square(inputs).mean(axis=(0, 1, 2))) + 1e-6
        with tf.Graph().as_default(), tf.compat.v1.Session() as learning:
            v1 = tf.compat.v1
            scaled = tf.constant(inputs / scale, tf.float32)
            kernel = tf.Variable(np.zeros(self.weights.shape.as_list(), np.float32))
            bias = tf.Variable(np.zeros(wanted.shape[-1], np.float32))
            if self.stride:
                answer = tf.nn.conv2d_transpose(scaled, kernel, wanted.shape, self.stride)
            else:
                answer = tf.nn.conv2d(scaled, kernel, 1, "SAME")
            answer += bias
            if is_probability:
                losses = tf.nn.sigmoid_cross_entropy_with_logits(
                    tf.constant(wanted, tf.float32), answer
                )
            else:
                losses = tf.square(answer - wanted)
            loss = tf.reduce_sum(losses * weights) / weights.sum()
            step = v1.train.AdamOptimizer(0.006).minimize(loss)
            learning.run(v1.global_variables_initializer())
            for _ in range(LEARNING_STEPS):
                learning.run(step)
            found, offset = learning.run([kernel, bias])
        self.weights.load(found / (scale if self.stride else scale[:, None]), session)
        self.biases.load(offset, session)


class _Targets:
    """What the network is to answer for the frames that it learns from.

    Args:
        pose: Its configuration.
        model: What is made.
    """

    def __init__(self, pose: dict[str, Any], model: AnimalModel) -> None:
        stride = int(pose["stride"])
        side = 16 // stride
        rows, columns = side * (HEIGHT // 16), side * (WIDTH // 16)
        self._grid = np.mgrid[:rows, :columns][::-1] * stride + stride // 2
        self._pose, self._model = pose, model

    def of_frames(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Answers and their weights for heat maps, offsets, and fields of pairs."""
        frames = [self._of_frame(index, count) for index, count in LEARNED_FRAMES]
        return [
            (np.stack(wanted), np.stack(weights))
            for wanted, weights in (zip(*kind, strict=True) for kind in zip(*frames, strict=True))
        ]

    def _of_frame(self, index: int, count: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        parts = len(self._model.parts)
        animals = [find_blobs(index, animal)[:parts] for animal in range(count)]
        places = [[animal[part] for animal in animals] for part in range(parts)]
        places += [[place] for place in ARENA_PLACES[: len(self._model.arena)]]
        heat = [self._near(of_part, 9) for of_part in places]
        identities = len(self._model.individuals) if self._model.identity else 0
        heat += [self._near(animals[i] if i < count else [], 14) for i in range(identities)]
        offsets, near = self._offsets(places)
        fields = [self._field(animals, *pair) for pair in self._pose["partaffinityfield_graph"]]
        channels = np.stack(heat, axis=-1).astype(float)
        pairs = np.concatenate(fields, axis=-1) if fields else np.zeros((*self._grid.shape[1:], 0))
        return [(channels, 1 + 5 * channels), (offsets, near + 1e-3), (pairs, 0.1 + np.abs(pairs))]

    def _distances(self, place: Any) -> NDArray[Any]:
        away = self._grid - np.asarray(place)[:, None, None]
        return np.asarray(np.hypot(*away))

    def _near(self, places: Any, radius: float) -> NDArray[np.bool_]:
        nothing = np.zeros(self._grid.shape[1:], bool)
        near = (self._distances(one) < radius for one in places)
        return np.asarray(np.logical_or.reduce([nothing, *near]))

    def _offsets(self, places: list[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        offsets = np.zeros((*self._grid.shape[1:], len(places), 2))
        near = np.zeros_like(offsets)
        for part, of_part in enumerate(places):
            for place in of_part:
                inside = self._distances(place) < 12
                away = np.moveaxis(np.asarray(place)[:, None, None] - self._grid, 0, -1)
                offsets[inside, part] = away[inside] / self._pose["locref_stdev"]
                near[inside, part] = 1
        shape = (*self._grid.shape[1:], -1)
        return offsets.reshape(shape), near.reshape(shape)

    def _field(self, animals: list[NDArray[Any]], first: int, second: int) -> NDArray[Any]:
        """Unit vectors from one body part to another, near the line between them."""
        field = np.zeros((*self._grid.shape[1:], 2))
        for animal in animals:
            begin, way = animal[first], animal[second] - animal[first]
            length = np.hypot(*way)
            from_begin = self._grid - begin[:, None, None]
            along = np.tensordot(way / length, from_begin, 1)
            aside = np.abs(way[0] * from_begin[1] - way[1] * from_begin[0]) / length
            field[(along > -6) & (along < length + 6) & (aside < 10)] = way / length
        return field
