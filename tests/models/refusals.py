"""Models that are refused, each with the real refusal; loads neither torch nor TensorFlow."""

import tempfile
from pathlib import Path
from unittest.mock import patch

from tasks.errors import BadInput
from tasks.pose.model import inspection
from tests.support.model_zips import (
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    TF_ANIMALS_TEST_CONFIG,
    TF_TEST_CONFIG,
    TOP_DOWN_NETWORK,
    Files,
    copy_with_changes,
    model_files,
    tensorflow_animal_files,
    tensorflow_files,
    write_zip,
)

_NO_PAIRS = {"partaffinityfield_graph": [], "partaffinityfield_predict": False, "num_limbs": 0}

REFUSED: dict[str, Files] = {
    "any TensorFlow model, in the environment without TensorFlow": tensorflow_files(),
    "TensorFlow, several places of each body part (`num_outputs`)": tensorflow_files(
        test=copy_with_changes(TF_TEST_CONFIG, num_outputs=2)
    ),
    "TensorFlow, another network": tensorflow_files(
        test=copy_with_changes(TF_TEST_CONFIG, net_type="vgg_16")
    ),
    "TensorFlow, several animals without location refinement": tensorflow_animal_files(
        copy_with_changes(TF_ANIMALS_TEST_CONFIG, location_refinement=False)
    ),
    "TensorFlow, several animals without pairs of body parts": tensorflow_animal_files(
        copy_with_changes(TF_ANIMALS_TEST_CONFIG, **_NO_PAIRS)
    ),
    "top-down, the zip lacks the detector": model_files(PROJECT_CONFIG, TOP_DOWN_NETWORK),
    "conditional top-down, the zip lacks the bottom-up model": model_files(
        network=copy_with_changes(NETWORK_CONFIG, method="ctd")
    ),
    "a method that DeepLabCut does not have": model_files(
        network=copy_with_changes(NETWORK_CONFIG, method="x")
    ),
    "weights that are named instead of zipped": model_files(
        network=copy_with_changes(NETWORK_CONFIG, model__backbone__checkpoint_path="hub/weights.pt")
    ),
    "config.yaml and network that disagree on body parts": model_files(
        copy_with_changes(PROJECT_CONFIG, bodyparts=["nose", "ear", "paw"])
    ),
}


def read_refusals() -> dict[str, str]:
    """The refusal of each archive, by what is special in it.

    TensorFlow counts as installed, but where its absence is the reason.
    """
    refusals = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, files) in enumerate(REFUSED.items()):
            archive = write_zip(Path(folder) / f"{number}.zip", files)
            installed = "without TensorFlow" not in what
            with patch.object(inspection, "is_tensorflow_installed", lambda found=installed: found):
                refusals[what] = _refuse(archive, Path(folder) / str(number))
    return refusals


def _refuse(archive: Path, project: Path) -> str:
    found = inspection.inspect_archive(archive, "model.zip", project)
    try:
        found.require_model()
    except BadInput as error:
        return str(error)
    raise AssertionError(f"{archive.name} is not refused any more: take it off the page")
