"""Load the network of a model with the engine that it was trained with."""

from pathlib import Path

from tasks.pose.network.interface import Network


def load_network(project: Path, device: str | None) -> Network:
    """Load a project's model with the engine that trained it.

    Args:
        project: A DeepLabCut project with exactly one snapshot.
        device: A torch device; by default a GPU where there is one.

    Returns:
        The network.

    Raises:
        BadInput: The weights do not fit the network, or hold more than weights.
        Retriable: The device has no room for it now.
    """
    if is_torch_project(project):
        from tasks.pose.network.pytorch.network import TorchNetwork  # noqa: PLC0415 - one engine at a time

        return TorchNetwork(project, device)
    from tasks.pose.network.tensorflow_network import TensorFlowNetwork  # noqa: PLC0415

    return TensorFlowNetwork(project, device)


def is_torch_project(project: Path) -> bool:
    """Return whether a project's model is a PyTorch model."""
    return (project / "dlc-models-pytorch").is_dir()


def crops_exactly(project: Path) -> bool:
    """Return whether DeepLabCut crops movies for a project's model at whole pixels.

    It does so for TensorFlow models of a single animal; for all others it goes through fractions.
    """
    follows_animals = any(project.glob("dlc-models/*/*/test/inference_cfg.yaml"))
    return not is_torch_project(project) and not follows_animals
