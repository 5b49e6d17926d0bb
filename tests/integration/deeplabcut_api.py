"""What DeepLabCut's own API gives, called directly on an archive as it is; run as a script.

Usage: python -m tests.integration.deeplabcut_api MODEL.zip MOVIE FOLDER [X1 X2 Y1 Y2]

Writes FOLDER/raw.h5 and FOLDER/filtered.h5 (window length 5).
"""

import shutil
import sys
import zipfile
from pathlib import Path

import yaml

WINDOW_LENGTH = 5


def main(model: str, movie: str, folder: str, *edges: str) -> None:
    import deeplabcut

    work = Path(folder) / "work"
    project = work / "project"
    zipfile.ZipFile(model).extractall(project)
    config = project / "config.yaml"
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(values | {"project_path": str(project)}))
    cropping = [int(edge) for edge in edges] or None
    results = work / "results"
    tensorflow = (project / "dlc-models").is_dir()
    # A TensorFlow model's results depend on the batch size: the one in its config.yaml is right.
    options = {"engine": deeplabcut.Engine.TF} if tensorflow else {"device": "cpu", "batch_size": 4}
    deeplabcut.analyze_videos(config, [movie], destfolder=results, cropping=cropping, **options)
    deeplabcut.filterpredictions(
        config, [movie], destfolder=results, windowlength=WINDOW_LENGTH, save_as_csv=False
    )
    (filtered,) = results.glob("*_filtered.h5")
    raw = filtered.with_name(filtered.name.replace("_filtered", ""))
    shutil.copy(raw, Path(folder) / "raw.h5")
    shutil.copy(filtered, Path(folder) / "filtered.h5")


if __name__ == "__main__":
    main(*sys.argv[1:])
