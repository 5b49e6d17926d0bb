"""Which snapshots DeepLabCut's own API loads and how it calls the results; run as a script.

Usage: python -m tests.integration.deeplabcut_names PROJECT SHUFFLE [PROJECT SHUFFLE …]

Prints a JSON object: for each project the scorer and the snapshots, and what PyTorch's safe reader
allows in one.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(*words: str) -> None:
    projects = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    found = {project: load_names(Path(project), shuffle) for project, shuffle in projects.items()}
    json.dump({"projects": found, "allowed": list_allowed_globals()}, sys.stdout)


def load_names(project: Path, shuffle: int) -> dict[str, Any]:
    from deeplabcut.pose_estimation_pytorch.apis import utils
    from deeplabcut.pose_estimation_pytorch.data import DLCLoader
    from deeplabcut.pose_estimation_pytorch.task import Task

    loader = DLCLoader(project / "config.yaml", trainset_index=0, shuffle=shuffle)
    pose, detector = utils.parse_snapshot_index_for_analysis(
        loader.project_cfg, loader.model_cfg, None, None
    )
    snapshots = utils.get_model_snapshots(pose, loader.model_folder, loader.pose_task)
    if detector is not None:
        snapshots += utils.get_model_snapshots(detector, loader.model_folder, Task.DETECT)
    return {
        "scorer": loader.scorer(*snapshots),
        "snapshots": [snapshot.path.name for snapshot in snapshots],
    }


def list_allowed_globals() -> list[str]:
    import torch

    from tasks.pose.untrusted.torch_pickle import allow_numpy_scalars

    allow_numpy_scalars()
    reader: Any = torch._weights_only_unpickler
    mine = [name for name in reader._get_user_allowed_globals() if name.startswith("numpy")]
    return [*reader._get_allowed_globals(), *mine]


if __name__ == "__main__":
    main(*sys.argv[1:])
