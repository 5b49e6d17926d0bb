"""Open model archives in a folder of their own, and see that nothing else is touched."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.errors import BadInput
from tasks.pose.model.archive import unpack_model
from tasks.pose.model.description import Model
from tasks.pose.model.selection import ANY_MODEL, ModelChoice
from tests.support.model_zips import Files, write_zip


class ArchiveSandbox:
    """A folder with an archive, and beside it what must stay as it is."""

    def __init__(self, folder: Path) -> None:
        self._outside = folder
        self.project = folder / "scratch" / "project"
        self.archive = folder / "m.zip"
        (folder / "scratch").mkdir()
        (folder / "precious.txt").write_text("mine")

    def write_and_open(self, files: Files, choice: ModelChoice = ANY_MODEL) -> Model:
        write_zip(self.archive, files)
        return self.open_again(choice)

    def open_again(self, choice: ModelChoice = ANY_MODEL) -> Model:
        before = self._read_outside_files()
        try:
            return unpack_model(self.archive, "m.zip", self.project, choice=choice)
        finally:
            assert self._read_outside_files() == before

    def expect_refusal(self, files: Files | None = None, choice: ModelChoice = ANY_MODEL) -> str:
        """Why the archive is refused: in one line, and with nothing written outside."""
        with pytest.raises(BadInput) as caught:
            self.write_and_open(files, choice) if files is not None else self.open_again(choice)
        message = str(caught.value)
        assert len(message.splitlines()) == 1
        assert len(message) < 1000
        assert any(name in message for name in ("m.zip", ".yaml", "snapshot"))
        return message

    def read_project(self) -> dict[str, Any]:
        """The project's files, YAML as its values, everything else as bytes."""
        return {
            str(path.relative_to(self.project)): yaml.safe_load(path.read_text())
            if path.suffix == ".yaml"
            else path.read_bytes()
            for path in self.project.rglob("*")
            if path.is_file()
        }

    def read_network_config(self) -> Any:
        return next(v for k, v in self.read_project().items() if k.endswith("pytorch_config.yaml"))

    def _read_outside_files(self) -> dict[Path, bytes | None]:
        return {
            path: path.read_bytes() if path.is_file() else None
            for path in self._outside.rglob("*")
            if not path.is_relative_to(self.project)
        }


def without_files(files: Files, *names: str) -> Files:
    """The files but for some that are there."""
    assert set(names) <= set(files)
    return {name: data for name, data in files.items() if name not in names}
