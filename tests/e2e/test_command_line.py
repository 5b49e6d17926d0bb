"""The command line as a user types it: exit status, last line, refusals, and no other network."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest

from flows.__main__ import main
from tasks.command_line.run_outcome import RunOutcome
from tasks.pose.network.checkpoint_files import count_frames_in_row
from tests.support.commands import run_command
from tests.support.movie_files import cut_movie, write_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, ROOT, SHARED_FOLDER, needs_shared_data
from tests.support.stores import StoreSettings
from tests.support.waiting import wait_for_exit

BUCKET = "command-line"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An empty home folder and an empty scratch folder."""
    folders = {"HOME": tmp_path / "home", "TMPDIR": tmp_path / "scratch"}
    for folder in folders.values():
        folder.mkdir()
    return {name: str(folder) for name, folder in folders.items()} | {"PREFECT_API_URL": ""}


@pytest.fixture
def audited(tmp_path: Path) -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT / "tests" / "e2e" / "audit"), str(ROOT)])
    return {"PYTHONPATH": paths, "AUDIT_LOG": str(tmp_path / "audit.log")}


def test_a_run_on_local_folders_needs_no_server_and_no_network(
    home: dict[str, str], audited: dict[str, str], tmp_path: Path
) -> None:
    movie = cut_movie(DEMO_MOVIE, tmp_path / "mouse one.mp4", 10)
    output = tmp_path / "the results"
    before = set(ROOT.iterdir())
    done = run_command(
        "run", "--model", DEMO_MODEL, "--movies", movie, "--output", output,
        "--keypoints-only", "--annotations-format", "csv", **home, **audited,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(output / "run.json")
    assert (output / "mouse one" / "labeled.mp4").is_file()
    assert (output / "annotations.csv").is_file()
    log = Path(audited["AUDIT_LOG"])
    assert not log.exists(), f"asked for addresses: {log.read_text()}"
    assert list(Path(home["TMPDIR"]).glob("dlcflow-*")) == []
    assert set(ROOT.iterdir()) == before
    assert len(done.stderr.splitlines()) < 100


def test_a_run_whose_only_movie_is_bad_input_says_so(
    prefect_server: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    movie = tmp_path / "notes.mp4"
    movie.write_text("no movie at all")
    words = ["--model", str(DEMO_MODEL), "--movies", str(movie), "--json"]
    status = main(["run", *words, "--output", str(tmp_path / "out")])
    told = capsys.readouterr()
    assert status == 2
    found = RunOutcome.model_validate_json(told.out)
    assert (found.status, found.exit_status) == ("failed", 2)
    assert found.record == str(tmp_path / "out" / "run.json")
    assert [(m.name, m.verdict, m.labeled_movie) for m in found.movies] == [
        ("notes", "failed", None)
    ]
    assert found.movies[0].reasons[0].startswith("notes.mp4: expected an MP4")
    errors = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: notes.mp4: expected an MP4 or AVI movie, found ")
    assert "; 1 of 1 movies failed (notes in Check movie); see " in errors[0]
    files = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"run.json", "report.html"}
    # Seconds, not those that a network takes to be loaded.
    stages = json.loads((tmp_path / "out" / "run.json").read_text())["stages"]
    assert "Check movies" in stages
    assert "Load model" not in stages


Words = Callable[[Path], list[str]]


def _words(
    folder: Path, model: object = DEMO_MODEL, movies: object = None, output: object = None
) -> list[str]:
    movies = movies or folder / "good.mp4"
    output = output or folder / "out"
    return ["--model", str(model), "--movies", str(movies), "--output", str(output)]


REFUSED: dict[str, tuple[Words, str]] = {
    "even window": (lambda f: [*_words(f), "--window-length", "4"], "must be an odd number"),
    "long window": (lambda f: [*_words(f), "--window-length", "103"], "must be an odd number"),
    "colormap": (lambda f: [*_words(f), "--color-map", "rainbwo"], "did you mean rainbow"),
    "cutoff": (lambda f: [*_words(f), "--p-cutoff", "1.5"], "less than or equal to 1"),
    "dots": (lambda f: [*_words(f), "--dot-size", "0"], "greater than or equal to 1"),
    "rate": (lambda f: [*_words(f), "--output-frame-rate", "-1"], "greater than 0"),
    "trails": (lambda f: [*_words(f), "--trail-points", "-1"], "greater than or equal to 0"),
    "crop": (lambda f: [*_words(f), "--crop", "0", "0", "0", "9"], "greater than 0"),
    "part twice": (lambda f: [*_words(f), "--displayed-body-parts", "nose", "nose"], "twice"),
    "no model": (lambda f: _words(f, model=f / "no.zip"), "there is no such file"),
    "no zip": (lambda f: _words(f, model=f / "good.mp4"), "expected a zip"),
    "model is a folder": (lambda f: _words(f, model=f), "expected a zip"),
    "no movie": (lambda f: _words(f, movies=f / "no.mp4"), "there is no such file"),
    "no match": (lambda f: _words(f, movies=f / "*.avi"), "no object fits this pattern"),
    "empty folder": (lambda f: _words(f, movies=f"{f}/nothing/"), "nothing in this folder"),
    "other kind": (
        lambda f: _words(f, movies=f / "movie.mkv"),
        "expected movies (.mp4, .avi, .isxb)",
    ),
    "output is a file": (lambda f: _words(f, output=f / "good.mp4"), "good.mp4"),
    "other scheme": (lambda f: _words(f, movies="https://example.org/m.mp4"), "expected s3://"),
    "no bucket": (lambda f: _words(f, movies="s3://not-there-1/m.mp4"), "not-there-1"),
    "no output bucket": (lambda f: _words(f, output="s3://not-there-2/x"), "not-there-2"),
    "no key": (lambda f: _words(f, movies=f"s3://{BUCKET}/m.mp4"), f"s3://{BUCKET}/m.mp4"),
    "bad bucket": (lambda f: _words(f, model="s3://X/m.zip"), "no bucket name"),
}


@pytest.fixture(scope="module")
def inputs(object_store: StoreSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    folder = tmp_path_factory.mktemp("inputs")
    write_movie(folder / "good.mp4", 3)
    write_movie(folder / "movie.mkv", 3)
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_in_one_sentence_before_anything_runs(
    name: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, expected = REFUSED[name]
    assert main(["run", *words(inputs)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert expected in told.err
    assert not (inputs / "out").exists()


def test_programs_are_told_of_a_refusal_too(
    inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more, status in (([], "refused"), (["--dry-run"], None)):
        words = ["run", *_words(inputs, movies=inputs / "no.mp4"), "--json", *more]
        assert main(words) == 2
        told = capsys.readouterr()
        found = json.loads(told.out)
        assert found.get("status") == status
        message = found["message"] if status else found["problems"][0]
        assert told.err == f"error: {message}\n"


BAD_MODELS = {
    "an unknown body part": (["--displayed-body-parts", "nose", "paw"], "it has nose, left_ear"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_what_the_model_cannot_do_is_refused_before_inference(
    name: str, prefect_server: None, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra, expected = BAD_MODELS[name]
    assert main(["run", *_words(inputs), *extra]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert expected in told.err
    assert not (inputs / "out").exists()


@needs_shared_data
@pytest.mark.skipif(find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_a_model_of_an_engine_that_is_absent_is_refused_before_inference(
    prefect_server: None, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = SHARED_FOLDER / "models" / "openfield-tensorflow.zip"
    assert main(["run", *_words(inputs, model=archive)]) == 2
    assert "make setup-tensorflow" in capsys.readouterr().err


def test_bad_usage_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["run", "--model", "x.zip"])
    assert exit_.value.code == 2
    assert "--movies" in capsys.readouterr().err


@dataclass(frozen=True)
class Ending:
    """A signal that ends a run.

    Attributes:
        moment: What is there when it comes: a file of the scratch folder, or a text in the log.
        number: The signal.
        target: The process that gets it, by a word of its command; None for the whole group of
            the command, as from a terminal: that is the command and its Prefect server.
        status: The command's exit status.
    """

    moment: str
    number: signal.Signals
    target: str | None
    status: int


ENDINGS = {
    "Ctrl-C while libraries are loaded": Ending("estimation.log", signal.SIGINT, None, 130),
    "SIGTERM to its Prefect server": Ending("fetch ·", signal.SIGTERM, "uvicorn", 143),
    "SIGKILL": Ending("Beginning flow run", signal.SIGKILL, "flows run", -9),
}


def test_ctrl_c_says_from_which_frame_the_same_command_goes_on(
    home: dict[str, str], tmp_path: Path
) -> None:
    output, log = tmp_path / "out", tmp_path / "log"
    kept = output / ".dlcflow" / "checkpoints"
    words = ["-m", "flows", "run", *_words(tmp_path, movies=DEMO_MOVIE, output=output)]
    with log.open("w") as errors:
        running = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=os.environ | home | {"DLCFLOW_CHECKPOINT_SECONDS": "1"},
            stderr=errors,
            start_new_session=True,
        )
    while not list(kept.rglob("*.npz")):
        assert running.poll() is None, log.read_text()
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    assert wait_for_exit(running, log.read_text) == 130
    frames = count_frames_in_row(path.name for path in kept.rglob("*.npz"))
    assert 0 < frames < 720
    told = log.read_text().splitlines()
    assert told[-1] == (
        f"error: interrupted; run the same command again to go on from frame {frames}"
    )
    assert len(told) < 10


def find_processes(mark: str) -> dict[int, str]:
    """Number and command of each living process that has a text in its environment."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():  # a zombie has none
                words = (folder / "cmdline").read_bytes().decode().replace("\0", " ")
                found[int(folder.name)] = words
    return found


@pytest.mark.parametrize("name", ENDINGS)
def test_a_signal_ends_a_run_at_once_with_all_its_processes(
    home: dict[str, str], tmp_path: Path, name: str
) -> None:
    ending, scratch = ENDINGS[name], Path(home["TMPDIR"])
    output, log = tmp_path / "out", tmp_path / "log"

    def is_there() -> bool:
        files = scratch.glob(f"dlcflow-*/{ending.moment}")
        return ending.moment in log.read_text() or any(files)

    words = ["-m", "flows", "run", "--verbose"]
    words += _words(tmp_path, movies=DEMO_MOVIE, output=output)
    with log.open("w") as errors:
        running = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            # A copy of a template shows the template's environment, by which it would not be found.
            env=os.environ | home | {"DLCFLOW_TEMPLATES": ""},
            stderr=errors,
            start_new_session=True,
        )
    while not is_there():
        assert running.poll() is None, log.read_text()
        time.sleep(0.05)
    if ending.target is None:
        os.killpg(running.pid, ending.number)
    else:
        processes = find_processes(home["HOME"])
        os.kill(next(n for n, w in processes.items() if ending.target in w), ending.number)
    assert wait_for_exit(running, log.read_text) == ending.status
    while find_processes(home["HOME"]):
        time.sleep(0.05)
    if ending.number != signal.SIGKILL:
        assert "error: interrupted" in log.read_text().splitlines()[-1]
        assert list(scratch.glob("dlcflow-*")) == []
        assert [path for path in output.rglob("*") if path.is_file()] == []
