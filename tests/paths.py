"""Where test inputs are: the demo's own, and the real ones beside the checkout."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "deployments" / "demo"
DEMO_MODEL = DEMO / "mouse-openfield-model.zip"
DEMO_MOVIE = DEMO / "mouse-openfield.mp4"
DEMO_TRUTH = DEMO / "mouse-openfield.truth.csv"
SHARED = ROOT.parent / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real movies and models (../shared/data) are not here"
)
