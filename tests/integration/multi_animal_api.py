"""Small models, and what DeepLabCut's own API gives for them; run as a script.

Usage: python -m tests.integration.multi_animal_api MOVIE FOLDER [KIND …]

Writes for each kind of `tests.support.torch_models`, or for those named, into a folder of that
name below FOLDER: ``model.zip``, and what `analyze_videos` and `filterpredictions` (window length
5) make of the movie with it: ``raw.h5`` and ``filtered.h5``.
"""

import shutil
import sys
import zipfile
from pathlib import Path

import yaml

from tests.integration.deeplabcut_api import WINDOW_LENGTH
from tests.support.conditional_models import CONDITIONAL_SHUFFLE
from tests.support.torch_models import MODEL_KINDS, make_model


def main(movie: str, folder: str, *kinds: str) -> None:
    for name in kinds or MODEL_KINDS:
        place = Path(folder) / name
        place.mkdir(parents=True)
        make_model(MODEL_KINDS[name], place / "model.zip")
        conditional = MODEL_KINDS[name].conditional
        analyze_movie(place, movie, CONDITIONAL_SHUFFLE if conditional else 1)


def analyze_movie(place: Path, movie: str, shuffle: int) -> None:
    import deeplabcut

    project, results = place / "project", place / "results"
    zipfile.ZipFile(place / "model.zip").extractall(project)
    config = project / "config.yaml"
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(values | {"project_path": str(project)}))
    deeplabcut.analyze_videos(config, [movie], shuffle=shuffle, destfolder=results, device="cpu")
    deeplabcut.filterpredictions(
        config,
        [movie],
        shuffle=shuffle,
        destfolder=results,
        windowlength=WINDOW_LENGTH,
        save_as_csv=False,
    )
    (filtered,) = results.glob("*_filtered.h5")
    raw = filtered.with_name(filtered.name.replace("_filtered", ""))
    shutil.copy(raw, place / "raw.h5")
    shutil.copy(filtered, place / "filtered.h5")


if __name__ == "__main__":
    main(*sys.argv[1:])
