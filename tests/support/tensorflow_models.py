"""TensorFlow models made for tests, with weights drawn at random; in a child process only."""

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.pose.model.tensorflow_config import is_tensorflow_installed
from tasks.processes.environment import (
    OFFLINE_ENVIRONMENT,
    SMALL_HEAP_ENVIRONMENT,
    count_usable_cpus,
    thread_limits,
)

needs_tensorflow = pytest.mark.skipif(
    not is_tensorflow_installed(),
    reason="TensorFlow is not in this environment; `make test-tensorflow` has it",
)

TENSORFLOW_ENVIRONMENT = (
    SMALL_HEAP_ENVIRONMENT
    | OFFLINE_ENVIRONMENT
    | thread_limits(count_usable_cpus())
    | {"DLCFLOW_CHECKPOINT_SECONDS": "0.000001"}
)
"""As a run sets it for its estimator, but that every batch is kept where anything is."""

PARTS = ["nose", "ear", "tail"]
MODEL = "dlc-models/iteration-0/mouseOct30-trainset95shuffle1"
SNAPSHOT = "snapshot-30"
SCORER = "DLC_mobnet_35_mouseOct30shuffle1_30"


def write_tensorflow_zip(
    target: Path, batch_size: int, net_type: str = "mobilenet_v2_0.35"
) -> Path:
    """Write a model archive as DeepLabCut 2 lays it out."""
    project = target.with_suffix("")
    train = project / MODEL / "train"
    pose = {
        "net_type": net_type,
        "dataset_type": "imgaug",
        "num_joints": len(PARTS),
        "all_joints": [[index] for index in range(len(PARTS))],
        "all_joints_names": PARTS,
        "location_refinement": True,
    }
    config = {
        "Task": "mouse",
        "scorer": "somebody",
        "date": "Oct30",
        "multianimalproject": False,
        "engine": "tensorflow",
        "project_path": "/home/lab/mouse",
        "bodyparts": PARTS,
        "TrainingFraction": [0.95],
        "iteration": 0,
        "default_net_type": pose["net_type"],
        "snapshotindex": -1,
        "batch_size": batch_size,
        "cropping": False,
        "x1": 0,
        "x2": 160,
        "y1": 0,
        "y2": 128,
    }
    for path, values in (
        (train / "pose_cfg.yaml", pose),
        (train.parent / "test" / "pose_cfg.yaml", pose),
        (project / "config.yaml", config),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
    _save_random_weights(pose | {"batch_size": batch_size}, train / SNAPSHOT)
    return Path(shutil.make_archive(str(project), "zip", project))


def _save_random_weights(pose: dict[str, Any], target: Path) -> None:
    import tensorflow as tf
    from deeplabcut.pose_estimation_tensorflow.nnets.factory import PoseNetFactory

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(5)
        frames = v1.placeholder(tf.float32, [pose["batch_size"], None, None, 3])
        PoseNetFactory.create(read_defaults() | pose).inference(frames)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(target))


def read_defaults() -> dict[str, Any]:
    """DeepLabCut's default configuration, which it changes whenever it loads another."""
    from deeplabcut.pose_estimation_tensorflow import default_config

    return dict(importlib.reload(default_config).cfg)
