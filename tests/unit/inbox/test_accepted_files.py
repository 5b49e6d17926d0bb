"""Files are refused before they are sent, in the words of the inbox."""

import pytest

from tasks.inbox.accepted_files import explain_name_refusal, explain_upload_refusal

FORMATS = "expected a movie whose name ends in .mp4, .avi, .isxb, found"


@pytest.mark.parametrize(
    "name", ["m1.mp4", "M1.MP4", "m.1.avi", "m1.isxb", "<script>.mp4", "m1.mp4_timestamps.json"]
)
def test_what_runs_take_is_taken(name: str) -> None:
    assert explain_upload_refusal(name, 1) == ""


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("m 1.mov", 9, f"m 1.mov: {FORMATS} .mov; ffmpeg -i 'm 1.mov' -c copy 'm 1.mp4', and drop"),
        ("notes.txt", 9, f"notes.txt: {FORMATS} .txt; convert it to MP4, and drop that file"),
        ("m1", 9, f"m1: {FORMATS} no ending; convert it"),
        ("m1.mp4.part", 9, f"m1.mp4.part: {FORMATS} .part; wait for its end, or upload it again"),
        ("._m1.mp4", 9, "._m1.mp4: a hidden file, as macOS writes one beside each movie"),
        ("m1.mp4", 0, "m1.mp4 is empty (0 bytes); copy it again"),
        ("m1_times.csv", 0, "m1_times.csv is empty (0 bytes); copy it again"),
    ],
)
def test_what_no_run_takes_is_refused_with_what_to_do(name: str, size: int, told: str) -> None:
    assert explain_upload_refusal(name, size).startswith(told)


def test_a_name_alone_is_looked_at_before_a_movie_is_dropped() -> None:
    assert explain_name_refusal("m1.mp4") == ""
    assert explain_name_refusal("m1_times.csv").startswith(f"m1_times.csv: {FORMATS} .csv")
