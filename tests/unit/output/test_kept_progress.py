"""What a command says of where the next one goes on: only what is really kept."""

import pytest

from tasks.output.kept_progress import KeptProgress


@pytest.fixture
def progress() -> KeptProgress:
    return KeptProgress()


def test_before_its_movies_are_known_nothing_is_promised(progress: KeptProgress) -> None:
    assert progress.describe_continuation() == "run the same command again to continue"


def test_of_a_single_movie_the_frame_is_told(progress: KeptProgress) -> None:
    progress.begin(1)
    assert progress.describe_continuation() == (
        "run the same command again; no frame's poses are kept yet"
    )
    progress.note_frames("m", 1200)
    assert progress.describe_continuation() == (
        "run the same command again to go on from frame 1,200"
    )
    progress.note_poses("m")
    assert progress.describe_continuation() == (
        "run the same command again to continue: the poses of all frames are kept"
    )
    progress.note_results("m")
    assert progress.describe_continuation() == "run the same command again to continue"


def test_of_several_movies_those_that_are_done_are_told(progress: KeptProgress) -> None:
    progress.begin(5)
    progress.note_results("m1")
    progress.note_results("m2")
    progress.note_poses("m3")
    progress.note_frames("m4", 300)
    progress.note_frames("m5", 0)
    assert progress.describe_continuation() == (
        "run the same command again to continue: 2 of 5 movies are done, m4 goes on from frame "
        "300, poses of m3 are kept"
    )


def test_of_several_movies_none_may_be_done(progress: KeptProgress) -> None:
    progress.begin(2)
    assert progress.describe_continuation() == (
        "run the same command again to continue: 0 of 2 movies are done"
    )
