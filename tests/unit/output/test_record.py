"""What a run record warns of, and what of an earlier run must go when a new one is published."""

from dataclasses import asdict, replace

import pytest

from tasks.errors import MoviesFailed
from tasks.output.leftovers import find_outdated_files
from tasks.output.record import (
    _leftover_warnings,
    _order_warnings,
    build_delivered_record,
    conclude_run,
)
from tasks.pose.network.following.follow_result import FollowResult
from tasks.pose.results.run_record import (
    InputObject,
    MovieRecord,
    OutputFile,
    ResultStatus,
    RunRecord,
)
from tasks.run_data import AnalyzedMovie
from tasks.storage.location import Location
from tests.support.records import example_failed_movie, example_movie, example_run

OUTPUT = Location.parse("s3://lab/out")


def output(path: str) -> OutputFile:
    return OutputFile(location=f"s3://lab/{path}", size=1, sha256="0" * 64)


def movie(name: str, *files: str, source: str = "s3://lab/in/m.mp4") -> MovieRecord:
    return MovieRecord(
        number=0,
        name=name,
        status=ResultStatus.COMPLETE if files else ResultStatus.FAILED,
        input=InputObject(location=source, size=1, etag=None, version=None, sha256=None),
        outputs={file: output(f"out/{name}/{file}") for file in files},
    )


def record(*movies: MovieRecord, files: tuple[str, ...] = ("report.html",)) -> RunRecord:
    outputs = {file: output(f"out/{file}") for file in files}
    return RunRecord.model_construct(movies=movies, outputs=outputs)  # type: ignore[call-arg]


def gone(earlier: RunRecord | None, now: RunRecord) -> list[str]:
    return [str(location) for location in find_outdated_files(earlier, now, OUTPUT)]


def test_nothing_goes_where_there_was_no_run() -> None:
    assert gone(None, record(movie("m", "a.h5"))) == []


def test_a_table_in_another_format_goes() -> None:
    earlier = record(movie("m", "a.h5"), files=("report.html", "annotations.csv"))
    assert gone(earlier, record(movie("m", "a.h5"))) == ["s3://lab/out/annotations.csv"]


def test_files_that_a_movie_no_longer_has_go() -> None:
    earlier = record(movie("m", "pose_estimates.h5", "pose_estimates_raw.h5"))
    now = record(movie("m", "pose_estimates.h5"))
    assert gone(earlier, now) == ["s3://lab/out/m/pose_estimates_raw.h5"]


def test_movies_of_other_requests_stay() -> None:
    assert gone(record(movie("other", "a.h5")), record(movie("m", "a.h5"))) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [("s3://lab/in/m.mp4", []), ("s3://lab/elsewhere/m.mp4", ["s3://lab/out/m/a.h5"])],
)
def test_a_failed_movie_s_earlier_results_stay_unless_they_are_another_movie_s(
    source: str, expected: list[str]
) -> None:
    assert gone(record(movie("m", "a.h5", source=source)), record(movie("m"))) == expected


def test_nothing_beyond_the_output_location_is_named() -> None:
    earlier = record(movie("m", "a.h5"), files=("report.html",))
    earlier.outputs["trap"] = output("outside/precious.h5")
    earlier.outputs["near"] = output("out-of-reach.h5")
    assert gone(earlier, record(movie("m", "a.h5"))) == []


class TestWarnings:
    def test_movies_after_a_failed_one_are_not_counted_with_it(self) -> None:
        (warning,) = _order_warnings([movie("m1"), movie("m2", "a.h5")])
        assert warning.startswith("m1 failed; later movies' frame numbers and times")

    def test_a_failed_movie_at_the_end_disturbs_none(self) -> None:
        assert _order_warnings([movie("m1", "a.h5"), movie("m2")]) == []
        assert _order_warnings([movie("m1", "a.h5")]) == []
        assert _order_warnings([]) == []

    def test_results_of_other_movies_are_told(self) -> None:
        earlier = record(movie("old", "a.h5"), movie("m", "a.h5"), movie("failed"))
        (warning,) = _leftover_warnings([movie("m", "a.h5")], earlier)
        assert warning.endswith("not in this record: old")
        assert _leftover_warnings([movie("old", "a.h5")], record(movie("old", "a.h5"))) == []
        assert _leftover_warnings([movie("m", "a.h5")], None) == []


@pytest.mark.parametrize("error", ["broken.mp4: it is empty", "broken.mp4: it is empty."])
def test_how_a_run_failed_is_one_sentence(error: str) -> None:
    failed = example_failed_movie(error=error, failed_stage="Check movie")
    with pytest.raises(MoviesFailed) as caught:
        conclude_run(example_run(example_movie(), failed), OUTPUT)
    assert str(caught.value) == (
        "broken.mp4: it is empty; 1 of 2 movies failed (broken in Check movie); "
        "see s3://lab/out/run.json"
    )


def test_a_record_says_how_a_window_followed(analyzed: AnalyzedMovie) -> None:
    assert build_delivered_record(analyzed, settings_crop=False, window_length=5).follow is None
    result = FollowResult(40, 4, 5, 1, (224, 256), 48, points=5, median=0.0, most=0.02, largest=0.1)
    followed = replace(analyzed, found=replace(analyzed.found, follow=result))
    told = build_delivered_record(followed, settings_crop=False, window_length=5)
    assert told.follow is not None
    assert told.follow.model_dump() == asdict(result)
    assert MovieRecord.model_validate_json(told.model_dump_json()) == told
