"""Counters of samples: from raw movies, from .gpio files made here, and what does not fit."""

import json
import struct
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.neural.analyze_neural import analyze_neural
from tasks.neural.cell_recordings import SourceFile, read_cell_series
from tasks.neural.neural_settings import NeuralSettings
from tasks.neural.neural_work import BehaviorStart, NeuralResult
from tasks.neural.timing_references import read_sample_counters
from tests.support.paths import SHARED_FOLDER, needs_shared_data

SYNTHETIC = SHARED_FOLDER / "next-steps" / "synthetic"
MOVIE, CELLS = SYNTHETIC / "synthetic-miniscope.isxd", SYNTHETIC / "synthetic-cellset.isxd"

FIRST, PERIOD, START = 163_957_619_943, 50_000, 1_705_049_721_743
"""The synthetic recording's first counter and period in microseconds, its start in ms."""


def source(samples: int = 24, **changes: Any) -> SourceFile:
    valid = np.ones(samples, dtype=bool)
    one = SourceFile(Path("cells.isxd"), START / 1000, PERIOD / 1e6, samples, valid)
    return replace(one, **changes)


def write_gpio(folder: Path, pulses: int = 24, *, session: bool = True, uuid: str = "A") -> Path:
    """A .gpio file as nVista 3 writes it: 20 ms after its start the first of the sync pulses."""

    sequence = count()

    def packet(counter: int, level: int) -> bytes:
        head = struct.pack("<4I", 0xAA55, 0x400D, next(sequence), 4)
        return head + struct.pack("<4I", counter >> 32, counter & 0xFFFFFFFF, 0, level)

    events = packet(FIRST - 20_000, 0)
    for pulse in range(pulses):
        begin = FIRST + pulse * PERIOD
        events += packet(begin, 1) + packet(begin + 5000, 0)
    said = {
        "recordingUUID": uuid,
        "adMode": "manual",
        "manual": {"clock": 1000},
        "microscope": {"dualColor": None},
    }
    size = 48 if session else 32
    data = struct.pack("<QQiIQ", START - 20, 1000, 0, size, 2 * pulses + 1)
    if session:
        data += struct.pack("<QQ", 1, size + len(events))
    path = folder / "session.gpio"
    path.write_bytes(data + events + json.dumps(said).encode() * session)
    return path


def test_a_gpio_file_gives_the_counter_of_each_sync_pulse(tmp_path: Path) -> None:
    path = write_gpio(tmp_path)
    found = read_sample_counters(path, source(), tmp_path)
    assert found.counters.tolist() == [FIRST + PERIOD * i for i in range(24)]
    assert found.source == "the sync pulses of session.gpio"
    half = source(12, period=2 * PERIOD / 1e6)
    assert read_sample_counters(path, half, tmp_path).counters.tolist() == [
        FIRST + 2 * PERIOD * i for i in range(12)
    ]
    assert not Path("/tmp/session_gpio.isxd").exists()  # where isx would convert it


def test_without_pulses_that_fit_both_starts_tell(tmp_path: Path) -> None:
    found = read_sample_counters(write_gpio(tmp_path, pulses=1), source(), tmp_path)
    assert found.counters == pytest.approx([FIRST + PERIOD * i for i in range(24)])
    assert "as good as these starts" in found.source


def test_gpio_files_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not hold the hardware counter"):
        read_sample_counters(write_gpio(tmp_path, session=False), source(), tmp_path)
    with pytest.raises(BadInput, match=r"of the recording A, cells\.isxd of B"):
        read_sample_counters(write_gpio(tmp_path), source(recording="B"), tmp_path)
    (tmp_path / "broken.gpio").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"expected an Inscopix \.gpio file"):
        read_sample_counters(tmp_path / "broken.gpio", source(), tmp_path)


@needs_shared_data
@pytest.mark.parametrize(("samples", "downsampling"), [(13, None), (20, None), (24, 2), (23, None)])
def test_movies_of_another_length_are_refused(samples: int, downsampling: int | None) -> None:
    with pytest.raises(BadInput, match="found 24 frames, which do not fit"):
        read_sample_counters(MOVIE, source(samples, downsampling=downsampling), SYNTHETIC)


@needs_shared_data
def test_each_sample_of_a_downsampled_cell_set_is_a_raw_frame() -> None:
    found = read_sample_counters(MOVIE, source(8, period=0.15, downsampling=3), SYNTHETIC)
    assert found.counters.tolist() == [FIRST + 3 * PERIOD * i for i in range(8)]
    assert found.source.endswith("one sample for 3 of them")


def map_behavior(
    inputs: list[Path],
    folder: Path,
    references: tuple[Path, ...] = (),
    start: BehaviorStart | None = None,
    **settings: Any,
) -> NeuralResult:
    """Map behavior of 20 frames/s that begins with the miniscope: five rests, then movement."""
    frames = np.arange(24)
    table = pd.DataFrame(
        {
            "Time since start (s)": frames * 0.05,
            "Hardware counter (us)": FIRST + frames * PERIOD,
            "state": np.where(frames < 5, "rest", "movement"),
        }
    )
    path = folder / "behavior.parquet"
    table.to_parquet(path)
    chosen = NeuralSettings(shuffles=10, **settings)
    return analyze_neural(inputs, [], references, path, "table", folder, chosen, start)


@needs_shared_data
@pytest.mark.parametrize("with_gpio", [False, True])
def test_the_record_says_what_the_clock_is_worth(tmp_path: Path, with_gpio: bool) -> None:
    reference = write_gpio(tmp_path) if with_gpio else MOVIE
    start = BehaviorStart(START / 1000 + 0.25, "the header of a.isxb")
    result = map_behavior([CELLS], tmp_path, (reference,), start)
    clock = result.facts["clock"]
    assert clock["used"] == "counter"
    assert "one acquisition box" in clock["worth"]
    assert reference.name in clock["counters from"][0]
    assert clock["counters minus starts (s)"] == pytest.approx(-0.25, abs=1e-6)
    assert clock["behavior start"] == "2024-01-12T08:55:21.993+00:00"
    assert clock["behavior start from"] == "the header of a.isxb"
    far = BehaviorStart(START / 1000 - 60, "the header of b.isxb")
    with pytest.raises(BadInput, match=r"disagree by 60\.0 s; is it another recording"):
        map_behavior([CELLS], tmp_path, (reference,), far)


@needs_shared_data
def test_a_known_start_beats_taking_both_to_begin_together(tmp_path: Path) -> None:
    start = BehaviorStart(START / 1000 + 0.1, "behavior_start")
    result = map_behavior([CELLS], tmp_path, start=start)
    assert result.facts["clock"]["used"] == "start"
    states = pd.read_parquet(tmp_path / "mapped_states.parquet")["state"]
    assert states.isna().tolist() == [True] * 2 + [False] * 5 + [True] * 2 + [False] * 15


@needs_shared_data
def test_states_are_mapped_to_miniscope_movies_by_their_own_counters(tmp_path: Path) -> None:
    result = map_behavior([MOVIE], tmp_path)
    assert result.facts["clock"]["used"] == "counter"
    assert result.facts["cells"] == 0
    states = pd.read_parquet(tmp_path / "mapped_states.parquet")["state"]
    assert states.isna().tolist() == [i in (7, 8) for i in range(24)]
    assert states.dropna().tolist() == ["rest"] * 5 + ["movement"] * 17
    assert "trace_population_data.csv" not in result.files
    assert any("movies without cells" in warning for warning in result.warnings)
    with pytest.raises(BadInput, match="a cell set and a movie"):
        read_cell_series([MOVIE, CELLS])
