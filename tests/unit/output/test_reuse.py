"""Which of a movie's earlier results are taken, and which are not, however they come to differ."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tasks.output import kept_archives
from tasks.output.kept_archives import (
    ESTIMATE_ARCHIVE,
    RESULTS_ARCHIVE,
    HiddenListing,
    KeptEstimate,
    KeptResults,
    list_hidden_objects,
    read_archive,
)
from tasks.output.result_archive import result_files, write_archive
from tasks.output.reuse import (
    EarlierResults,
    Reuse,
    _compute_keys,
    find_reuse,
    reuse_results,
)
from tasks.pose.exports.write_exports import MovieExports
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, POSES_FILE, RAW_POSES_FILE
from tasks.pose.results.run_record import OutputFile, RequestRecord
from tasks.pose.settings import PoseSettings
from tasks.run_data import AnalyzedMovie, FetchedInput, MovieSource, ReadyModel, ResolvedRequest
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store_errors import StoreUnavailable
from tests.support.records import example_input, example_model, example_output

MOVIE = "s3://lab/in/m.mp4"
FILTERED, RAW, COPY = "mDLC_filtered.h5", "mDLC.h5", "poses/mDLC_filtered.h5"
PUBLISHED = (FILTERED, RAW, COPY, LABELED_MOVIE_FILE, "trajectory.png")
OLDER_NAMES = (POSES_FILE, RAW_POSES_FILE, LABELED_MOVIE_FILE, "trajectory.png")
STAGES = {"found", "poses", "quality", "previews", "labeled", "exports"}


@pytest.fixture
def made(analyzed: AnalyzedMovie) -> AnalyzedMovie:
    """A movie's results, all of them published."""
    outputs = {name: example_output(f"s3://lab/out/m/{name}") for name in PUBLISHED}
    exports = MovieExports(dict.fromkeys((FILTERED, RAW, COPY), analyzed.poses), FILTERED)
    return replace(analyzed, outputs=outputs, exports=exports)


@pytest.fixture
def fetched(tmp_path: Path) -> FetchedInput:
    return FetchedInput(tmp_path / "m.mp4", example_input(MOVIE))


class Case:
    """A movie whose results are kept, and requests that come after."""

    def __init__(self, made: AnalyzedMovie, fetched: FetchedInput, folder: Path) -> None:
        self.made, self.fetched = made, fetched
        self.ready = ReadyModel(example_model(), folder, "network")
        self.movie: MovieSource = made.source
        keys = _compute_keys(self.movie, fetched, self.request(), self.ready)
        found = KeptEstimate(keys.estimate, made.checked.info, made.checked.edges, made.found)
        self.past = EarlierResults(KeptResults(keys, made), found, dict(made.outputs))

    def request(self, **settings: Any) -> ResolvedRequest:
        given = PoseSettings(**settings)
        request = RequestRecord(
            model="m.zip", movies=(MOVIE,), output="s3://lab/out/", settings=given
        )
        where = self.movie.info.location
        store = LocationStore()
        return ResolvedRequest(request, self.movie.info, (self.movie,), where, (), store)

    def reuse(
        self,
        past: EarlierResults | None = None,
        names: HiddenListing | None = None,
        **settings: Any,
    ) -> Reuse:
        names = names or HiddenListing(self.request(**settings), None)
        folder = self.ready.project
        return find_reuse(past or self.past, self.movie, self.fetched, names, self.ready, folder)

    def without(self, name: str) -> EarlierResults:
        intact: dict[str, OutputFile] = {n: o for n, o in self.past.intact.items() if n != name}
        return replace(self.past, intact=intact)


@pytest.fixture
def case(made: AnalyzedMovie, fetched: FetchedInput, tmp_path: Path) -> Case:
    return Case(made, fetched, tmp_path)


def reused(reuse: Reuse) -> set[str]:
    return {name for name in STAGES if getattr(reuse, name) is not None}


def test_the_same_request_makes_nothing(case: Case) -> None:
    assert reused(case.reuse()) == STAGES
    assert case.reuse().outputs == case.made.outputs


def test_poses_from_the_network_are_not_needed_where_the_filtered_ones_are_there(
    case: Case,
) -> None:
    past = replace(case.past, estimate=None)
    assert reused(case.reuse(past)) == STAGES
    assert "found" not in reused(case.reuse(past, window_length=9))
    raw_is_gone = replace(case.without(RAW), estimate=None)
    assert "found" not in reused(case.reuse(raw_is_gone))


def test_without_a_filter_the_delivered_poses_are_those_of_the_network(case: Case) -> None:
    """They are in the archive, so that they can be exported again under other names."""
    made = replace(case.made, poses=case.made.poses.with_name(RAW_POSES_FILE))
    assert case.past.results
    past = replace(case.without(FILTERED), results=replace(case.past.results, analyzed=made))
    assert reused(case.reuse(replace(past, estimate=None))) == STAGES - {"exports"}


def test_results_under_older_names_are_found_and_exported_again(case: Case) -> None:
    old = {name: example_output(f"s3://lab/out/m/{name}") for name in OLDER_NAMES}
    assert case.past.results
    made = replace(case.made, outputs=old, exports=MovieExports())
    keys = replace(case.past.results.keys, exports="")
    reuse = case.reuse(replace(case.past, results=KeptResults(keys, made), intact=old))
    assert reused(reuse) == STAGES - {"exports"}
    assert reuse.outputs is None
    assert reuse.intact == old  # what has another name now is removed once that is published


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dot_size": 7}, STAGES - {"labeled"}),
        ({"crop_coordinates": "frame"}, STAGES - {"exports"}),
        ({"p_cutoff": 0.1}, {"found", "poses", "exports"}),
        ({"window_length": 9}, {"found"}),
        ({"crop": {"left": 0, "top": 0, "width": 9, "height": 9}}, set()),
        ({"annotations_format": "csv"}, STAGES),
    ],
)
def test_other_settings_make_what_they_touch(
    case: Case, settings: dict[str, Any], expected: set[str]
) -> None:
    reuse = case.reuse(**settings)
    assert reused(reuse) == expected
    assert (reuse.outputs is not None) == (expected == STAGES)
    assert (reuse.checked is not None) == ("found" in expected)


def test_a_labeled_movie_that_has_vanished_is_drawn_again(case: Case) -> None:
    reuse = case.reuse(case.without(LABELED_MOVIE_FILE))
    assert reused(reuse) == STAGES - {"labeled"}
    assert reuse.outputs is None


def test_another_file_that_has_vanished_is_only_published_again(case: Case) -> None:
    reuse = case.reuse(case.without("trajectory.png"))
    assert reused(reuse) == STAGES
    assert reuse.outputs is None
    assert "trajectory.png" not in reuse.intact


def test_a_movie_of_other_content_is_new(case: Case) -> None:
    other = case.fetched.input.model_copy(update={"sha256": "f" * 64})
    case.fetched = replace(case.fetched, input=other)
    assert reused(case.reuse()) == set()


def test_poses_alone_are_enough_to_go_on(case: Case) -> None:
    reuse = case.reuse(EarlierResults(None, case.past.estimate))
    assert reused(reuse) == {"found"}
    assert reuse.checked is not None
    assert reuse.checked.path == case.fetched.path


def test_files_of_another_request_s_poses_are_left_in_their_archive(
    case: Case, tmp_path: Path
) -> None:
    """Its run ended after its poses were kept and before its results were published."""
    folder = tmp_path / "made"
    (folder / RAW_POSES_FILE).write_bytes(b"raw poses of the other request")
    assert case.past.estimate
    assert case.past.results
    other = replace(case.past.estimate, key="other")
    write_archive(
        other,
        kept_archives.ESTIMATE_ADAPTER,
        [folder / RAW_POSES_FILE],
        folder / kept_archives.ESTIMATE_ARCHIVE,
    )
    (folder / RAW_POSES_FILE).unlink()
    write_archive(
        case.past.results,
        kept_archives.RESULTS_ADAPTER,
        result_files(case.made),
        folder / kept_archives.RESULTS_ARCHIVE,
    )
    past = replace(case.past, estimate=other)
    names = HiddenListing(case.request(dot_size=11), None)
    reuse = reuse_results(past, case.movie, case.fetched, names, case.ready, folder)
    assert reuse.found == case.made.found
    assert not (folder / RAW_POSES_FILE).exists()
    assert not (folder / kept_archives.RESULTS_ARCHIVE).exists()
    assert case.made.poses.exists()


def test_patience_needs_no_file(case: Case) -> None:
    checked = case.reuse().checked
    assert checked is not None
    unknown = replace(checked.info, declared_frames=None)
    assert replace(checked, info=unknown).patience.frames == 2_500
    assert not checked.path.exists()


def test_nothing_kept_is_nothing_reused(case: Case) -> None:
    assert reused(case.reuse(EarlierResults())) == set()


class TestNames:
    """What a listing tells, so that nothing is looked for that is not there."""

    @pytest.fixture
    def request_here(self, case: Case, tmp_path: Path) -> ResolvedRequest:
        two = [replace(case.movie, number=n, name=f"m{n}") for n in (1, 2)]
        output = Location("", f"{tmp_path}/out/")
        return replace(case.request(), movies=tuple(two), output=output)

    @staticmethod
    def put(request: ResolvedRequest, *names: str) -> None:
        path = request.output.child(".dlcflow", *names).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def test_tell_what_there_is(self, request_here: ResolvedRequest) -> None:
        self.put(request_here, "movies", "m1", ESTIMATE_ARCHIVE)
        self.put(request_here, "checkpoints", "m2", "0123", "a.npz")
        names = list_hidden_objects(request_here)
        hidden = request_here.output.child(".dlcflow")
        assert names.can_contain(hidden.child("movies", "m1", ESTIMATE_ARCHIVE))
        assert names.can_contain(hidden.child("checkpoints", "m2/"))
        assert not names.can_contain(hidden.child("movies", "m1", RESULTS_ARCHIVE))
        assert not names.can_contain(hidden.child("movies", "m2", ESTIMATE_ARCHIVE))
        assert not names.can_contain(hidden.child("checkpoints", "m1/"))

    @pytest.mark.parametrize("count", [1, 2])
    def test_tell_whether_all_poses_are_kept(
        self, request_here: ResolvedRequest, count: int
    ) -> None:
        few = replace(request_here, movies=request_here.movies[:count])
        for movie in few.movies:
            assert not list_hidden_objects(few).has_all_poses
            self.put(few, "movies", movie.name, ESTIMATE_ARCHIVE)
        assert list_hidden_objects(few).has_all_poses

    def test_of_a_store_that_does_not_tell_may_be_anything(
        self, request_here: ResolvedRequest
    ) -> None:
        away = Mock(spec=LocationStore)
        away.list.side_effect = StoreUnavailable("away")
        names = list_hidden_objects(replace(request_here, store=away))
        assert names.can_contain(
            request_here.output.child(".dlcflow", "movies", "m1", ESTIMATE_ARCHIVE)
        )
        assert names.can_contain(request_here.output.child(".dlcflow", "checkpoints", "m1/"))
        assert not names.has_all_poses

    def test_spare_the_store_what_it_has_not(
        self, case: Case, request_here: ResolvedRequest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        monkeypatch.setattr(
            kept_archives, "download_if_present", lambda _, source, __: asked.append(source.name)
        )
        movie, folder = request_here.movies[0], Path("/scratch")
        nothing = HiddenListing(request_here, frozenset())
        assert (
            read_archive(kept_archives.ESTIMATE_ADAPTER, nothing, movie, folder / ESTIMATE_ARCHIVE)
            is None
        )
        assert asked == []
        read_archive(
            kept_archives.RESULTS_ADAPTER,
            HiddenListing(request_here, None),
            movie,
            folder / RESULTS_ARCHIVE,
        )
        assert asked == [RESULTS_ARCHIVE]
        assert case.reuse(names=nothing).checkpoints.is_empty
        assert not case.reuse().checkpoints.is_empty
