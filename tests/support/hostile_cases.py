"""What a case of a hostile archive is, and what may become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.model_zips import Files, model_files, write_zip

Outcome = Literal["refused", "repaired", "opened"]


@dataclass(frozen=True)
class HostileCase:
    """An archive, and what must become of it.

    Attributes:
        name: What it is.
        build: Writes it to a path.
        says: Words of the refusal or of the repair.
        outcome: ``opened`` is for what may lie in an archive and is never looked at.
    """

    name: str
    build: Callable[[Path], object]
    says: str = ""
    outcome: Outcome = "refused"

    def __str__(self) -> str:
        return self.name.encode("ascii", "backslashreplace").decode().replace("[", "(")


def make_case(name: str, files: Files, says: str = "", outcome: Outcome = "refused") -> HostileCase:
    """A case that any zip program can make."""
    return HostileCase(name, lambda path: write_zip(path, files), says, outcome)


def make_case_with_files(
    name: str, extra: Files, says: str = "", outcome: Outcome = "refused"
) -> HostileCase:
    """A good model, but for some files."""
    return make_case(name, model_files() | extra, says, outcome)
