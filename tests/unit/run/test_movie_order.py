"""One format in a request, and recordings in the order in which they were made."""

from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.pose.settings import PoseSettings
from tasks.run import movie_order
from tasks.run.request import resolve_locations
from tests.support.isxb_files import write_isxb
from tests.support.paths import SHARED_FOLDER, needs_shared_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "model.zip").touch()
    return tmp_path


def resolved(folder: Path, *movies: str) -> tuple[list[str], tuple[str, ...]]:
    """Names of the movies in order, and what is warned of."""
    places = [f"{folder}/in/{movie}" for movie in movies]
    request = resolve_locations(f"{folder}/model.zip", places, f"{folder}/out", PoseSettings())
    assert [movie.number for movie in request.movies] == list(range(len(request.movies)))
    return [movie.info.location.name for movie in request.movies], request.warnings


def record(folder: Path, name: str, start_ms: int, **options: object) -> Path:
    return write_isxb(folder / "in" / name, 1, start_ms=start_ms, **options)  # type: ignore[arg-type]


class TestOneFormat:
    def refusal(self, folder: Path, *names: str) -> str:
        for name in names:
            (folder / "in" / name).touch()
        with pytest.raises(BadInput) as caught:
            resolved(folder, "")
        text = str(caught.value)
        assert len(text.splitlines()) == 1
        return text

    def test_several_formats_are_refused_with_their_numbers(self, folder: Path) -> None:
        text = self.refusal(folder, "a.mp4", "b.MP4", "c.avi", "d.isxb")
        assert "expected one format in a request, found 1 .avi and 1 .isxb and 2 .mp4" in text
        assert f"{folder}/in/*.mp4" in text

    def test_case_makes_no_other_format(self, folder: Path) -> None:
        for name in ("a.mp4", "b.MP4"):
            (folder / "in" / name).touch()
        assert resolved(folder, "")[0] == ["a.mp4", "b.MP4"]

    def test_a_pattern_narrows_a_prefix(self, folder: Path) -> None:
        for name in ("a.mp4", "b.avi", "c.mp4"):
            (folder / "in" / name).touch()
        assert resolved(folder, "*.mp4")[0] == ["a.mp4", "c.mp4"]

    def test_labeled_movies_of_earlier_runs_are_no_other_format(self, folder: Path) -> None:
        (folder / "out" / "m").mkdir(parents=True)
        (folder / "out" / "m" / "labeled.mp4").touch()
        write_isxb(folder / "out" / "m.isxb", 1)
        names, warnings = resolved(folder, "../out/")
        assert names == ["m.isxb"]
        assert "labeled movie of an earlier run" in warnings[0]


class TestOrder:
    @pytest.mark.parametrize("raw", [False, True])
    def test_recordings_are_put_in_order_of_their_start(self, folder: Path, raw: bool) -> None:
        for name, start in (("a.isxb", 3000), ("b.isxb", 1000), ("c.isxb", 2000)):
            record(folder, name, start, raw=raw)
        names, warnings = resolved(folder, "")
        assert names == ["b.isxb", "c.isxb", "a.isxb"]
        (warning,) = warnings
        assert warning.endswith("in order of their recording: b.isxb, c.isxb, a.isxb")

    def test_nothing_is_said_where_the_order_was_right(self, folder: Path) -> None:
        for index in range(12):
            record(folder, f"m{index}.isxb", index)
        names, warnings = resolved(folder, "")
        assert names == [f"m{index}.isxb" for index in range(12)]
        assert warnings == ()

    def test_many_names_are_cut_short(self, folder: Path) -> None:
        for index in range(12):
            record(folder, f"m{index}.isxb", 100 - index)
        (warning,) = resolved(folder, "")[1]
        assert warning.endswith("m11.isxb, m10.isxb, m9.isxb, m8.isxb, m7.isxb and 7 more")

    def test_equal_starts_are_in_natural_order(self, folder: Path) -> None:
        for name in ("m10.isxb", "m2.ISXB"):
            record(folder, name, 5)
        assert resolved(folder, "m10.isxb", "m2.ISXB")[0] == ["m2.ISXB", "m10.isxb"]

    def test_a_start_between_milliseconds_counts(self, folder: Path) -> None:
        later = {"start": {"secsSinceEpoch": {"num": 10, "den": 3}}}
        record(folder, "a.isxb", 3000, session={"timingInfo": later})
        record(folder, "b.isxb", 3333)
        assert resolved(folder, "a.isxb", "b.isxb")[0] == ["b.isxb", "a.isxb"]

    def test_files_that_are_no_recordings_keep_their_place(self, folder: Path) -> None:
        record(folder, "a.isxb", 3000)
        (folder / "in" / "b.isxb").write_bytes(b"no recording")
        record(folder, "c.isxb", 1000)
        (folder / "in" / "d.isxb").touch()
        cut = record(folder, "e.isxb", 0)
        cut.write_bytes(cut.read_bytes()[:-100])
        record(folder, "f.isxb", 2000)
        names, _ = resolved(folder, "")
        assert names == ["c.isxb", "b.isxb", "f.isxb", "d.isxb", "e.isxb", "a.isxb"]

    def test_other_movies_are_not_read(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(movie_order, "_read_recorded_movie", None)
        for name in ("b.mp4", "a.mp4"):
            (folder / "in" / name).touch()
        assert resolved(folder, "b.mp4", "a.mp4")[0] == ["b.mp4", "a.mp4"]

    @needs_shared_data
    def test_a_real_series(self, folder: Path) -> None:
        series = sorted((SHARED_FOLDER / "movies").glob("Group-*.isxb"))
        given = [str(path) for path in reversed(series)]
        request = resolve_locations(f"{folder}/model.zip", given, f"{folder}/out", PoseSettings())
        assert [movie.info.location.path for movie in request.movies] == series
        assert len(request.warnings) == 1


class TestShapes:
    def test_parts_of_one_recording_have_one_size(self, folder: Path) -> None:
        record(folder, "a.isxb", 1)
        record(folder, "b.isxb", 2, width=128)
        with pytest.raises(BadInput) as caught:
            resolved(folder, "")
        text = str(caught.value)
        assert "64×48 in a.isxb" in text
        assert "128×48 in b.isxb" in text

    @pytest.mark.parametrize(
        "other",
        [{"uuid": "another-1"}, {"uuid": None}, {"session": {"cameraName": "camera-2"}}],
        ids=["another recording", "an unknown one", "another camera"],
    )
    def test_others_may_differ(self, folder: Path, other: dict[str, object]) -> None:
        record(folder, "a.isxb", 1)
        record(folder, "b.isxb", 2, width=128, **other)
        assert len(resolved(folder, "")[0]) == 2
