"""Open an untrusted model zip, inspect it, and build a clean DeepLabCut project from it.

Only what inference needs is taken out of the archive: the snapshot, and the values of its
configuration files. The project that DeepLabCut then sees is ours.
"""

from pathlib import Path

from tasks.errors import BadInput
from tasks.file_digest import compute_sha256
from tasks.pose.model.conditions import read_conditions
from tasks.pose.model.config_files import read_config_files
from tasks.pose.model.description import Model
from tasks.pose.model.facts import ChosenSnapshots, note_layout, read_facts
from tasks.pose.model.problems import BadModel, ModelFindings
from tasks.pose.model.project_writer import (
    CONDITIONS_FOLDER,
    relative_model_folder,
    write_conditions,
    write_project,
)
from tasks.pose.model.pytorch.torch_config import count_body_part_outputs
from tasks.pose.model.pytorch.torch_heads import check_trained_heads
from tasks.pose.model.selection import (
    ANY_MODEL,
    CONDITIONAL,
    ModelChoice,
    choose_layout,
    find_models,
)
from tasks.pose.untrusted.tensorflow_index import check_index_file
from tasks.pose.untrusted.torch_pickle import check_weights
from tasks.pose.untrusted.torch_shapes import read_weight_shapes
from tasks.pose.untrusted.zip_reader import CheckedZip, open_zip


def unpack_model(
    archive: Path,
    name: str,
    project: Path,
    sha256: str | None = None,
    findings: ModelFindings | None = None,
    choice: ModelChoice = ANY_MODEL,
) -> Model:
    """Inspect a model archive and build the DeepLabCut project that runs it.

    Args:
        archive: The zip on disk.
        name: The zip's name as its owner knows it, for messages.
        project: An absent or empty folder; afterwards it holds ``config.yaml`` and the one
            snapshot with its configuration (for a top-down model also its detector's), laid out
            as DeepLabCut does.
        sha256: The archive's digest, where it is known.
        findings: Gets what is found on the way, which is of use where the model is refused.
        choice: The shuffle and the snapshot that are wanted, where the archive holds several.

    Returns:
        What the model is.

    Raises:
        BadModel: The archive is damaged, hostile, or not a model that can be run; it tells every
            reason that could be found.
    """
    findings = ModelFindings() if findings is None else findings
    facts = findings.facts
    facts.name, facts.size = name, archive.stat().st_size
    facts.sha256 = sha256 or compute_sha256(archive)
    try:
        with open_zip(archive, name) as files:
            found = find_models(files, name)
            facts.shuffles = found.options
            layout = choose_layout(found, choice.shuffle, name)
            note_layout(layout, facts)
            sources = read_config_files(files, layout, name, findings)
            chosen = read_facts(sources, name, findings, choice.snapshot)
            train = project / relative_model_folder(facts) / "train"
            digests = _extract_snapshots(files, chosen, train, findings)
            conditions = None
            if facts.method == CONDITIONAL:
                conditions = read_conditions(files, found, layout, sources.network, name, findings)
                facts.conditions = conditions.snapshot.name
                place = project / CONDITIONS_FOLDER / "train"
                wanted = {"conditions": conditions.snapshot}
                digests |= _extract_snapshots(files, wanted, place, findings)
        if facts.engine == "pytorch":
            weights = chosen["pose"].weights.path
            shapes = read_weight_shapes(train / weights.name, str(weights))
            outputs = count_body_part_outputs(sources.network) if facts.output_columns else None
            check_trained_heads(sources.network, shapes, name, weights.name, outputs)
            if conditions:
                weights = conditions.snapshot.weights.path
                shapes = read_weight_shapes(place / weights.name, str(weights))
                check_trained_heads(conditions.network, shapes, name, weights.name)
    except BadModel:
        raise
    except BadInput as error:
        raise BadModel([str(error), *findings.problems]) from error
    write_project(project, facts, sources, findings)
    if conditions:
        write_conditions(project, conditions.network)
    return Model(
        **facts.model_dump(exclude_unset=True),
        snapshot_sha256=digests["pose"],
        detector_sha256=digests.get("detector"),
        conditions_sha256=digests.get("conditions"),
        repairs=tuple(findings.repairs),
        warnings=tuple(findings.warnings),
    )


def _extract_snapshots(
    files: CheckedZip, chosen: ChosenSnapshots, train: Path, findings: ModelFindings
) -> dict[str, str]:
    """Take the snapshots out of the archive, and see that they are what they are called.

    Returns:
        The digest of each one's weights.
    """
    for snapshot in chosen.values():
        for member in snapshot.files:
            files.extract(member, train / member.path.name)
        check = check_weights if snapshot.weights.path.suffix == ".pt" else check_index_file
        first = snapshot.files[0].path
        with findings.collect_problems():
            check(train / first.name, str(first))
    findings.raise_if_problems()
    return {
        which: compute_sha256(train / snapshot.weights.path.name)
        for which, snapshot in chosen.items()
    }
