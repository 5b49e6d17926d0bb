"""`python -m flows inspect`: what a model is, in seconds, from a folder and from a bucket."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.support.commands import run_command
from tests.support.model_zips import (
    PROJECT_CONFIG,
    copy_with_changes,
    model_files,
    tensorflow_files,
    write_zip,
)
from tests.support.paths import DEMO_MODEL, ROOT, SHARED_FOLDER, needs_shared_data
from tests.support.stores import StoreSettings

BUCKET = "inspect"


def inspect(*words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return run_command("inspect", "--model", *words, **environment)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_good_model_ends_with_0_and_leaves_nothing(scratch: Path) -> None:
    done = inspect(DEMO_MODEL, TMPDIR=str(scratch))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "mouse-openfield-model.zip can be used"
    assert any(line.split(maxsplit=1) == ["snapshot", "snapshot-best-020.pt"] for line in lines)
    assert list(scratch.iterdir()) == []


def test_programs_get_one_object(scratch: Path) -> None:
    done = inspect(DEMO_MODEL, "--json", TMPDIR=str(scratch))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["usable"], found["problems"]) == (True, [])
    assert found["model"]["individuals"] == ["individual_1"]


def test_every_problem_is_an_error_and_the_end_is_2(scratch: Path, tmp_path: Path) -> None:
    project = copy_with_changes(PROJECT_CONFIG, Task="../x", bodyparts=["paw"])
    model = write_zip(tmp_path / "m.zip", model_files(project))
    done = inspect(model, TMPDIR=str(scratch))
    assert done.returncode == 2
    assert done.stdout.startswith("m.zip cannot be used\n\n  engine  ")
    assert any(line.split()[:1] == ["SHA-256"] for line in done.stdout.splitlines())
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["error", "error"]
    found = inspect(model, "--json", TMPDIR=str(scratch))
    assert found.returncode == 2
    told = json.loads(found.stdout)
    problems = told["problems"]
    assert (told["model"], told["found"]["engine"]) == (None, "pytorch")
    assert found.stderr.splitlines() == [f"error: {problem}" for problem in problems]
    assert list(scratch.iterdir()) == []


def test_a_tensorflow_model_is_refused_with_the_remedy(tmp_path: Path) -> None:
    model = write_zip(tmp_path / "m.zip", tensorflow_files())
    without = "import sys; sys.modules['tensorflow'] = None"
    program = f"{without}; from flows.__main__ import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "inspect", "--model", str(model)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "run `make setup-tensorflow`" in done.stderr
    assert done.returncode == 2


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    done = inspect(tmp_path / "no.zip", "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert found["model"] is None
    assert "there is no such file" in found["problems"][0]
    assert "give the location of a .zip file" in inspect(ROOT / "README.md").stderr


def test_a_model_in_a_bucket_is_looked_into(object_store: StoreSettings, scratch: Path) -> None:
    store = boto3.client("s3")
    store.create_bucket(Bucket=BUCKET)
    store.upload_file(str(DEMO_MODEL), BUCKET, "models/m.zip")
    done = inspect(f"s3://{BUCKET}/models/m.zip", TMPDIR=str(scratch), **object_store)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("m.zip can be used\n")
    gone = inspect(f"s3://{BUCKET}/models/no.zip", **object_store)
    assert gone.returncode == 2
    assert gone.stderr.startswith("error: ")
    assert list(scratch.iterdir()) == []


@needs_shared_data
def test_nothing_heavy_is_loaded() -> None:
    heavy = ["prefect", "torch", "deeplabcut", "tensorflow", "pandas", "boto3"]
    model = SHARED_FOLDER / "models" / "blobs-multianimal-pytorch.zip"
    program = f"""
import sys
from flows.__main__ import main
assert main(["inspect", "--model", "{model}"]) == 0
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == ["[]"]
