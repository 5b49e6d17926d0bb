"""What is due in an inbox: from listings, without a store or a server."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.inbox_plan import (
    Batch,
    Contents,
    FolderRequest,
    Standing,
    effective,
    folder_of,
    plan,
    read_request,
    request_files,
)
from tasks.pose.errors import BadInput
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
INBOX = Location.parse("s3://lab/inbox/")
MODEL = "s3://lab/models/m.zip"
ASKED = FolderRequest(model=MODEL, output="s3://lab/results/")


def info(text: str, minute: int = 0, size: int = 5, etag: str = "e") -> ObjectInfo:
    modified = NOON + timedelta(minutes=minute)
    return ObjectInfo(Location.parse(text), size, etag, None, modified, None)


def contents(*objects: ObjectInfo, **changes: object) -> Contents:
    values: dict[str, object] = {
        "inbox": INBOX,
        "objects": objects,
        "requests": {"": ASKED},
        "refused": {},
        "written": {},
        "models": {MODEL: info(MODEL)},
        "records": {},
        "seen": frozenset(),
        "started": {},
    }
    return Contents(**(values | changes))  # type: ignore[arg-type]


def only(*objects: ObjectInfo, **changes: object) -> Batch:
    (batch,) = plan(contents(*objects, **changes))
    return batch


M1 = info("s3://lab/inbox/day1/m1.mp4")


class TestPlan:
    def test_a_new_movie_waits_for_the_next_look(self) -> None:
        first = only(M1)
        assert first.standing is Standing.WAITING
        assert only(M1, seen={first.key}).standing is Standing.DUE

    @pytest.mark.parametrize("change", [{"size": 6}, {"etag": "f"}])
    def test_a_movie_that_still_changes_goes_on_waiting(self, change: dict[str, object]) -> None:
        first = only(M1)
        grown = info("s3://lab/inbox/day1/m1.mp4", **change)  # type: ignore[arg-type]
        assert only(grown, seen={first.key}).standing is Standing.WAITING

    def test_a_request_written_last_ends_the_waiting(self) -> None:
        requests = {"": ASKED, "inbox/day1/": FolderRequest()}
        written = {"inbox/day1/": NOON + timedelta(minutes=1)}
        assert only(M1, requests=requests, written=written).standing is Standing.DUE
        late = info("s3://lab/inbox/day1/m1.mp4", minute=2)
        assert only(late, requests=requests, written=written).standing is Standing.WAITING

    def test_a_request_of_a_folder_above_does_not_end_it(self) -> None:
        written = {"inbox/": NOON + timedelta(minutes=1)}
        assert only(M1, written=written).standing is Standing.WAITING

    def test_a_result_newer_than_all_that_it_is_made_from_is_current(self) -> None:
        record = "s3://lab/results/day1/m1/run.json"
        assert only(M1, records={record: NOON}).standing is Standing.CURRENT

    @pytest.mark.parametrize("what", ["movie", "model", "request"])
    def test_a_result_older_than_anything_that_it_is_made_from_is_not(self, what: str) -> None:
        records = {"s3://lab/results/day1/m1/run.json": NOON}
        later = {"movie": 0, "model": 0, "request": 0, what: 5}
        batch = only(
            info("s3://lab/inbox/day1/m1.mp4", later["movie"]),
            records=records,
            models={MODEL: info(MODEL, later["model"])},
            written={"inbox/": NOON + timedelta(minutes=later["request"])},
        )
        assert batch.standing is not Standing.CURRENT

    def test_what_was_started_is_not_started_again(self) -> None:
        key = only(M1).key
        batch = only(M1, seen={key}, started={key: "run-7"})
        assert batch.standing is Standing.STARTED
        assert "run-7" in batch.reason

    @pytest.mark.parametrize("missing", ["model", "output"])
    def test_a_folder_without_a_whole_request_is_refused(self, missing: str) -> None:
        batch = only(M1, requests={"": ASKED.model_copy(update={missing: None})})
        assert batch.standing is Standing.REFUSED
        assert f"no {missing} is given" in batch.reason
        assert "request.yaml" in batch.reason

    def test_an_absent_model_is_told(self) -> None:
        assert f"there is no model at {MODEL}" in only(M1, models={}).reason

    def test_a_refused_request_stops_its_folder_and_those_below_only(self) -> None:
        batches = plan(
            contents(
                info("s3://lab/inbox/a/x/m.mp4"),
                info("s3://lab/inbox/b/m.mp4"),
                refused={"inbox/a/": "not YAML"},
            )
        )
        assert [(b.name, b.standing) for b in batches] == [
            ("a/x/m", Standing.REFUSED),
            ("b/m", Standing.WAITING),
        ]

    def test_names_and_outputs_follow_the_folders_in_natural_order(self) -> None:
        names = ("day2/m10.mp4", "day2/m2.avi", "day10/m1.isxb", "m.MP4", "day2/notes.txt")
        hidden = "day2/._m2.avi"
        batches = plan(contents(*(info(f"s3://lab/inbox/{name}") for name in (*names, hidden))))
        assert [batch.name for batch in batches] == ["day2/m2", "day2/m10", "day10/m1", "m"]
        assert batches[0].output == "s3://lab/results/day2/m2/"

    def test_a_folder_can_be_one_batch(self) -> None:
        folder = ASKED.model_copy(update={"batch": "folder"})
        one = only(M1, info("s3://lab/inbox/day1/m2.mp4"), requests={"": folder})
        assert one.name == "day1"
        assert one.output == "s3://lab/results/day1/"
        assert [m.location.name for m in one.movies] == ["m1.mp4", "m2.mp4"]
        more = only(
            M1,
            info("s3://lab/inbox/day1/m2.mp4"),
            info("s3://lab/inbox/day1/m3.mp4"),
            requests={"": folder},
            seen={one.key},
        )
        assert more.standing is Standing.WAITING

    def test_movies_of_one_stem_have_places_of_their_own(self) -> None:
        batches = plan(contents(M1, info("s3://lab/inbox/day1/M1.avi")))
        assert sorted(batch.name for batch in batches) == ["day1/M1.avi", "day1/m1.mp4"]

    def test_a_folder_of_two_formats_is_two_batches(self) -> None:
        folder = ASKED.model_copy(update={"batch": "folder"})
        both = plan(contents(M1, info("s3://lab/inbox/day1/m2.AVI"), requests={"": folder}))
        assert sorted(batch.name for batch in both) == ["day1/avi", "day1/mp4"]

    def test_results_inside_the_inbox_are_no_movies(self) -> None:
        requests = {"": ASKED.model_copy(update={"output": "s3://lab/inbox/results"})}
        batches = plan(
            contents(M1, info("s3://lab/inbox/results/m1/labeled.mp4"), requests=requests)
        )
        assert [batch.name for batch in batches] == ["day1/m1"]

    def test_the_key_changes_with_all_that_the_result_depends_on(self) -> None:
        keys = {
            only(M1).key,
            only(M1, models={MODEL: info(MODEL, etag="new")}).key,
            only(M1, requests={"": ASKED.model_copy(update={"settings": {"dot_size": 3}})}).key,
            only(M1, requests={"": ASKED.model_copy(update={"output": "s3://x12/y"})}).key,
            only(info("s3://lab/inbox/day1/m1.mp4", etag="new")).key,
        }
        assert len(keys) == 5
        assert only(info("s3://lab/inbox/day1/m1.mp4", minute=3)).key in keys

    def test_ten_thousand_movies_are_no_burden(self) -> None:
        movies = [info(f"s3://lab/inbox/{i // 100}/m{i}.mp4") for i in range(10_000)]
        assert len(plan(contents(*movies))) == 10_000


class TestRequests:
    def test_are_found_by_folder_from_the_outermost(self) -> None:
        texts = ("s3://lab/inbox/a/b/request.yaml", "s3://lab/inbox/request.yaml")
        assert list(request_files(map(info, texts))) == ["inbox/", "inbox/a/b/"]
        assert folder_of(Location.parse("s3://lab/m.mp4")) == ""

    def test_are_inherited_piece_by_piece(self) -> None:
        requests = {
            "": FolderRequest(model="m", output="o", settings={"dot_size": 3, "p_cutoff": 0.5}),
            "in/a/": FolderRequest(batch="folder", settings={"dot_size": 9}),
            "in/ab/": FolderRequest(model="other"),
        }
        held = effective(requests, "in/a/b/")
        assert (held.model, held.output, held.batch) == ("m", "o", "folder")
        assert held.settings == {"dot_size": 9, "p_cutoff": 0.5}
        assert effective(requests, "in/abc/").model == "m"

    def test_may_name_neighbours(self) -> None:
        where = Location.parse("s3://lab/inbox/day1/request.yaml")
        request = read_request(b"model: ../m.zip\noutput: results/\n", where)
        assert request.model == "s3://lab/inbox/m.zip"
        assert request.output == "s3://lab/inbox/day1/results/"
        local = read_request(b"model: m.zip\noutput: /out\n", Location("", "/in/request.yaml"))
        assert (local.model, local.output) == ("/in/m.zip", "/out")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("modell: x", "modell"),
            ("batch: week", "batch"),
            ("settings: {dot_size: 0}", "settings.dot_size"),
            ("settings: {dots: 1}", "settings.dots"),
            ("- a", "mapping"),
            ("a: !!python/name:os.system", "plain YAML"),
        ],
    )
    def test_that_cannot_be_followed_are_refused(self, text: str, told: str) -> None:
        with pytest.raises(BadInput, match=told) as caught:
            read_request(text.encode(), Location.parse("s3://lab/inbox/request.yaml"))
        assert "s3://lab/inbox/request.yaml" in str(caught.value)
