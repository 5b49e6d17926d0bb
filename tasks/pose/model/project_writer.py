"""Build the DeepLabCut project that runs a model: ours, with nothing of the archive's but values.

Paths, device and network settings never come from the archive.
"""

from pathlib import Path
from typing import Any

from tasks.pose.model.config_files import SINGLE_ANIMAL_NAME, ConfigFiles
from tasks.pose.model.description import ModelFacts
from tasks.pose.model.problems import ModelFindings
from tasks.pose.model.pytorch.torch_config import build_torch_config
from tasks.pose.model.tensorflow_animals import read_assembly_settings
from tasks.pose.model.tensorflow_config import read_inference_settings
from tasks.pose.model.tracking_config import build_tracking_config
from tasks.pose.untrusted.yaml_numbers import format_config

_ENGINE_FOLDERS = {"pytorch": "dlc-models-pytorch", "tensorflow": "dlc-models"}


CONDITIONS_FOLDER = "dlc-models-conditions"
"""Folder of the bottom-up model whose poses a conditional top-down model starts from."""


def relative_model_folder(facts: ModelFacts) -> str:
    """Return where DeepLabCut looks for a model, relative to the project's folder."""
    percent = int(100 * facts.training_fraction)
    leaf = f"{facts.task}{facts.date}-trainset{percent}shuffle{facts.shuffle}"
    return f"{_ENGINE_FOLDERS[facts.engine]}/iteration-0/{leaf}"


def write_project(
    project: Path, facts: ModelFacts, sources: ConfigFiles, findings: ModelFindings
) -> None:
    """Write the configuration files that DeepLabCut reads.

    Args:
        project: The project's folder.
        facts: What the model is.
        sources: What the archive says.
        findings: Repairs are added to it.
    """
    folder = project / relative_model_folder(facts)
    (folder / "test").mkdir(parents=True, exist_ok=True)
    (folder / "train").mkdir(exist_ok=True)
    _write_yaml(project / "config.yaml", _build_project_config(project, facts, sources))
    if facts.engine == "tensorflow":
        _write_tensorflow_configs(project, folder, facts, sources)
    else:
        network = build_torch_config(
            sources.network, project, folder, facts.individuals, facts.output_columns
        )
        _write_yaml(folder / "train" / "pytorch_config.yaml", network)
        _write_yaml(
            folder / "test" / "pose_cfg.yaml", _joint_settings(facts) | _torch_test_config(facts)
        )
    if facts.multi_animal:
        tracking = build_tracking_config(
            sources.tracking, facts.body_parts, facts.individuals, findings
        )
        _write_yaml(folder / "test" / "inference_cfg.yaml", tracking)


def write_conditions(project: Path, network: dict[str, Any]) -> None:
    """Write the configuration of the bottom-up model that gives the conditions.

    Args:
        project: The project's folder.
        network: The model's pytorch_config.yaml.
    """
    folder = project / CONDITIONS_FOLDER
    names = tuple(network["metadata"].get("individuals") or [SINGLE_ANIMAL_NAME])
    ours = build_torch_config(network, project, folder, names)
    _write_yaml(folder / "train" / "pytorch_config.yaml", ours)


def _build_project_config(project: Path, facts: ModelFacts, sources: ConfigFiles) -> dict[str, Any]:
    multi = facts.multi_animal
    parts = list(facts.body_parts)
    return {
        "Task": facts.task,
        "scorer": facts.experimenter,
        "date": facts.date,
        "multianimalproject": multi,
        "identity": facts.identity,
        "project_path": str(project),
        "engine": facts.engine,
        "video_sets": {},
        "bodyparts": "MULTI!" if multi else parts,
        "multianimalbodyparts": parts if multi else [],
        "individuals": list(facts.individuals),
        "uniquebodyparts": list(facts.unique_body_parts),
        "skeleton": [list(pair) for pair in facts.skeleton],
        "skeleton_color": facts.skeleton_color,
        "alphavalue": facts.alpha,
        "TrainingFraction": [facts.training_fraction],
        "iteration": 0,
        "default_net_type": facts.net_type,
        "default_track_method": facts.track_method or "ellipse",
        "snapshotindex": -1,
        "detector_snapshotindex": -1,
        "batch_size": facts.batch_size,
        "detector_batch_size": _read_detector_batch_size(
            sources.project.get("detector_batch_size")
        ),
        "cropping": False,
    }


def _read_detector_batch_size(value: Any) -> int:
    sound = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1024  # noqa: PLR2004
    return int(value) if sound else 1


def _joint_settings(facts: ModelFacts) -> dict[str, Any]:
    parts = list(facts.all_body_parts)
    return {
        "num_joints": len(parts),
        "all_joints": [[index] for index in range(len(parts))],
        "all_joints_names": parts,
    }


def _torch_test_config(facts: ModelFacts) -> dict[str, Any]:
    """DeepLabCut 3 refuses to track where the data set is not called multi-animal."""
    kind = "multi-animal-imgaug" if facts.multi_animal else "imgaug"
    return {"net_type": facts.net_type, "dataset_type": kind}


def _write_tensorflow_configs(
    project: Path, folder: Path, facts: ModelFacts, sources: ConfigFiles
) -> None:
    """Write the files of which DeepLabCut builds the graph (test) and the scorer (train)."""
    ours = _joint_settings(facts) | {"dataset_type": "imgaug", "batch_size": facts.batch_size}
    if facts.multi_animal:
        ours |= read_assembly_settings(sources.test)
    snapshot = folder / "train" / facts.snapshot
    paths = {"project_path": str(project), "init_weights": str(snapshot), "scoremap_dir": "test"}
    for part, given in (("train", sources.train), ("test", sources.test)):
        from_test = given is sources.test and sources.test is not sources.train
        values = read_inference_settings(given, for_test=part == "test" and from_test)
        _write_yaml(folder / part / "pose_cfg.yaml", values | ours | paths)


def _write_yaml(path: Path, value: dict[str, Any]) -> None:
    path.write_text(format_config(value), encoding="utf-8")
