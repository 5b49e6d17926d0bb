"""What a request on neural activity names, and when its behavior began."""

import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural_run.neural_request import NeuralRequest, resolve_neural

START = 1_705_049_721_643
"""Milliseconds since 1970 in the recording's header."""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A pose run of two .isxb movies, the behavior run that follows, and cells."""
    (tmp_path / "cells.isxd").touch()
    write_recording(tmp_path / "camera.isxb")
    movies = [
        {"number": number, "status": "complete", "input": {"location": str(tmp_path / name)}}
        for number, name in ((1, "later.isxb"), (0, "camera.isxb"))
    ]
    write_json(tmp_path / "poses" / "run.json", {"movies": movies})
    table = tmp_path / "behavior" / "poses" / "behavior.parquet"
    table.parent.mkdir(parents=True)
    table.touch()
    made: dict[str, Any] = {
        "name": "poses",
        "pose_run": str(tmp_path / "poses" / "run.json"),
        "outputs": {table.name: {"location": str(table)}},
    }
    write_json(tmp_path / "behavior" / "run.json", {"kind": "behavior", "tables": [made]})
    return tmp_path


def write_json(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))


def write_recording(path: Path) -> None:
    """The header of an .isxb of one picture, and room for what it names."""
    places = (96, 200, 296, 10, 306, 10)
    path.write_bytes(struct.pack("<12Q", 1, 96, START, 0, 1, 0, *places) + bytes(220))


def resolve(lab: Path, annotations: str = "behavior/run.json", **settings: Any) -> NeuralRequest:
    chosen = NeuralSettings(**settings)
    return resolve_neural(
        [str(lab / "cells.isxd")], str(lab / annotations), str(lab / "out"), [], chosen
    )


def test_a_chained_recording_tells_its_start_itself(lab: Path) -> None:
    request = resolve(lab)
    assert request.table.location.name == "behavior.parquet"
    assert request.start is not None
    assert request.start.seconds == START / 1000
    assert request.start.source == "the header of camera.isxb"


def test_a_start_that_is_given_counts_more(lab: Path) -> None:
    moment = datetime(2024, 1, 12, 9, tzinfo=UTC)
    request = resolve(lab, behavior_start=moment)
    assert request.start is not None
    assert (request.start.seconds, request.start.source) == (moment.timestamp(), "behavior_start")


def test_of_a_table_alone_a_movie_may_be_given(lab: Path) -> None:
    table = "behavior/poses/behavior.parquet"
    assert resolve(lab, table).start is None
    request = resolve(lab, table, behavior_movie=str(lab / "camera.isxb"))
    assert request.start is not None
    assert request.start.seconds == START / 1000
    (lab / "broken.isxb").write_bytes(b"nothing")
    for name, told in (("cells.isxd", "give behavior_start"), ("broken.isxb", "7 bytes")):
        with pytest.raises(BadInput, match=told):
            resolve(lab, table, behavior_movie=str(lab / name))
    with pytest.raises(ValueError, match="give one of them"):
        resolve(lab, behavior_movie="/a.isxb", behavior_start=datetime.now(UTC))


def test_movies_that_are_gone_or_others_tell_nothing(lab: Path) -> None:
    (lab / "camera.isxb").unlink()
    assert resolve(lab).start is None
    write_json(lab / "poses" / "run.json", {"movies": [{"number": 0}]})
    assert resolve(lab).start is None


def test_references_may_be_gpio_files_one_for_each(lab: Path) -> None:
    (lab / "session.gpio").touch()
    request = resolve(lab, timing_references=[str(lab / "session.gpio")])
    assert [info.location.name for info in request.references] == ["session.gpio"]
    with pytest.raises(BadInput, match=r"expected \.isxd, \.gpio, found camera\.isxb"):
        resolve(lab, timing_references=[str(lab / "camera.isxb")])
    with pytest.raises(BadInput, match="one for each of the 1 cell sets, found 2"):
        resolve(lab, timing_references=[str(lab / n) for n in ("session.gpio", "cells.isxd")])
