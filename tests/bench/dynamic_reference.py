"""DeepLabCut's `analyze_videos`, with or without `dynamic` cropping, called in a child process."""

from pathlib import Path

import yaml


def analyze_videos(
    project: Path, movie: Path, target: Path, device: str, dynamic: tuple[bool, float, int]
) -> None:
    """Call DeepLabCut, into an empty folder; its file becomes ``poses.h5`` there."""
    import deeplabcut

    for old in target.glob("*"):
        old.unlink()
    config = project / "config.yaml"
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(values | {"project_path": str(project)}))
    how = {"dynamic": dynamic, "batch_size": 1} if dynamic[0] else {}  # it asks for single frames
    deeplabcut.analyze_videos(config, [str(movie)], destfolder=target, device=device, **how)
    (found,) = target.glob("*.h5")
    found.rename(target / "poses.h5")
