"""Requests resolved on local files, and folders for movies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.pose.settings import PoseSettings
from tasks.run import request as module
from tasks.run.request import make_folder_names, resolve_locations
from tasks.run.scratch_folder import create_scratch_folder
from tasks.run_data import ResolvedRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "model.ZIP").touch()
    for name in ("m10.mp4", "m2.MP4", "m1.mp4", "notes.txt", "._m1.mp4", "sub/m1.mp4"):
        (tmp_path / "in" / name).write_bytes(b"x" * len(name))
    return tmp_path


def request(
    folder: Path, *movies: str, model: str = "model.ZIP", output: str = "out"
) -> ResolvedRequest:
    places = [f"{folder}/{movie}" for movie in movies]
    return resolve_locations(f"{folder}/{model}", places, f"{folder}/{output}", PoseSettings())


def nwb_request(folder: Path, *movies: str, metadata: str | None) -> ResolvedRequest:
    where = folder / "lab.yaml"
    if metadata is not None:
        where.write_text(metadata)
    given = PoseSettings(nwb=True, nwb_metadata=str(where))
    places = [f"{folder}/{movie}" for movie in movies]
    return resolve_locations(f"{folder}/model.ZIP", places, f"{folder}/out", given)


SUBJECT = "subject: {subject_id: 12, species: Mus musculus, sex: F, age: P90D}\n"


class TestNwbMetadata:
    def test_is_read_and_checked_with_the_request(self, folder: Path) -> None:
        pytest.importorskip("ndx_pose")
        start = "session_start_time: 2026-01-27T15:20:34Z\n"
        resolved = nwb_request(folder, "in/m1.mp4", metadata=SUBJECT + start)
        assert resolved.nwb_metadata is not None
        assert resolved.nwb_metadata.subject is not None
        assert resolved.nwb_metadata.subject.subject_id == "12"
        assert request(folder, "in/m1.mp4").nwb_metadata is None

    @pytest.mark.parametrize(
        ("metadata", "message"),
        [
            (None, "lab.yaml"),
            ("", "lab.yaml"),
            (SUBJECT, "session_start_time of 'm1.mp4'"),
        ],
    )
    def test_that_is_not_enough_is_refused(
        self, folder: Path, metadata: str | None, message: str
    ) -> None:
        pytest.importorskip("ndx_pose")
        with pytest.raises(BadInput, match=message):
            nwb_request(folder, "in/m1.mp4", metadata=metadata)

    def test_that_cannot_be_used_is_refused_before_it_is_read(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "find_spec", lambda name: None)
        with pytest.raises(BadInput, match="uv sync --extra nwb"):
            nwb_request(folder, "in/m1.mp4", metadata=None)


def refusal(folder: Path, *movies: str, model: str = "model.ZIP", output: str = "out") -> str:
    with pytest.raises(BadInput) as caught:
        request(folder, *movies, model=model, output=output)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def found(resolved: ResolvedRequest) -> list[tuple[str, str]]:
    return [(movie.info.location.name, movie.name) for movie in resolved.movies]


class TestResolve:
    def test_takes_a_folders_movies_in_natural_order(self, folder: Path) -> None:
        resolved = request(folder, "in/")
        assert found(resolved) == [
            ("m1.mp4", "m1"),
            ("m2.MP4", "m2"),
            ("m10.mp4", "m10"),
            ("m1.mp4", "m1-2"),
        ]
        assert [movie.number for movie in resolved.movies] == [0, 1, 2, 3]
        assert resolved.warnings == ()

    def test_takes_what_a_pattern_names(self, folder: Path) -> None:
        assert found(request(folder, "in/*0.mp4")) == [("m10.mp4", "m10")]

    def test_keeps_the_order_that_is_given(self, folder: Path) -> None:
        resolved = request(folder, "in/m10.mp4", "in/m1.mp4", "in/m2.MP4")
        assert [name for name, _ in found(resolved)] == ["m10.mp4", "m1.mp4", "m2.MP4"]

    def test_takes_a_movie_once_that_is_named_twice(self, folder: Path) -> None:
        resolved = request(folder, "in/m1.mp4", "in/", "in/../in/m1.mp4")
        assert len(resolved.movies) == 4
        assert len(resolved.warnings) == 2
        assert all("m1.mp4 is named more than once" in text for text in resolved.warnings)

    def test_takes_a_hidden_movie_only_by_its_name(self, folder: Path) -> None:
        assert found(request(folder, "in/._m1.mp4")) == [("._m1.mp4", "._m1")]

    def test_tells_what_was_asked_and_what_was_found(self, folder: Path) -> None:
        resolved = request(folder, "in/m1.mp4")
        assert resolved.given.movies == (f"{folder}/in/m1.mp4",)
        assert resolved.movies[0].info.size == len("m1.mp4")
        assert str(resolved.model.location) == f"{folder}/model.ZIP"
        assert str(resolved.output) == f"{folder}/out"

    def test_leaves_no_trace_where_results_will_go(self, folder: Path) -> None:
        before = set(folder.rglob("*"))
        request(folder, "in/m1.mp4", output="new/results")
        assert set(folder.rglob("*")) == before

    @pytest.mark.parametrize("movie", ["in/absent.mp4", "absent/", "in/*.mkv", "in/M1.mp4"])
    def test_refuses_what_does_not_exist(self, folder: Path, movie: str) -> None:
        assert movie in refusal(folder, "in/m1.mp4", movie)

    def test_refuses_a_folder_that_is_meant_as_a_movie(self, folder: Path) -> None:
        (folder / "in" / "m.mp4").mkdir()
        assert "in/m.mp4" in refusal(folder, "in/m.mp4")

    @pytest.mark.parametrize("movie", ["in/notes.txt", "in/*.txt", "model.ZIP"])
    def test_refuses_what_is_no_movie(self, folder: Path, movie: str) -> None:
        assert "expected movies (.mp4, .avi, .isxb)" in refusal(folder, movie)

    def test_refuses_a_request_without_movies(self, folder: Path) -> None:
        assert "expected at least one location of a movie" in refusal(folder)

    def test_refuses_a_request_for_results_only(self, folder: Path) -> None:
        (folder / "out" / "m1").mkdir(parents=True)
        (folder / "out" / "m1" / "labeled.mp4").touch()
        assert "expected at least one location of a movie" in refusal(folder, "out/")

    @pytest.mark.parametrize("model", ["in/m1.mp4", "in/", "config.yaml", "in"])
    def test_refuses_a_model_that_is_no_zip(self, folder: Path, model: str) -> None:
        assert "expected a zip of a DeepLabCut model folder" in refusal(
            folder, "in/m1.mp4", model=model
        )

    def test_refuses_a_model_that_does_not_exist(self, folder: Path) -> None:
        assert "absent.zip: there is no such file" in refusal(
            folder, "in/m1.mp4", model="absent.zip"
        )

    def test_refuses_a_model_that_is_a_folder(self, folder: Path) -> None:
        (folder / "unpacked.zip").mkdir()
        assert "expected a file, found a folder" in refusal(
            folder, "in/m1.mp4", model="unpacked.zip"
        )

    @pytest.mark.parametrize("output", ["model.ZIP", "model.ZIP/results"])
    def test_refuses_to_write_below_a_file(self, folder: Path, output: str) -> None:
        assert "expected a folder" in refusal(folder, "in/m1.mp4", output=output)

    @pytest.mark.parametrize("place", ["", " in/m1.mp4", "ftp://host/m.mp4", "s3://x", "a\nb.mp4"])
    def test_refuses_what_is_no_location(self, folder: Path, place: str) -> None:
        for which in range(3):
            places = [f"{folder}/model.ZIP", f"{folder}/in/m1.mp4", f"{folder}/out"]
            places[which] = place
            with pytest.raises(BadInput):
                resolve_locations(places[0], [places[1]], places[2], PoseSettings())


class TestFolderNames:
    @pytest.mark.parametrize(
        ("stems", "names"),
        [
            ([], []),
            (["m1", "m10", "m"], ["m1", "m10", "m"]),
            (["m1", "m1", "m1"], ["m1", "m1-2", "m1-3"]),
            (["m1", "m10", "m1", "m1-2"], ["m1", "m10", "m1-3", "m1-2"]),
            (["m1-2", "m1", "m1"], ["m1-2", "m1", "m1-3"]),
            (["m1", "M1", "m1"], ["m1", "M1-2", "m1-3"]),
            (["", ".", "..", " ", "m"], ["movie", "movie-2", "movie-3", "movie-4", "m"]),
            (["", "movie"], ["movie", "movie-2"]),
            (["run.json", "run.json-movie"], ["run.json-movie", "run.json-movie-2"]),
            (["Report.HTML", "annotations.csv"], ["Report.HTML-movie", "annotations.csv-movie"]),
            ([".dlcflow", ".DLCflow"], [".dlcflow-movie", ".DLCflow-movie-2"]),
            ([".hidden", "a b", "ä", "a.b"], [".hidden", "a b", "ä", "a.b"]),
        ],
    )
    def test_are_stems_with_a_suffix_where_one_is_shared(
        self, stems: list[str], names: list[str]
    ) -> None:
        assert make_folder_names(stems) == names

    @given(st.lists(st.sampled_from(["m", "M", "m-2", "m-3", "M-2", "", ".", "movie", "run.json"])))
    def test_are_different_even_where_case_does_not_count(self, stems: list[str]) -> None:
        names = make_folder_names(stems)
        assert len(names) == len(stems)
        assert len({name.casefold() for name in names}) == len(names)

    @given(st.lists(st.text(max_size=3)))
    def test_can_always_be_folders(self, stems: list[str]) -> None:
        assert not {"", " ", ".", ".."} & set(make_folder_names(stems))

    @given(st.lists(st.sampled_from(["m", "m-2", "m-3", "n"]), unique=True))
    def test_are_the_stems_where_all_are_different(self, stems: list[str]) -> None:
        assert make_folder_names(stems) == stems


class TestScratchFolder:
    def test_is_removed_whatever_happens(self) -> None:
        def break_off() -> None:
            with create_scratch_folder() as folder:
                folders.append(folder)
                (folder / "sub").mkdir()
                (folder / "sub" / "file").touch()
                raise ValueError("broken")

        folders: list[Path] = []
        with pytest.raises(ValueError, match="broken"):
            break_off()
        assert [folder.exists() for folder in folders] == [False]

    def test_is_each_runs_own(self) -> None:
        with create_scratch_folder() as one, create_scratch_folder() as other:
            assert one != other
