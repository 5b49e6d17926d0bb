"""Notes of processes: of this one, of killed ones, of those of other machines."""

import pytest

from tasks.output.process_identity import has_ended, identify_this_process
from tests.support.commands import start_waiting_process

NOTE = (
    "import sys; from tasks.output.process_identity import identify_this_process; "
    "print(identify_this_process(), flush=True); sys.stdin.read()"
)


def test_a_process_that_lives_has_not_ended() -> None:
    process, noted = start_waiting_process(NOTE)
    assert not has_ended(noted)
    assert not has_ended(identify_this_process())
    process.communicate()


@pytest.mark.parametrize("buried", [True, False])
def test_a_killed_one_has(buried: bool) -> None:
    process, noted = start_waiting_process(NOTE)
    process.kill()
    assert process.stdout is not None
    process.stdout.read()  # until it is gone
    if buried:
        process.communicate()
    while not has_ended(noted):
        pass
    process.communicate()


def test_another_one_of_its_number_is_not_it() -> None:
    here, pid, began = identify_this_process().split(" ")
    assert has_ended(f"{here} {pid} {int(began) + 1}")


@pytest.mark.parametrize("noted", ["", "somewhere-else/pid:[1] 1 1", "what of another version"])
def test_nothing_is_known_of_what_is_elsewhere(noted: str) -> None:
    assert not has_ended(noted)
