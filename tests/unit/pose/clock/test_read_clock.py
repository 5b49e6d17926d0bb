"""Times files of every kind give frames their times, or are refused with the reason."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.clock.experiment_clock import ExperimentClock, UnusedTimes
from tasks.pose.clock.read_clock import read_clock
from tasks.pose.clock.times_names import find_times_name, is_times_name
from tasks.pose.movies.timing import Timing, constant_timing
from tasks.pose.times_settings import AUTOMATIC_TIMES, TimesSettings

FRAMES = 6
PERIOD = 1 / 30
EPOCH = 1_729_693_852.25


def column(
    start: float, scale: float = 1.0, step: float = PERIOD, count: int = FRAMES
) -> list[Any]:
    return [round((start + index * step) * scale, 6) for index in range(count)]


def rows(*columns: list[Any], header: str = "", sign: str = ",") -> str:
    lines = [sign.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([header, *lines] if header else lines) + "\n"


def read(
    folder: Path, name: str, content: Any, timing: Timing | None = None, **settings: Any
) -> ExperimentClock | UnusedTimes:
    path = folder / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    timing = timing or constant_timing(FRAMES, Fraction(30))
    return read_clock(path, name, TimesSettings(**settings), timing, None)


def clock(*given: Any, **settings: Any) -> ExperimentClock:
    found = read(*given, **settings)
    assert isinstance(found, ExperimentClock), found
    return found


AFTER_MIDNIGHT = ("016667", "050000", "083333", "116667")
TICKS = [2_500_000 + index * 333_333 for index in range(FRAMES)]
NUMBERS = list(range(1, FRAMES + 1))
STATES = [1, 0] * FRAMES
PULSES = np.zeros(30_000 // 30 * (FRAMES + 1), np.int16)
for _pulse in range(FRAMES):
    PULSES[500 + _pulse * 1000 : 700 + _pulse * 1000] = 3000 + _pulse

MICROSECONDS = [tick // 10 - 250_000 for tick in TICKS]
WITH_COMMAS = [str(value).replace(".", ",") for value in column(5)]
TIMECODES = "# timecode format v2\n" + rows(column(5, 1e3))
ANALOG: dict[str, Any] = {"kind": "signal", "rate": 30_000}
KINDS: dict[str, tuple[str, Any, dict[str, Any], float]] = {
    "DeepLabCut-live-GUI 2": (
        "m.mp4_timestamps.json",
        json.dumps({"video_file": "m.mp4", "num_frames": FRAMES, "timestamps": column(EPOCH)}),
        {},
        EPOCH,
    ),
    "one column": ("t.txt", rows(column(5)), {}, 5),
    "milliseconds by the frame rate": ("t.txt", rows(column(5, 1e3)), {}, 5),
    "nanoseconds by the frame rate": ("t.csv", rows(column(5, 1e9)), {}, 5),
    "microseconds by the header": ("t.csv", rows(column(5, 1e6), header="Timestamp [us]"), {}, 5),
    "a unit that is set": ("t.csv", rows(column(5, 1e3), header="t"), {"unit": "ms"}, 5),
    "Miniscope": (
        "t.csv",
        rows(NUMBERS, column(5, 1e3), NUMBERS, header="Frame Number,Time Stamp (ms),Buffer Index"),
        {},
        5,
    ),
    "frame numbers without names": ("t.txt", rows(NUMBERS, column(5), sign=" "), {}, 5),
    "semicolons and decimal commas": (
        "t.csv",
        rows(NUMBERS, WITH_COMMAS, header="Bild;Zeit [s]", sign=";"),
        {},
        5,
    ),
    "Bonsai": (
        "t.csv",
        rows(
            [f"2024-10-23T16:30:52.{tick:07d}+02:00" for tick in TICKS],
            header="Timestamp",
        ),
        {},
        EPOCH,
    ),
    "time of day over midnight": (
        "t.csv",
        rows(["23:59:59.95", "23:59:59.983333", *[f"00:00:00.{v}" for v in AFTER_MIDNIGHT]]),
        {},
        86_399.95,
    ),
    "timecodes of a Raspberry Pi": ("t.txt", TIMECODES, {}, 5),
    "Harp, a TTL line": (
        "t.csv",
        rows(column(5, step=PERIOD / 2, count=2 * FRAMES), STATES, header="Seconds,Value"),
        {},
        5,
    ),
    "a column by its number": (
        "t.csv", rows(column(0), column(5), header="a,b"), {"column": "2"}, 5,
    ),
    "a column by its name": ("t.csv", rows(column(0), column(5), header="a,B"), {"column": "b"}, 5),
    "tabs, and a byte order mark": ("t.tsv", "\ufeff" + rows(NUMBERS, column(5), sign="\t"), {}, 5),
    "dates of Python's log, which have decimal commas": (
        "t.txt", rows([f"2024-10-23 14:30:52,{tick // 10:06d}" for tick in TICKS]), {}, EPOCH,
    ),
    "decimal commas alone": ("t.txt", rows([f"5,{tick:06d}" for tick in MICROSECONDS]), {}, 5),
    "dates with slashes": (
        "t.csv", rows([f"2024/10/23 14:30:52.{tick:07d}" for tick in TICKS]), {}, EPOCH,
    ),
    "dates without signs": (
        "t.csv", rows([f"20241023T143052.{tick:07d}Z" for tick in TICKS]), {}, EPOCH,
    ),
    "the time of American dates": (
        "t.csv", rows([f"10/23/2024 02:30:52.{tick:07d} PM" for tick in TICKS]), {}, 52_252.25,
    ),
    "the time of European dates": (
        "t.txt", rows([f"23.10.2024 14:30:52.{tick:07d}" for tick in TICKS]), {}, 52_252.25,
    ),
    "quoted, with separators in names and remarks": (
        "t.csv",
        rows(
            NUMBERS, ['"a, ""b"""'] * FRAMES, [f'"{v}"' for v in WITH_COMMAS],
            header='"Frame, no.",Remark,"Time, (s)"',
        ),
        {}, 5,
    ),
    "a title above the names": (
        "t.csv",
        "Camera: 12\nFrames,6\n\n" + rows(NUMBERS, column(5), header="frame,time (s)"), {}, 5,
    ),
    "units below the names": ("t.csv", rows(
        NUMBERS, column(5, 1e3), header="frame,time\n[-],[ms]"), {}, 5),
    "names of rows, as R writes them": (
        "t.txt", rows(NUMBERS, column(5), header="elapsed", sign=" "), {}, 5,
    ),
    "a separator at the end": ("t.csv", rows(column(5), [""] * FRAMES, header="time"), {}, 5),
    "Miniscope 3": (
        "t.txt",
        rows(
            [1] * FRAMES, NUMBERS, column(5, 1e3), [1] * FRAMES,
            header="camNum\tframeNum\tsysClock\tbuffer", sign="\t",
        ),
        {}, 5,
    ),
    "samples of a line in text": ("t.txt", rows(list(PULSES)), ANALOG, 500 / 30_000),
    "samples of a line beside their times": (
        "t.csv",
        rows(list(np.arange(len(PULSES)) / 30_000 + 5), list(PULSES / 1e3), header="time,volt"),
        {"kind": "signal"}, 5 + 500 / 30_000,
    ),
    "NPY": ("t.npy", np.array(column(5)), {}, 5),
    "NPY, two rows": ("t.npy", np.array([NUMBERS, column(5)]), {}, 5),
    "NPY, two columns": ("t.npy", np.array([NUMBERS, column(5)]).T, {}, 5),
    "NPY of dates": (
        "t.npy",
        (np.array(column(EPOCH)) * 1e9).astype(np.int64).astype("datetime64[ns]"),
        {},
        EPOCH,
    ),
    "samples of an analog line": ("t.npy", PULSES, ANALOG, 500 / 30_000),
    "samples of a digital line": ("t.npy", PULSES > 0, {"rate": 30_000}, 500 / 30_000),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_has_its_time(tmp_path: Path, kind: str) -> None:
    name, content, settings, start = KINDS[kind]
    found = clock(tmp_path, name, content, **settings)
    true = start + np.arange(FRAMES) * PERIOD
    np.testing.assert_allclose(found.seconds, true, atol=2e-6 if start < 1e9 else 3e-6, rtol=0)
    assert found.is_complete
    assert found.warnings == ()
    assert found.record.count == FRAMES
    assert found.record.frame_rate == pytest.approx(30, abs=0.01)
    assert ("1970" in found.record.origin) == (start > 1e9)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "", "found no row"),
        ("t.csv", "time\n", "a header alone"),
        ("t.csv", rows(column(0), column(5), header="a,b"), "name one in times.column"),
        ("t.csv", "time\n" + "1\n2\nx\n", "found x; correct it"),
        ("t.csv", "time\n1\n2\n" + "inf\n", "time 3 of 3 is no number"),
        ("t.csv", "time (s)\n1\nnan\n2\n1.5\n", "time 4 of 4 is before the one above it"),
        ("t.csv", "time\nnan\nnan\n", "found none"),
        ("t.txt", rows([f"00:{5 + i * PERIOD:06.3f}" for i in range(FRAMES)]), "found 00:05.1"),
        ("t.csv", "time (s)\n1\n2\n1.5\n", "time 3 of 3 is before the one above it"),
        ("t.csv", rows(column(0, step=7.0)), "in no unit"),
        ("t.csv", b"\0\1\2" * 50, "binary file"),
        ("t.json", "{", "expected JSON"),
        ("t.json", '{"timestamps": [1, "2"]}', "expected numbers"),
        ("t.json", '{"frames": []}', 'a list "timestamps"'),
        ("t.json", '{"timestamps": [1' + "0" * 400 + "]}", "too large"),
        ("t.npy", np.array([1, "a"], dtype=object), "Python objects, which are never loaded"),
        ("t.npy", np.array(["a"]), "expected numbers"),
        ("t.npy", b"PK\3\4", "expected an NPY file"),
        ("t.npy", np.zeros((2, 2, 2)), "expected one dimension"),
        ("t.npy", np.zeros(9, np.uint8), "never changes"),
        ("t.npy", np.arange(9) % 2, "give their rate in times.rate"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, name: str, content: Any, said: str) -> None:
    """A file that only lies there must not fail a movie; one that somebody names does."""
    found = read(tmp_path, name, content)
    assert isinstance(found, UnusedTimes)
    assert said in found.warning
    assert found.warning.startswith(f"its times file is not used: {name}: ")
    with pytest.raises(BadInput, match=r"^times: "):
        read_clock(
            tmp_path / name,
            name,
            TimesSettings(file=name),
            constant_timing(FRAMES, Fraction(30)),
            None,
        )


def test_an_npy_that_claims_more_than_it_has_is_not_given_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.npy"
    np.save(path, np.arange(8.0))
    path.write_bytes(path.read_bytes().replace(b"(8,)", b"(9999999999999,)".ljust(4))[:128] + b"\0")
    found = read_clock(path, "t.npy", TimesSettings(), constant_timing(FRAMES, Fraction(30)), None)
    assert isinstance(found, UnusedTimes)


def test_a_file_for_another_movie_is_warned_of(tmp_path: Path) -> None:
    content = json.dumps({"video_file": "other.mp4", "timestamps": column(EPOCH)})
    (warning,) = clock(tmp_path, "m.mp4_timestamps.json", content).warnings
    assert "was written for other.mp4" in warning


def test_a_rate_far_from_the_movie_s_is_warned_of(tmp_path: Path) -> None:
    (warning,) = clock(tmp_path, "t.csv", rows(column(0, step=1.0), header="time (s)")).warnings
    assert "gives 1 frames/s, its container 30" in warning


class TestCountsThatDiffer:
    """No time is ever moved or made up."""

    def test_dropped_frames_that_have_times(self, tmp_path: Path) -> None:
        timing = dropped_timing()
        found = clock(tmp_path, "t.txt", rows(column(5, count=8)), timing)
        np.testing.assert_allclose(
            found.seconds, 5 + np.array([0, 1, 2, 5, 6, 7]) * PERIOD, atol=1e-5
        )
        assert "each of the 8 frames that the movie lists" in found.record.matched_by
        assert found.record.times_without_frame == ((3, 4),)
        assert found.warnings == ()

    def test_dropped_frames_that_have_none(self, tmp_path: Path) -> None:
        times = [t for index, t in enumerate(column(5, count=8)) if index not in {3, 4}]
        found = clock(tmp_path, "t.txt", rows(times), dropped_timing())
        np.testing.assert_allclose(found.seconds, times, atol=1e-5)
        assert "each of the 6 frames that were not dropped" in found.record.matched_by

    def test_gaps_show_where_both_belong_together(self, tmp_path: Path) -> None:
        """The camera was triggered before the recording began and after it ended."""
        places = np.array([0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 16])
        timing = Timing(places / 30, Fraction(30), constant=False)
        pulses = np.concatenate([[-3, -2, -1], places, [17, 18]]) + 3
        found = clock(tmp_path, "t.txt", rows(list(100 + pulses / 30)), timing)
        np.testing.assert_allclose(found.seconds, 100 + (places + 3) / 30, atol=1e-6)
        assert found.record.times_without_frame == ((0, 2), (15, 16))
        assert "gaps at the same places" in found.record.matched_by
        assert found.warnings == ()

    @pytest.mark.parametrize("missing", ["", "NaN"])
    def test_a_frame_whose_time_is_missing_in_the_file_has_none(
        self, tmp_path: Path, missing: str
    ) -> None:
        times = [*column(5)[:2], missing, *column(5)[3:]]
        found = clock(tmp_path, "t.csv", rows(NUMBERS, times, header="frame,time"))
        assert np.flatnonzero(np.isnan(found.seconds)).tolist() == [2]
        assert found.record.frames_without_time == ((2, 2),)
        (warning,) = found.warnings
        assert "frames without a time: 2; matched by one time for each frame" in warning

    def test_frames_of_one_time_are_named(self, tmp_path: Path) -> None:
        times = column(5)
        times[3] = times[2]
        (warning,) = clock(tmp_path, "t.txt", rows(times)).warnings
        assert "gives 1 of 6 frames the time of the frame before: 3" in warning

    def test_frame_numbers_show_which_frames_have_no_time(self, tmp_path: Path) -> None:
        numbers = [1, 2, 3, 5, 6]
        times = [5 + number * PERIOD for number in numbers]
        found = clock(tmp_path, "t.csv", rows(numbers, times, header="frame,time"))
        assert np.flatnonzero(np.isnan(found.seconds)).tolist() == [3]
        np.testing.assert_allclose(found.seconds[[0, 4, 5]], [times[0], times[3], times[4]])
        (warning,) = found.warnings
        assert "5 times for 6 frames; frames without a time: 3" in warning
        assert "the frame numbers in the times file" in warning

    @pytest.mark.parametrize(
        ("count", "said"), [(4, "frames without a time: 4–5"), (8, "times without a frame: 6–7")]
    )
    def test_where_nothing_tells_they_begin_together(
        self, tmp_path: Path, count: int, said: str
    ) -> None:
        found = clock(tmp_path, "t.txt", rows(column(5, count=count)))
        known = min(count, FRAMES)
        np.testing.assert_allclose(found.seconds[:known], column(5)[:known])
        assert np.isnan(found.seconds[known:]).all()
        (warning,) = found.warnings
        assert f"has {count} times for 6 frames; {said}" in warning
        assert "nothing shows where the difference is" in warning


def dropped_timing() -> Timing:
    seconds = np.array([0, 1, 2, 5, 6, 7]) / 30
    return Timing(seconds, Fraction(30), constant=False, listed_frames=8, dropped=((3, 4),))


@pytest.mark.parametrize(
    ("movie", "wanted", "there", "found"),
    [
        (
            "m.mp4",
            AUTOMATIC_TIMES,
            ["m.mp4_timestamps.json", "m_times.csv"],
            "m.mp4_timestamps.json",
        ),
        ("m.mp4", AUTOMATIC_TIMES, ["m_timestamps.json"], "m_timestamps.json"),
        ("m.avi", AUTOMATIC_TIMES, ["m_times.npy", "m2_times.npy"], "m_times.npy"),
        ("m_VIDEO.avi", AUTOMATIC_TIMES, ["m_TS.npy"], "m_TS.npy"),
        ("m.mp4", AUTOMATIC_TIMES, ["m.csv", "mDLC.csv", "timestamps.csv"], None),
        ("m.mp4", "cam_{stem}.csv", ["cam_m.csv"], "cam_m.csv"),
        ("m.mp4", "{name}.txt", ["m.mp4.txt"], "m.mp4.txt"),
        ("m.mp4", "none", ["m_times.csv"], None),
    ],
)
def test_a_times_file_is_found_by_its_name(
    movie: str, wanted: str, there: list[str], found: str | None
) -> None:
    assert find_times_name(movie, wanted, there) == found


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("m1_times.csv", True),
        ("m1.mp4_timestamps.json", True),
        ("m1_TS.npy", True),
        ("run.json", False),
        ("annotations.csv", False),
        ("m1.mp4", False),
    ],
)
def test_a_times_file_s_arrival_is_known_by_its_name(name: str, is_one: bool) -> None:
    assert is_times_name(name) == is_one
