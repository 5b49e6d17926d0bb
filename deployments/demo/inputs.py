"""Where the demo's model and movie are, and where its results go."""

from pathlib import Path

HERE = Path(__file__).parent
MODEL, MOVIE = HERE / "mouse-openfield-model.zip", HERE / "mouse-openfield.mp4"
BUCKET = "dlcflow-demo"

STORE = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""moto's server takes any key; a person's own settings must not reach it."""
