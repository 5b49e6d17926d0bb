"""The flow `neural` on a public series of cell sets: whole results, and made once."""

from pathlib import Path
from typing import Any

from tasks.neural.neural_record import NeuralRecord
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import RESULT_FILES
from tests.support.paths import SHARED_FOLDER, needs_shared_data

DATA = SHARED_FOLDER / "next-steps"
PARTS = [
    str(DATA / "ideas-neural-circuit-analysis" / f"cellset_series_part{part}-PCA-ICA.isxd")
    for part in (1, 2)
]
TABLE = str(DATA / "original-outputs" / "annotations_series.parquet")
SETTINGS = NeuralSettings(states=["quad 1", "center"], shuffles=20, ideas_compatible=True)

pytestmark = needs_shared_data


def run(output: Path, settings: NeuralSettings = SETTINGS, cells: list[str] = PARTS) -> Any:
    from flows.neural import neural

    return neural(cells, TABLE, str(output), [], settings, return_state=True)


def read(output: Path) -> NeuralRecord:
    return NeuralRecord.model_validate_json((output / "run.json").read_bytes())


def test_a_run_and_the_same_run_again(tmp_path: Path, prefect_server: None) -> None:
    output = tmp_path / "out"
    state = run(output)
    assert state.is_completed(), state.message
    first = read(output)
    assert first.facts["cells"] == 20
    assert first.outputs.keys() <= {*RESULT_FILES, "report.html"}
    for name, made in first.outputs.items():
        assert (output / name).stat().st_size == made.size
    page = (output / "report.html").read_text()
    assert "the table has a row for each sample" in page
    assert run(output).is_completed()
    again = read(output)
    assert again.reused
    unlike = {"report.html"}
    assert {n: o for n, o in again.outputs.items() if n not in unlike} == {
        n: o for n, o in first.outputs.items() if n not in unlike
    }
    refused = run(output, cells=[str(tmp_path / "nowhere.isxd")])
    assert refused.is_failed()
    assert "nowhere.isxd" in str(refused.message)
    assert (output / "run.json").exists()
