"""Archives that hold several models: a request chooses one, and reads the words to use."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.pose.model.inspection import as_json, as_markdown, as_text, inspect_archive
from tasks.pose.model.selection import ModelChoice
from tests.support.archive_sandbox import ArchiveSandbox, without_files
from tests.support.model_zips import (
    NETWORK_CONFIG,
    PROJECT_CONFIG,
    SNAPSHOT_NAME,
    TF_TRAIN_FOLDER,
    TRAIN_FOLDER,
    WEIGHTS,
    Files,
    copy_with_changes,
    format_yaml,
    model_files,
    tensorflow_files,
    write_zip,
)

NAMES = ("snapshot-050.pt", "snapshot-100.pt", "snapshot-best-040.pt")
FOLDER = TRAIN_FOLDER.removesuffix("/train")


def moved(files: Files, old: str, new: str) -> Files:
    """The same model in another folder; config.yaml is not repeated."""
    return {name.replace(old, new): data for name, data in files.items() if name != "config.yaml"}


def three_models() -> Files:
    """Two shuffles of one iteration, and the first of them in another iteration too."""
    network = copy_with_changes(NETWORK_CONFIG, net_type="hrnet_w32")
    return (
        model_files(PROJECT_CONFIG, NETWORK_CONFIG, *NAMES)
        | moved(model_files(PROJECT_CONFIG, network), "shuffle1", "shuffle3")
        | moved(model_files(), "iteration-0", "iteration-2")
    )


@pytest.fixture
def bench(tmp_path: Path) -> ArchiveSandbox:
    return ArchiveSandbox(tmp_path)


ONE = "iteration-0/openfieldOct30-trainset95shuffle1"
AGAIN = "iteration-2/openfieldOct30-trainset95shuffle1"


def test_several_models_are_refused_with_the_words_that_choose(bench: ArchiveSandbox) -> None:
    message = bench.expect_refusal(three_models())
    listed = message.partition("3 folders hold snapshots; set shuffle to the one to use: ")[2]
    assert listed.startswith(f"{ONE}, 3, {AGAIN} (`python -m flows inspect`")


@pytest.mark.parametrize(
    ("shuffle", "folder"),
    [
        (3, FOLDER.replace("shuffle1", "shuffle3")),
        (ONE, FOLDER),
        (AGAIN, FOLDER.replace("iteration-0", "iteration-2")),
        (f"{FOLDER}/train", FOLDER),
        (f"/{FOLDER}/", FOLDER),
        ("openfieldOct30-trainset95shuffle3", FOLDER.replace("shuffle1", "shuffle3")),
    ],
)
def test_a_model_is_chosen_by_number_or_name(
    bench: ArchiveSandbox, shuffle: Any, folder: str
) -> None:
    model = bench.write_and_open(three_models(), ModelChoice(shuffle))
    (used,) = [option for option in model.shuffles if option.folder == f"{folder}/train"]
    assert model.snapshot in {snapshot.name for snapshot in used.snapshots}
    assert model.net_type == used.net_type
    assert f"shuffle{model.shuffle}" in folder
    assert len(list(bench.project.rglob("*.pt"))) == 1


@pytest.mark.parametrize(
    ("shuffle", "told"),
    [
        (1, "several of them are 1"),
        (2, "none of them is 2"),
        (ONE.rpartition("/")[2], f"several of them are {ONE.rpartition('/')[2]}"),
        ("shuffle1", "none of them is shuffle1"),
        ("..", "none of them is .."),
        ("\u202e<b>", r"none of them is '\u202e<b>'"),
    ],
)
def test_another_choice_is_refused(bench: ArchiveSandbox, shuffle: Any, told: str) -> None:
    message = bench.expect_refusal(three_models(), ModelChoice(shuffle))
    assert f"m.zip: shuffle: {told}; expected one of {ONE}, 3, {AGAIN} (" in message


def test_every_word_that_is_listed_chooses_its_folder(bench: ArchiveSandbox) -> None:
    files = three_models() | {
        "old/snapshot-1.pt": WEIGHTS,
        "a/old/snapshot-1.pt": WEIGHTS,
        "a/b-trainset95shuffle9/train/snapshot-1.pt": WEIGHTS,
        "snapshot-7.pt": WEIGHTS,
    }
    found = inspect_archive(write_zip(bench.archive, files), "m.zip", bench.project)
    for option in found.facts.shuffles:
        again = inspect_archive(
            bench.archive, "m.zip", bench.project.with_name("p"), choice=ModelChoice(option.use)
        )
        assert not any("shuffle:" in problem for problem in again.problems), option
        assert again.facts.snapshots == tuple(one.name for one in option.snapshots)
    assert len({option.use for option in found.facts.shuffles}) == 7


@pytest.mark.parametrize(
    ("snapshot", "used"),
    [
        ("best", NAMES[2]),
        (50, NAMES[0]),
        (100, NAMES[1]),
        (40, NAMES[2]),
        ("snapshot-050", NAMES[0]),
        ("snapshot-best-040.pt", NAMES[2]),
    ],
)
def test_a_snapshot_is_chosen_by_number_or_name(
    bench: ArchiveSandbox, snapshot: Any, used: str
) -> None:
    project = copy_with_changes(PROJECT_CONFIG, snapshotindex="nonsense")
    files = model_files(project, NETWORK_CONFIG, *NAMES)
    model = bench.write_and_open(files, ModelChoice(snapshot=snapshot))
    assert (model.snapshot, model.snapshots) == (used, NAMES)
    assert [path.name for path in bench.project.rglob("*.pt")] == [used]
    assert [option.use for option in model.shuffles[0].snapshots] == [50, 100, "best"]


@pytest.mark.parametrize("snapshot", [7, "last", "snapshot-7.pt"])
def test_another_snapshot_is_refused_with_those_that_there_are(
    bench: ArchiveSandbox, snapshot: Any
) -> None:
    files = model_files(PROJECT_CONFIG, NETWORK_CONFIG, *NAMES)
    message = bench.expect_refusal(files, ModelChoice(snapshot=snapshot))
    assert f"snapshot: expected one of 50, 100, best, found {snapshot}" in message


def test_numbers_that_name_two_snapshots_are_not_the_words(bench: ArchiveSandbox) -> None:
    names = ("snapshot-9.pt", "snapshot-009.pt", "snapshot-best-8.pt", "snapshot-best-9.pt")
    files = model_files(PROJECT_CONFIG, NETWORK_CONFIG, *names)
    for name in names:
        model = bench.write_and_open(files, ModelChoice(snapshot=name.removesuffix(".pt")))
        assert model.snapshot == name
        words = {option.use for option in model.shuffles[0].snapshots}
        assert words == {one.removesuffix(".pt") for one in names}
    assert "found 9" in bench.expect_refusal(files, ModelChoice(snapshot=9))


def test_the_engines_are_told_apart_and_chosen(bench: ArchiveSandbox) -> None:
    files = tensorflow_files() | model_files()
    of_torch = bench.write_and_open(files, ModelChoice(FOLDER))
    other = TF_TRAIN_FOLDER.removesuffix("/train")
    of_tensorflow = bench.write_and_open(files, ModelChoice(other, 1200))
    assert (of_torch.engine, of_tensorflow.engine) == ("pytorch", "tensorflow")
    assert of_tensorflow.snapshot == "snapshot-1200"


def test_a_folder_whose_snapshots_cannot_be_loaded_is_no_choice(bench: ArchiveSandbox) -> None:
    model = bench.write_and_open(model_files() | {"old/snapshot-detector-9.pt": WEIGHTS})
    assert [option.folder for option in model.shuffles] == [TRAIN_FOLDER]


def test_many_folders_are_not_all_named(bench: ArchiveSandbox) -> None:
    message = bench.expect_refusal({f"{index:04}/snapshot-1.pt": b"" for index in range(2000)})
    assert "0000, 0001, 0002, 0003, 0004, and 95 more" in message


def test_people_and_programs_read_what_there_is_to_choose_from(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "m.zip", three_models())
    inspection = inspect_archive(archive, "m.zip", tmp_path / "project")
    text = as_text(inspection)
    assert f"shuffle: {ONE}" in text
    assert "resnet_50, bottom-up; snapshot: 50, 100, best; in" in text
    assert "| shuffle: 3 |" in as_markdown(inspection)
    told = json.loads(as_json(inspection))["found"]["shuffles"]
    assert [option["use"] for option in told] == [ONE, 3, AGAIN]
    assert told[1] == {
        "use": 3,
        "folder": TRAIN_FOLDER.replace("shuffle1", "shuffle3"),
        "engine": "pytorch",
        "net_type": "hrnet_w32",
        "method": "bu",
        "snapshots": [{"use": "best", "name": SNAPSHOT_NAME}],
    }


def test_the_snapshots_of_the_only_model_are_listed(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "m.zip", model_files(PROJECT_CONFIG, NETWORK_CONFIG, *NAMES))
    text = as_text(inspect_archive(archive, "m.zip", tmp_path / "project"))
    rows = [line.split() for line in text.splitlines()]
    assert ["snapshot:", "best", "snapshot-best-040.pt"] in rows
    assert ["snapshot:", "50", "snapshot-050.pt"] in rows


class TestConfigurationElsewhere:
    @pytest.mark.parametrize("place", ["pytorch_config.yaml", f"{FOLDER}/pytorch_config.yaml"])
    def test_the_only_one_is_used(self, bench: ArchiveSandbox, place: str) -> None:
        files = without_files(model_files(), f"{TRAIN_FOLDER}/pytorch_config.yaml")
        model = bench.write_and_open(files | {place: format_yaml(NETWORK_CONFIG)})
        (repair,) = model.repairs
        assert repair.startswith(f"{place} is used, the only one in the archive")

    def test_of_several_none_is(self, bench: ArchiveSandbox) -> None:
        files = without_files(model_files(), f"{TRAIN_FOLDER}/pytorch_config.yaml")
        several = {f"{n}/pytorch_config.yaml": format_yaml(NETWORK_CONFIG) for n in "ab"}
        message = bench.expect_refusal(files | several)
        assert f"{TRAIN_FOLDER} holds a snapshot but no pytorch_config.yaml" in message

    def test_none_is_where_there_are_several_models(self, bench: ArchiveSandbox) -> None:
        other = TRAIN_FOLDER.replace("shuffle1", "shuffle2")
        files = model_files() | {f"{other}/snapshot-1.pt": WEIGHTS}
        message = bench.expect_refusal(files, ModelChoice(2))
        assert f"{other} holds a snapshot but no pytorch_config.yaml" in message


def test_a_movie_that_stands_twice_in_config_yaml_is_a_repair(bench: ArchiveSandbox) -> None:
    config = format_yaml(PROJECT_CONFIG) + b"video_sets:\n  a.mp4: {crop: 1}\n  a.mp4: {crop: 1}\n"
    model = bench.write_and_open(model_files() | {"config.yaml": config})
    assert model.repairs == (
        "config.yaml: video_sets holds a key twice; it is not needed and was left out",
    )
