"""Where test inputs are: the demo's own, and the real ones beside the checkout."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO_FOLDER = ROOT / "deployments" / "demo"
DEMO_MODEL = DEMO_FOLDER / "mouse-openfield-model.zip"
DEMO_MOVIE = DEMO_FOLDER / "mouse-openfield.mp4"
DEMO_TRUTH = DEMO_FOLDER / "mouse-openfield.truth.csv"
SHARED_FOLDER = ROOT.parent / "shared" / "data"

needs_shared_data = pytest.mark.skipif(
    not SHARED_FOLDER.is_dir(), reason="the real movies and models (../shared/data) are not here"
)
