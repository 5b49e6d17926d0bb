"""`run.json`: it survives a round trip, says how the run ended, and names the software."""

import json
import re
from datetime import UTC

import pytest
from pydantic import ValidationError

from tasks.pose.results.run_record import (
    RECORDED_PACKAGES,
    MovieRecord,
    OutputFile,
    ResultStatus,
    RunRecord,
    compute_run_status,
    describe_host,
    utc_now,
)
from tasks.pose.tables.quality import Verdict
from tests.support.records import (
    DIGEST,
    example_failed_movie,
    example_movie,
    example_quality,
    example_run,
)

GOOD, BAD = example_movie(), example_failed_movie()


@pytest.mark.parametrize(
    ("movies", "status"),
    [
        ((), ResultStatus.FAILED),
        ((GOOD,), ResultStatus.COMPLETE),
        ((GOOD, GOOD), ResultStatus.COMPLETE),
        ((GOOD, BAD), ResultStatus.PARTIAL),
        ((BAD, GOOD, GOOD), ResultStatus.PARTIAL),
        ((BAD,), ResultStatus.FAILED),
        ((BAD, BAD), ResultStatus.FAILED),
    ],
)
def test_a_run_is_judged_by_its_movies(
    movies: tuple[MovieRecord, ...], status: ResultStatus
) -> None:
    assert compute_run_status(movies) is status


@pytest.mark.parametrize(
    "record",
    [
        example_run(),
        example_run(GOOD),
        example_run(BAD, estimator=None, flow_run=None),
        example_run(
            example_movie(
                crop=(1, 2, 30, 40), warnings=("one", "two"), quality=example_quality(Verdict.LOOK)
            ),
            BAD,
            outputs={"a.h5": OutputFile(location="/o", size=1, sha256=DIGEST, coordinates="crop")},
        ),
    ],
)
def test_it_survives_a_round_trip(record: RunRecord) -> None:
    assert RunRecord.model_validate_json(record.to_json()) == record


def test_the_schema_version_comes_first() -> None:
    assert next(iter(json.loads(example_run(GOOD).to_json()).items())) == ("schema_version", 1)


def test_it_is_plain_json_that_a_person_can_read() -> None:
    text = example_run(example_movie("Mäuse’", frame_rate=29.97)).to_json()
    assert text.startswith('{\n  "schema_version": 1,\n  "status": "complete"')
    assert "Mäuse’" in text
    assert not re.search(r"NaN|Infinity", text)


def test_another_version_of_the_schema_is_refused() -> None:
    values = json.loads(example_run(GOOD).to_json()) | {"schema_version": 2}
    with pytest.raises(ValidationError, match="schema_version"):
        RunRecord.model_validate(values)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        example_movie(poses=3)


def test_a_movie_cannot_be_partial() -> None:
    with pytest.raises(ValidationError, match="status"):
        example_movie(status=ResultStatus.PARTIAL)


def test_the_host_names_every_package_with_its_version() -> None:
    host = describe_host()
    assert list(host.packages) == list(RECORDED_PACKAGES)
    assert all(re.match(r"\d+\.\d+", version) for version in host.packages.values())
    assert host.cpus >= 1
    assert host.python.startswith("3.")


def test_times_are_in_utc() -> None:
    assert utc_now().tzinfo is UTC
