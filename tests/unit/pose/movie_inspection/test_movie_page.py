"""What is printed of a movie."""

import json
from typing import Any

from tasks.pose.movie_inspection.movie_facts import FrameGap, MovieFacts
from tasks.pose.movie_inspection.movie_page import as_json, as_text

WHOLE: dict[str, Any] = {
    "location": "/data/m1.mp4",
    "usable": True,
    "verdict": "pass",
    "size": 2_149_000_000,
    "container": "MP4",
    "codec": "hevc",
    "pixel_format": "yuv420p",
    "width": 1080,
    "height": 1920,
    "turned": 90,
    "declared_frames": 108_000,
    "frames": 108_000,
    "lost_frames": 0,
    "frame_rate": 30.0,
    "constant_rate": True,
    "seconds": 3600.0,
    "sheet": "m1-sheet.png",
}


def test_a_whole_movie_is_told_in_aligned_rows() -> None:
    text = as_text("m1.mp4", MovieFacts(**WHOLE))
    assert text.splitlines() == [
        "m1.mp4 can be used",
        "",
        "  container  MP4, 2.1 GB",
        "  pictures   1080×1920 pixels, turned by 90° counterclockwise, HEVC (H.265), yuv420p",
        "  frames     108,000 declared, 108,000 there (--decode counts those that decode)",
        "  lost       none",
        "  times      constant rate of 30 frames/s",
        "  length     1 h 0 min 0.00 s",
        "  verdict    pass (by the file's lists; a run judges poses, too)",
        "  sheet      m1-sheet.png",
    ]


def test_what_is_wrong_has_its_place() -> None:
    gaps = (FrameGap(after=9, at=0.3, seconds=0.5), FrameGap(after=99, at=4.0, seconds=2.25))
    changes = {
        "decoded": True,
        "frames": 107_990,
        "lost_frames": 8,
        "lost_ranges": ((5, 5), (7, 13)),
        "dropped_frames": 2,
        "dropped_ranges": ((20, 21),),
        "constant_rate": False,
        "step": (0.0333, 0.0334, 2.25),
        "gaps": gaps,
        "gap_count": 2,
        "verdict": "look",
        "warnings": ("frames that can't be decoded: 5, 7–13; the others keep their times",),
    }
    text = as_text("m1.mp4", MovieFacts(**WHOLE | changes))
    for line in (
        "  frames     108,000 declared, 107,990 decode",
        "  lost       8: 5, 7–13",
        "  dropped    2 by the recorder: 20–21",
        "  times      variable, 30 frames/s on average",
        "  steps      33.3 to 2,250.0 ms from frame to frame, mostly 33.4 ms",
        "  gaps       0.5 s after frame 9 (at 0.30 s), 2.25 s after frame 99 (at 4.00 s)",
        "  verdict    look: frames are lost (every frame was tried; a run judges poses, too)",
        "  • frames that can't be decoded: 5, 7–13; the others keep their times",
    ):
        assert line in text.splitlines()


def test_programs_get_every_field() -> None:
    refused = MovieFacts(location="m2.mp4", usable=False, problems=("m2.mp4: it is empty",))
    found = json.loads(as_json([MovieFacts(**WHOLE), refused], "by name", ["a warning"]))
    assert (found["usable"], found["order"], found["warnings"]) == (False, "by name", ["a warning"])
    assert [set(movie) for movie in found["movies"]] == 2 * [set(MovieFacts.model_fields)]


def test_every_field_is_documented() -> None:
    described = [name for name, field in MovieFacts.model_fields.items() if field.description]
    plain = {"location", "container", "constant_rate"}
    assert set(described) | plain == set(MovieFacts.model_fields)
