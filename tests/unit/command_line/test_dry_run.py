"""A dry run: what a request would do, what of it would be refused, and that nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.command_line import dry_run, request_forecast
from tasks.command_line.dry_run import plan_request
from tasks.command_line.dry_run_report import DryRunReport, TimeForecast, format_dry_run
from tasks.errors import Retriable
from tasks.pose.results.run_record import RunRecord
from tasks.pose.settings import Crop, PoseSettings
from tasks.pose.speed.past_runs import summarize_run
from tasks.pose.speed.run_speed import TrialSeconds
from tasks.run.past_runs_file import MAX_REMEMBERED_RUNS, read_remembered_runs, remember_run
from tasks.storage.claims import Holder
from tests.support.movie_files import write_movie
from tests.support.paths import DEMO_MODEL
from tests.support.records import example_model, example_movie, example_run

TIME = TimeForecast(
    seconds=12.0,
    undisturbed_seconds=12.0,
    start_seconds=5.0,
    network_seconds=6.0,
    frames=3,
    device="cpu",
    basis="1 earlier run",
    sentence="about 12 s",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write_movie(tmp_path / "in" / "m1.mp4", 3)
    return tmp_path


@pytest.fixture
def forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes is told elsewhere."""
    monkeypatch.setattr(dry_run, "forecast_request", lambda *_: (TIME, ""))


def plan(folder: Path, *movies: str, model: Path = DEMO_MODEL, **settings: Any) -> DryRunReport:
    named = [str(folder / movie) for movie in movies or ["in/"]]
    return plan_request(str(model), named, str(folder / "out"), PoseSettings(**settings))


@pytest.mark.usefixtures("forecasts")
class TestReport:
    def test_tells_all_and_writes_nothing(self, folder: Path) -> None:
        before = sorted(folder.rglob("*"))
        report = plan(folder)
        assert sorted(folder.rglob("*")) == before
        assert (report.refused, report.problems, report.time) == (False, (), TIME)
        (movie,) = report.movies
        assert (movie.action, movie.reused, movie.problem) == ("run", (), None)
        assert movie.facts is not None
        assert (movie.facts.frames, movie.facts.width) == (3, 96)
        assert report.model is not None
        assert report.model["model"]["snapshot"] == "snapshot-best-020.pt"
        assert report.scratch is not None
        assert report.scratch.free is not None
        assert 0 < report.scratch.needed < report.scratch.free
        assert report.output is not None
        assert report.output.location == str(folder / "out")

    def test_tells_every_refusal_at_once(self, folder: Path) -> None:
        (folder / "in" / "m2.mp4").write_text("notes")
        report = plan(folder, displayed_body_parts=["paw"])
        assert report.refused
        (problem,) = report.problems
        assert "no body part called 'paw'" in problem
        assert [movie.action for movie in report.movies] == ["run", "refuse"]
        assert "expected an MP4 or AVI movie" in str(report.movies[1].problem)
        assert report.time is None
        assert report.no_time == "not known, since this would be refused"

    def test_tells_how_long_the_others_take_where_one_movie_is_refused(self, folder: Path) -> None:
        (folder / "in" / "m2.mp4").write_text("notes")
        report = plan(folder)
        assert (report.refused, report.problems, report.time) == (True, (), TIME)

    def test_refuses_a_crop_that_a_movie_does_not_have(self, folder: Path) -> None:
        report = plan(folder, crop=Crop(left=0, top=0, width=100, height=10))
        assert [movie.action for movie in report.movies] == ["refuse"]
        assert "m1: crop: it reaches to column 100" in str(report.movies[0].problem)

    def test_looks_into_movies_although_the_model_is_refused(self, folder: Path) -> None:
        model = folder / "model.zip"
        model.write_bytes(b"no zip")
        report = plan(folder, model=model)
        assert report.refused
        assert report.problems
        assert report.movies[0].facts is not None

    def test_tells_what_cannot_be_found(self, folder: Path) -> None:
        report = plan(folder, "in/none.mp4")
        assert report.refused
        assert "there is no such file" in report.problems[0]
        assert (report.model, report.movies) == (None, ())

    def test_tells_of_runs_that_write_there(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        holder = Holder("7", "brave-mouse", "host", "today")
        monkeypatch.setattr(dry_run, "read_holders", lambda *_: [holder])
        assert plan(folder).waits_for == (str(holder),)

    def test_a_full_disk_is_told_before(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dry_run, "count_free_bytes", lambda _folder: 10)
        report = plan(folder)
        assert report.refused
        assert "bytes are needed for results, and 10 are free" in report.problems[0]


@pytest.mark.usefixtures("forecasts")
def test_programs_and_people_read_the_same(folder: Path) -> None:
    (folder / "in" / "m2.mp4").write_text("notes")
    report = plan(folder)
    assert DryRunReport.model_validate_json(report.to_json()) == report
    assert set(json.loads(report.to_json())) == set(DryRunReport.model_fields)
    lines = format_dry_run(report).splitlines()
    assert lines[0] == "Dry run: nothing is written."
    told = {line.split("  ")[0].strip() or line.split()[0]: line for line in lines[2:] if line}
    assert "2: 1 to run, 1 refused, 3 frames" in told["movies"]
    assert "96×64, 3 frames: runs" in next(line for line in lines if "m1" in line)
    assert "about 12 s" in told["time"]


class TestForecast:
    """The time comes from earlier runs, and only else from a trial."""

    @pytest.fixture
    def tried(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
        trials: list[Any] = []

        def try_model(*given: Any) -> TrialSeconds:
            trials.append(given)
            return TrialSeconds("cpu", 1, 1, 10, 1, 0, 96 * 64, 96 * 64, 10, 1)

        monkeypatch.setattr(request_forecast, "try_model", try_model)
        monkeypatch.setattr(request_forecast, "measure_lost_share", lambda _threads: 0.0)
        monkeypatch.setattr(request_forecast, "find_gpu", lambda: False)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        return trials

    def record(self, report: DryRunReport) -> RunRecord:
        """A run of that model on this machine."""
        machine = request_forecast.observe_machine()
        record = example_run(example_movie(estimation={"preparation": 1}))
        host = record.host.model_copy(update={"name": machine.host, "cpus": machine.cpus})
        assert report.model is not None
        digest = report.model["model"]["snapshot_sha256"]
        model = example_model(snapshot_sha256=digest)
        return record.model_copy(update={"host": host, "model": model})

    def test_without_any_the_network_is_tried(self, folder: Path, tried: list[Any]) -> None:
        report = plan(folder)
        assert len(tried) == 1
        assert report.time is not None
        assert report.time.basis == "a trial of the network on this machine"
        assert report.time.frames == 3

    def test_what_this_machine_remembers_is_enough(self, folder: Path, tried: list[Any]) -> None:
        record = self.record(plan(folder))
        remember_run(record)
        assert read_remembered_runs() == [summarize_run(record)]
        report = plan(folder)
        assert len(tried) == 1  # the one before
        assert report.time is not None
        assert report.time.basis == "1 earlier run of this model on this machine"

    def test_so_is_a_record_at_the_output(self, folder: Path, tried: list[Any]) -> None:
        record = self.record(plan(folder))
        (folder / "out").mkdir()
        (folder / "out" / "run.json").write_text(record.to_json())
        report = plan(folder)
        assert len(tried) == 1
        assert report.time is not None
        assert report.time.basis.startswith("1 earlier run")

    def test_a_run_that_is_known_from_both_counts_once(
        self, folder: Path, tried: list[Any]
    ) -> None:
        record = self.record(plan(folder))
        remember_run(record)
        (folder / "out").mkdir()
        (folder / "out" / "run.json").write_text(record.to_json())
        report = plan(folder)
        assert len(tried) == 1
        assert report.time is not None
        assert report.time.basis.startswith("1 earlier run")

    def test_a_trial_that_fails_is_no_refusal(
        self, folder: Path, tried: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> Any:
            raise Retriable("the GPU is full")

        monkeypatch.setattr(request_forecast, "try_model", fail)
        report = plan(folder)
        assert (report.refused, report.time) == (False, None)
        assert report.no_time == "not known: the network could not be tried: the GPU is full"


def test_a_machine_remembers_the_latest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "dlcflow" / "past-runs"
    folder.mkdir(parents=True)
    for number in range(MAX_REMEMBERED_RUNS + 3):
        (folder / f"20200101-000000-{number:03}.json").write_text("of another version")
    remember_run(example_run(example_movie(estimation={})))
    assert len(list(folder.iterdir())) == MAX_REMEMBERED_RUNS
    assert len(read_remembered_runs()) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.model_copy(update={"movies": ()}),
        lambda run: run.model_copy(
            update={
                "request": run.request.model_copy(update={"settings": PoseSettings(spread_from=1)})
            }
        ),
    ],
)
def test_runs_that_tell_nothing_of_this_machine_are_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[RunRecord], RunRecord]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    remember_run(change(example_run(example_movie(estimation={}))))
    assert read_remembered_runs() == []


def test_what_cannot_be_written_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember_run(example_run(example_movie(estimation={})))
    assert read_remembered_runs() == []
