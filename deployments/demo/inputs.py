"""Locations of the demo's model, movie, and results."""

from pathlib import Path

DEMO_FOLDER = Path(__file__).parent
MODEL_FILE, MOVIE_FILE = (
    DEMO_FOLDER / "mouse-openfield-model.zip",
    DEMO_FOLDER / "mouse-openfield.mp4",
)
DEMO_BUCKET = "dlcflow-demo"

STORE_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""moto's server takes any key; a person's own settings must not reach it."""
