"""What is due in an inbox: from listings, without a store or a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.inbox.batches import InboxContents, MovieGroup, find_groups
from tasks.inbox.fingerprints import RecordSummary
from tasks.inbox.inbox_batch import Standing, summarize_batches
from tasks.inbox.request_file import (
    FolderRequest,
    effective_request,
    find_request_files,
    folder_and_ancestors,
    parent_folder,
    parse_request,
)
from tasks.inbox.standing import InboxRun, LookContext, apply_known_run, assess_standing
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
INBOX = Location.parse("s3://lab/inbox/")
MODEL = "s3://lab/models/m.zip"
ASKED = FolderRequest(model=MODEL, output="s3://lab/results/")
TOGETHER = ASKED.model_copy(update={"batch": "folder"})


def info(text: str, minute: float = 0, size: int = 5, etag: str = "e") -> ObjectInfo:
    modified = NOON + timedelta(minutes=minute)
    return ObjectInfo(Location.parse(text), size, etag, None, modified, None)


def contents(*objects: ObjectInfo, **changes: object) -> InboxContents:
    values: dict[str, object] = {
        "inbox": INBOX,
        "objects": objects,
        "files": {},
        "requests": {"": ASKED},
        "refused": {},
        "models": {MODEL: info(MODEL)},
    }
    return InboxContents(**(values | changes))  # type: ignore[arg-type]


def found(*objects: ObjectInfo, **changes: object) -> list[MovieGroup]:
    return find_groups(contents(*objects, **changes))


def only(*objects: ObjectInfo, **changes: object) -> MovieGroup:
    (batch,) = found(*objects, **changes)
    return batch


def with_request(minute: float = 0, folder: str = "inbox/day1/", etag: str = "r") -> dict[str, Any]:
    """A folder's own `request.yaml` that leaves all as it is."""
    file = info(f"s3://lab/{folder}request.yaml", minute, etag=etag)
    return {"files": {folder: file}, "requests": {"": ASKED, folder: FolderRequest()}}


def judge(batch: MovieGroup, **changes: Any) -> Standing:
    values: dict[str, Any] = {"results": {}, "seen": {}, "now": 1000.0, "quiet": 60.0}
    return assess_standing(batch, LookContext(**(values | changes))).standing


def result(
    batch: MovieGroup, minute: float = 1, problem: str = "", **changes: Any
) -> dict[str, RecordSummary]:
    """A run record of what a batch is now."""
    made = RecordSummary(batch.seen, batch.source, problem, NOON + timedelta(minutes=minute))
    return {batch.record_location: replace(made, **changes)}


M1 = info("s3://lab/inbox/day1/m1.mp4")


class TestBatches:
    def test_results_go_below_the_output_in_the_same_folders(self) -> None:
        batch = only(M1)
        assert batch.output == "s3://lab/results/day1/m1/"
        assert (batch.name, batch.model, batch.settings) == ("day1/m1", MODEL, {})
        assert batch.shelf == "s3://lab/results/day1/"

    def test_a_folder_may_be_one(self) -> None:
        m2, m10 = (info(f"s3://lab/inbox/day1/m{n}.mp4") for n in (2, 10))
        batch = only(m10, M1, m2, requests={"": TOGETHER})
        assert batch.output == "s3://lab/results/day1/"
        assert [movie.location.stem for movie in batch.movies] == ["m1", "m2", "m10"]
        assert batch.together

    def test_the_inbox_itself_may_be_one(self) -> None:
        batch = only(info("s3://lab/inbox/m1.mp4"), requests={"": TOGETHER})
        assert batch.output == batch.shelf == "s3://lab/results/"
        assert batch.name == "inbox"

    def test_other_files_and_hidden_ones_are_no_movies(self) -> None:
        names = ("notes.txt", "._m1.mp4", "request.yaml", "m2.MP4")
        objects = [info(f"s3://lab/inbox/{name}") for name in names]
        assert [batch.name for batch in found(*objects)] == ["m2"]

    @pytest.mark.parametrize("name", ["a b", "mäuse", "100%41", "a+b", "[x]", "a{{b}}", "m1.x"])
    def test_odd_names_stay_as_they_are(self, name: str) -> None:
        batch = only(info(f"s3://lab/inbox/{name}/{name}.mp4"))
        assert batch.output == f"s3://lab/results/{name}/{name}/"
        assert str(batch.movies[0].location) == f"s3://lab/inbox/{name}/{name}.mp4"

    @pytest.mark.parametrize("key", ["/m1.mp4", "a//m1.mp4", "../m1.mp4", "./m1.mp4"])
    def test_names_that_lead_elsewhere_are_refused(self, key: str) -> None:
        batch = only(ObjectInfo(Location("lab", f"inbox/{key}"), 5, "e", None, NOON, None))
        assert batch.standing is Standing.REFUSED
        assert "Rename it" in batch.reason

    def test_a_line_break_in_a_name_is_refused(self) -> None:
        batch = only(ObjectInfo(Location("lab", "inbox/a\nb.mp4"), 5, "e", None, NOON, None))
        assert batch.standing is Standing.REFUSED

    def test_an_empty_movie_is_refused(self) -> None:
        batch = only(info("s3://lab/inbox/m1.mp4", size=0))
        assert batch.standing is Standing.REFUSED
        assert "0 bytes" in batch.reason

    def test_of_movies_that_share_a_stem_the_first_keeps_it(self) -> None:
        later = info("s3://lab/inbox/day1/M1.avi", minute=1)
        assert sorted(b.name for b in found(later, M1)) == ["day1/M1.avi", "day1/m1"]
        earlier = info("s3://lab/inbox/day1/M1.avi", minute=-1)
        assert sorted(b.name for b in found(earlier, M1)) == ["day1/M1", "day1/m1.mp4"]

    def test_a_folder_of_two_formats_is_two_batches(self) -> None:
        both = found(M1, info("s3://lab/inbox/day1/m2.AVI"), requests={"": TOGETHER})
        assert sorted(batch.name for batch in both) == ["day1/avi", "day1/mp4"]

    def test_two_that_would_write_to_one_place_are_refused(self) -> None:
        requests = {"": ASKED, "inbox/day1/": FolderRequest(batch="folder")}
        both = found(M1, info("s3://lab/inbox/day1.mp4"), requests=requests)
        assert {batch.standing for batch in both} == {Standing.REFUSED}
        assert "s3://lab/results/day1/" in both[0].reason

    def test_results_in_a_folder_of_the_inbox_are_no_movies(self) -> None:
        requests = {"": ASKED.model_copy(update={"output": "s3://lab/inbox/results"})}
        labeled = info("s3://lab/inbox/results/m1/labeled.mp4")
        assert [b.name for b in found(M1, labeled, requests=requests)] == ["day1/m1"]

    @pytest.mark.parametrize(
        "output", ["s3://lab/inbox/", "s3://lab/inbox", "s3://lab/inbox/day1/"]
    )
    def test_results_among_the_movies_are_refused(self, output: str) -> None:
        requests = {"": ASKED, "inbox/day1/": FolderRequest(output=output)}
        batch = only(M1, requests=requests)
        assert batch.standing is Standing.REFUSED
        assert "would be among the inbox's movies" in batch.reason

    @pytest.mark.parametrize("missing", ["model", "output"])
    def test_a_folder_without_a_whole_request_is_refused(self, missing: str) -> None:
        batch = only(M1, requests={"": ASKED.model_copy(update={missing: None})})
        assert batch.standing is Standing.REFUSED
        assert f"no {missing} is set" in batch.reason
        assert "request.yaml" in batch.reason

    def test_a_folder_whose_request_or_model_is_unusable_is_refused(self) -> None:
        assert only(M1, refused={"inbox/": "no YAML"}).reason == "no YAML"
        assert only(M1, models={MODEL: "it is absent"}).reason == "it is absent"

    def test_a_refused_request_stops_its_folder_and_those_below_only(self) -> None:
        movies = (info("s3://lab/inbox/a/x/m.mp4"), info("s3://lab/inbox/b/m.mp4"))
        both = found(*movies, refused={"inbox/a/": "not YAML"})
        assert [(b.name, b.standing) for b in both] == [
            ("a/x/m", Standing.REFUSED),
            ("b/m", Standing.DUE),
        ]

    def test_they_come_in_natural_order(self) -> None:
        names = ("day2/m10.mp4", "day2/m2.avi", "day10/m1.isxb", "m.MP4")
        several = found(*(info(f"s3://lab/inbox/{name}") for name in names))
        assert [batch.name for batch in several] == ["day2/m2", "day2/m10", "day10/m1", "m"]

    def test_the_key_changes_with_all_that_the_result_depends_on(self) -> None:
        keys = {
            only(M1).run_key,
            only(M1, models={MODEL: info(MODEL, etag="new")}).run_key,
            only(M1, requests={"": ASKED.model_copy(update={"settings": {"dot_size": 3}})}).run_key,
            only(M1, requests={"": ASKED.model_copy(update={"output": "s3://x12/y"})}).run_key,
            only(info("s3://lab/inbox/day1/m1.mp4", etag="new")).run_key,
            only(M1, **with_request(0)).run_key,
            only(M1, **with_request(1)).run_key,
            only(M1, requests={"": TOGETHER}).run_key,
            only(M1, info("s3://lab/inbox/day1/m2.mp4"), requests={"": TOGETHER}).run_key,
        }
        assert len(keys) == 9

    def test_the_key_stays_where_nothing_of_that_changes(self) -> None:
        default = ASKED.model_copy(update={"settings": {"dot_size": 5}, "queue": "bulk"})
        assert only(M1).run_key == only(M1, requests={"": default}).run_key
        assert only(M1).run_key == only(info("s3://lab/inbox/day1/m1.mp4", minute=3)).run_key

    def test_ten_thousand_movies_are_no_burden(self) -> None:
        movies = [info(f"s3://lab/inbox/{i // 100}/m{i}.mp4") for i in range(10_000)]
        assert len(found(*movies)) == 10_000


class TestJudgment:
    def test_a_new_movie_waits_until_it_has_been_quiet(self) -> None:
        batch = only(M1)
        assert judge(batch) is Standing.WAITING
        assert judge(batch, seen={batch.seen: 941.0}) is Standing.WAITING
        assert judge(batch, seen={batch.seen: 940.0}) is Standing.DUE

    @pytest.mark.parametrize("change", [{"size": 6}, {"etag": "f"}])
    def test_a_movie_that_still_changes_goes_on_waiting(self, change: dict[str, Any]) -> None:
        grown = only(info("s3://lab/inbox/day1/m1.mp4", **change))
        assert judge(grown, seen={only(M1).seen: 0.0}) is Standing.WAITING

    def test_a_movie_need_not_wait_again_for_a_model_or_a_request(self) -> None:
        batch = only(M1, **with_request())
        assert judge(batch, seen={only(M1, models={MODEL: "absent"}).seen: 0.0}) is Standing.DUE

    def test_a_request_written_last_ends_the_waiting(self) -> None:
        assert judge(only(M1, **with_request(1))) is Standing.DUE
        late = info("s3://lab/inbox/day1/m1.mp4", minute=2)
        assert judge(only(late, **with_request(1))) is Standing.WAITING

    def test_in_the_same_second_nobody_knows_which_was_last(self) -> None:
        assert judge(only(M1, **with_request(0))) is Standing.WAITING

    def test_a_request_of_a_folder_above_does_not_end_it(self) -> None:
        assert judge(only(M1, **with_request(1, "inbox/"))) is Standing.WAITING

    def test_a_movie_that_has_arrived_is_due_but_not_its_folder(self) -> None:
        arrived = frozenset({M1.location})
        assert judge(only(M1), arrived=arrived) is Standing.DUE
        assert judge(only(M1, requests={"": TOGETHER}), arrived=arrived) is Standing.WAITING

    def test_a_movie_waits_for_its_times_file_where_its_request_says_so(self) -> None:
        waiting = {"requests": {"": ASKED.model_copy(update={"wait_for_times": True})}}
        quiet, arrived = {"seen": {only(M1).seen: 0.0}}, {"arrived": frozenset({M1.location})}
        batch = only(M1, **waiting)
        standing = assess_standing(batch, LookContext({}, quiet["seen"], 1000.0, 60.0))
        assert standing.standing is Standing.WAITING
        assert standing.reason.endswith("its times file, such as m1.mp4_timestamps.json")
        assert judge(batch, **arrived) is Standing.WAITING
        assert judge(only(M1), **quiet) is Standing.DUE
        times = info("s3://lab/inbox/day1/m1_times.csv")
        batch = only(M1, times, info("s3://lab/inbox/day1/m10_times.csv"), **waiting)
        assert batch.times == (times,)
        assert judge(batch, seen={batch.seen: 0.0}) is Standing.DUE
        assert judge(batch, arrived=frozenset({times.location})) is Standing.DUE
        never = ASKED.model_copy(
            update={"wait_for_times": True, "settings": {"times": {"file": "none"}}}
        )
        assert "times.file is none" in only(M1, requests={"": never}).reason

    def test_a_times_file_that_comes_or_changes_makes_a_result_old(self) -> None:
        names = "s3://lab/inbox/day1/m1.mp4", "s3://lab/inbox/day1/m1_times.csv"
        with_times = only(M1, info(names[1]))
        assert judge(with_times, results=result(with_times)) is Standing.CURRENT
        for other in (only(M1), only(M1, info(names[1], etag="new"))):
            assert judge(other, results=result(with_times)) is not Standing.CURRENT

    @pytest.mark.parametrize("minute", [-5, 5])
    def test_a_result_of_the_same_is_current_whatever_the_clocks_say(self, minute: int) -> None:
        batch = only(M1)
        assert judge(batch, results=result(batch, minute)) is Standing.CURRENT

    @pytest.mark.parametrize("change", [{"etag": "new"}, {"size": 6}])
    def test_a_result_of_another_movie_is_not(self, change: dict[str, Any]) -> None:
        batch = only(info("s3://lab/inbox/day1/m1.mp4", **change))
        assert judge(batch, results=result(only(M1), 99)) is Standing.WAITING

    def test_a_result_made_otherwise_is_not_and_its_movies_need_not_wait(self) -> None:
        changed = ASKED.model_copy(update={"settings": {"dot_size": 3}})
        results = result(only(M1), 99)
        assert judge(only(M1, requests={"": changed}), results=results) is Standing.DUE
        other = {MODEL: info(MODEL, etag="new")}
        assert judge(only(M1, models=other), results=results) is Standing.DUE

    def test_a_request_written_after_the_result_asks_for_it_again(self) -> None:
        batch = only(M1, **with_request(5, "inbox/"))
        assert judge(batch, results=result(batch, 4)) is Standing.DUE
        assert judge(batch, results=result(batch, 5)) is Standing.CURRENT

    def test_only_the_nearest_request_does_that(self) -> None:
        near, far = with_request(0), with_request(9, "inbox/")
        files = {**near["files"], **far["files"]}
        batch = only(M1, files=files, requests=near["requests"] | far["requests"])
        assert judge(batch, results=result(batch, 4)) is Standing.CURRENT

    def test_a_result_that_is_not_complete_is_told_until_it_is_asked_for_again(self) -> None:
        batch = only(M1, **with_request(5))
        failed = result(batch, 6, problem="1 of 1 movies failed")
        assert judge(batch, results=failed) is Standing.FAILED
        again = only(M1, **with_request(7))
        assert judge(again, results=failed) is Standing.DUE
        assert again.run_key != batch.run_key

    def test_what_is_no_run_record_is_not_written_over(self) -> None:
        batch = only(M1)
        strange = result(batch, source="", problem="it is no run record")
        assert judge(batch, results=strange, seen={batch.seen: 0.0}) is Standing.REFUSED


class TestRecall:
    def due(self) -> MovieGroup:
        batch = only(M1)
        return assess_standing(batch, LookContext({}, {batch.seen: 0.0}, 1000.0, 60.0))

    @pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING", "PAUSED"])
    def test_what_is_under_way_is_not_started_again(self, state: str) -> None:
        batch = apply_known_run(self.due(), InboxRun("7", state, ""), {})
        assert (batch.standing, batch.run) == (Standing.STARTED, "7")

    def test_what_crashed_is_waited_for_while_it_is_started_again_by_itself(self) -> None:
        run = InboxRun("7", "CRASHED", "no heartbeat", comes_back=True)
        batch = apply_known_run(self.due(), run, {})
        assert (batch.standing, batch.run) == (Standing.STARTED, "7")
        assert batch.reason == "its run has crashed and will be restarted automatically"
        replaced = apply_known_run(self.due(), None, {self.due().output: run})
        assert (replaced.standing, replaced.run) == (Standing.WAITING, "7")

    @pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"])
    def test_what_has_ended_without_a_result_is_not_either(self, state: str) -> None:
        batch = apply_known_run(self.due(), InboxRun("7", state, "no room."), {})
        assert (batch.standing, batch.run) == (Standing.FAILED, "7")
        assert "; to try again, write its request.yaml again" in batch.reason
        assert ".;" not in batch.reason

    def test_two_runs_never_write_to_one_place(self) -> None:
        batch = apply_known_run(self.due(), None, {self.due().output: InboxRun("6", "RUNNING", "")})
        assert (batch.standing, batch.run) == (Standing.WAITING, "6")

    def test_nothing_else_stands_in_the_way(self) -> None:
        other = {"s3://lab/results/day1/m2/": InboxRun("6", "RUNNING", "")}
        assert apply_known_run(self.due(), None, other) == self.due()

    def test_what_is_current_stays_so(self) -> None:
        batch = only(M1).with_standing(Standing.CURRENT, "it is")
        assert apply_known_run(batch, InboxRun("7", "RUNNING", ""), {}) == batch


def test_a_sentence_says_how_many_stand_where() -> None:
    batch = only(M1)
    waiting = batch.with_standing(Standing.WAITING, "")
    assert summarize_batches([waiting, batch, waiting]) == "1 due, 2 waiting"
    assert summarize_batches([]) == "no movies"


class TestRequests:
    def test_are_found_by_folder(self) -> None:
        texts = ("s3://lab/inbox/a/b/request.yaml", "s3://lab/inbox/request.yaml")
        assert set(find_request_files(map(info, texts))) == {"inbox/", "inbox/a/b/"}
        assert parent_folder(Location.parse("s3://lab/m.mp4")) == ""

    def test_are_inherited_piece_by_piece(self) -> None:
        requests = {
            "": FolderRequest(model="m", output="o", settings={"dot_size": 3, "p_cutoff": 0.5}),
            "in/a/": FolderRequest(batch="folder", settings={"dot_size": 9}),
            "in/ab/": FolderRequest(model="other"),
        }
        held = effective_request(requests, "in/a/b/")
        assert (held.model, held.output, held.batch) == ("m", "o", "folder")
        assert held.settings == {"dot_size": 9, "p_cutoff": 0.5}
        assert effective_request(requests, "in/abc/").model == "m"

    def test_may_name_neighbors(self) -> None:
        where = Location.parse("s3://lab/inbox/day1/request.yaml")
        request = parse_request(b"model: ../m.zip\noutput: results/\n", where)
        assert request.model == "s3://lab/inbox/m.zip"
        assert request.output == "s3://lab/inbox/day1/results/"
        local = parse_request(b"model: m.zip\noutput: /out\n", Location("", "/in/request.yaml"))
        assert (local.model, local.output) == ("/in/m.zip", "/out")

    def test_may_be_empty_or_leave_things_open(self) -> None:
        where = Location.parse("s3://lab/inbox/request.yaml")
        assert parse_request(b" \n", where) == FolderRequest()
        assert parse_request(b"model:\nsettings:\n", where) == FolderRequest()
        assert parse_request(b"queue: urgent", where).queue == "urgent"

    def test_may_go_on_to_behavior(self) -> None:
        where = Location.parse("s3://lab/inbox/day1/request.yaml")
        assert parse_request(b"behavior: true", where).behavior_settings == {}
        assert parse_request(b"behavior: false", where).behavior_settings is None
        request = parse_request(
            b"behavior: {zones: zones.csv, min_stay: 1}\nbehavior_output: ../../b/\n", where
        )
        assert request.behavior == {"zones": "s3://lab/inbox/day1/zones.csv", "min_stay": 1}
        assert request.behavior_output == "s3://lab/b/"

    @pytest.mark.parametrize(
        ("above", "below", "expected"),
        [
            (
                {"min_rest": 1, "max_gap": 1},
                {"min_rest": 2},
                {"min_rest": 2, "max_gap": 1},
            ),
            ({"min_rest": 1}, True, {"min_rest": 1}),
            ({"min_rest": 1}, None, {"min_rest": 1}),
            ({"min_rest": 1}, False, None),
            (False, {"min_rest": 1}, {"min_rest": 1}),
            (True, None, {}),
            (None, None, None),
        ],
    )
    def test_inherit_settings_of_behavior(self, above: Any, below: Any, expected: Any) -> None:
        requests = {"": FolderRequest(behavior=above), "in/": FolderRequest(behavior=below)}
        assert effective_request(requests, "in/").behavior_settings == expected

    def test_hold_in_all_folders_below(self) -> None:
        assert folder_and_ancestors("a/b/") == ["", "a/", "a/b/"]
        assert folder_and_ancestors("/a/b/") == ["", "/", "/a/", "/a/b/"]
        assert folder_and_ancestors("") == [""]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("modell: x", "modell"),
            ("batch: week", "batch"),
            ("modell:", "modell is not a known setting; a request has model, output, batch, queue"),
            ("queue: service", "queue"),
            ("model: http://x", "scheme"),
            ("output: s3:/x", "two slashes"),
            ("settings: {dot_size: 0}", "settings.dot_size"),
            ("settings: {dots: 1}", "settings.dots"),
            ("behavior: {min_rest: -1}", "behavior.min_rest"),
            ("behavior: {dots: 1}", "behavior.dots is not a known setting"),
            ("behavior: yes please", "behavior"),
            ("behavior: {labeled_movie: true, movies: [a.mp4]}", "takes the movies of each result"),
            ("behavior_output: http://x", "scheme"),
            ("- a", "mapping"),
            ("a: !!python/name:os.system", "plain YAML"),
        ],
    )
    def test_that_cannot_be_followed_are_refused(self, text: str, told: str) -> None:
        with pytest.raises(BadInput, match=told) as caught:
            parse_request(text.encode(), Location.parse("s3://lab/inbox/request.yaml"))
        assert "s3://lab/inbox/request.yaml" in str(caught.value)
