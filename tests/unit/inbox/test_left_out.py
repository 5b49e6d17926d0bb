"""What lies in an inbox and no run takes is told, with the one thing to do."""

import pytest

from tasks.inbox.left_out import NOTHING_TO_DO, LeftOut, explain_left_out, find_left_out
from tasks.inbox.page import MAX_SECTION_ROWS, render_inbox_page
from tests.unit.inbox.test_batches import ASKED, INBOX, M1, contents, found, info


def left_out(*names: str) -> LeftOut:
    objects = [info(f"s3://lab/inbox/{name}") for name in names]
    return find_left_out(contents(*objects), found(*objects))


@pytest.mark.parametrize(
    ("name", "reason", "remedy"),
    [
        ("m.mov", "not .mov", "ffmpeg -i m.mov -c copy m.mp4, and drop that file"),
        ("a b.MKV", "not .mkv", "ffmpeg -i 'a b.MKV' -c copy 'a b.mp4', and drop that file"),
        ("m.wmv", "not .wmv", "ffmpeg -i m.wmv -c:v libx264 -crf 10 m.mp4, and drop that file"),
        ("m.m4v", "its name ends in .m4v", "rename it to m.mp4"),
        ("m.mp4.part", "its upload is under way", "wait for its end, or upload it again"),
        ("request.yml", "requests are read from request.yaml only", "rename it to request.yaml"),
        ("Request.yaml.txt", "requests are read from", "rename it to request.yaml"),
        ("._m.mp4", "a hidden file", NOTHING_TO_DO),
    ],
)
def test_what_somebody_may_miss_is_told_with_what_to_do(
    name: str, reason: str, remedy: str
) -> None:
    told = explain_left_out(name)
    assert told is not None
    assert reason in told[0]
    assert told[1] == remedy
    (file,) = left_out(f"day1/{name}").files
    assert file.name == f"day1/{name}"


@pytest.mark.parametrize("name", ["m.mp4", "m.AVI", "m.isxb", "notes.txt", ".DS_Store", "README"])
def test_what_nobody_misses_is_not(name: str) -> None:
    assert explain_left_out(name) is None


def test_other_files_are_counted_by_their_kind() -> None:
    rest = left_out("m1.mp4", "day1/a.png", "day1/b.png", "notes", "x.TXT")
    assert rest.files == ()
    assert rest.sentence == "4 other files: no movies (.png, no ending, .txt)"


def test_what_runs_read_and_write_is_not_left_out() -> None:
    rest = left_out("m1.mp4", "m1_timestamps.csv", ".dlcflow-inbox.json")
    assert (rest.files, rest.sentence) == ((), "")
    results = info("s3://lab/inbox/results/m1/labeled.mov")
    asked = ASKED.model_copy(update={"output": "s3://lab/inbox/results/"})
    there = contents(M1, results, requests={"": asked})
    assert find_left_out(there, ()).files == ()


def test_the_page_lists_it_after_what_was_refused() -> None:
    names = [f"m{n}.mov" for n in range(MAX_SECTION_ROWS + 2)]
    text = render_inbox_page(INBOX, found(M1), (), left_out(*names, "a.png"))
    lines = text.splitlines()
    heads = [line for line in lines if line.startswith("## ")]
    assert heads == [f"## Left out: {len(names)}", "## Due: 1"]
    assert f"1 due; {len(names)} left out." in lines
    assert "| and 2 more | | |" in lines
    row = r"| m0.mov | runs take .mp4, .avi, .isxb, not .mov | ffmpeg -i m0.mov -c copy m0.mp4, and drop that file |"  # noqa: E501
    assert row in lines
    assert r"1 other file: no movies \(.png\)." in lines
