"""The stages that check a model and load it."""

from pathlib import Path

from tasks.pose.cache_keys import compute_network_digest
from tasks.pose.child_functions import preload_model
from tasks.pose.model.inspection import as_markdown, inspect_archive
from tasks.pose.model.selection import ModelChoice
from tasks.pose.network.interface import LoadedModel
from tasks.pose.settings import PoseSettings
from tasks.processes.pool import RunProcesses
from tasks.run.movie import TORCH_DEVICE
from tasks.run_data import FetchedInput, ReadyModel
from tasks.stages.artifacts import artifact_key, show_artifact
from tasks.stages.retries import PROCESS_RETRIES
from tasks.stages.stage import stage


@stage("Check model", "check model · {name}")
def check_model(
    archive: FetchedInput, name: str, settings: PoseSettings, scratch: Path
) -> tuple[ReadyModel, str]:
    """Open the archive safely and refuse, before any inference, what cannot work."""
    project = scratch / "project"
    choice = ModelChoice(settings.shuffle, settings.snapshot)
    inspection = inspect_archive(archive.path, name, project, archive.input.sha256, choice)
    usable = "can be used" if inspection.is_usable else "cannot be used"
    show_artifact(artifact_key("model", name), as_markdown(inspection), f"{name} {usable}")
    model = inspection.require_model()
    model.check_displayed_parts(settings.displayed_body_parts)
    parts = f"{len(model.body_parts)} body parts"
    ready = ReadyModel(model, project, compute_network_digest(project))
    return ready, f"{model.network}, {parts}, {model.snapshot}"


@stage("Load model", "load model", "gpu", retries=PROCESS_RETRIES)
def load_model(ready: ReadyModel, workers: RunProcesses) -> tuple[LoadedModel, str]:
    """Load the weights onto the device, so that a model that does not fit is refused once."""
    loaded = workers.estimator.call(preload_model, ready.project, TORCH_DEVICE)
    return loaded, f"{loaded.scorer} on {loaded.device}"
