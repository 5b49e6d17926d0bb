"""Hardware counters of a recording's samples: from its raw miniscope movie, or its .gpio file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import BadInput
from tasks.messages import format_error
from tasks.neural.cell_recordings import (
    CellSeries,
    FloatArray,
    SourceFile,
    open_with_isx,
    to_seconds,
)
from tasks.neural.isxd_footer import GPIO_TYPE, read_footer

GPIO_SUFFIX = ".gpio"
SYNC_CHANNEL = "BNC Sync Output"
"""Channel of a .gpio file that is high while the miniscope exposes a frame."""

MICROSECONDS = 1e6


@dataclass(frozen=True)
class SampleCounters:
    """Hardware counters of one file's samples.

    Attributes:
        counters: (samples,), microseconds; those of dropped samples are interpolated.
        source: What they were read from, for the record.
    """

    counters: FloatArray
    source: str


def read_series_counters(
    references: Sequence[Path], series: CellSeries, folder: Path
) -> tuple[FloatArray, list[str]]:
    """Read the counters of all samples of a series.

    Args:
        references: For each file that was given, in that order: the raw miniscope movie (.isxd) or
            the .gpio file of the same recording.
        series: The recording.
        folder: Where a .gpio file may be converted.

    Returns:
        (samples,), microseconds, and what they were read from, for each file.

    Raises:
        BadInput: There is not one for each file, or one has no counters or is of another recording.
    """
    if len(references) != len(series.sources):
        raise BadInput(
            f"timing_references: expected one for each of the {len(series.sources)} files, found "
            f"{len(references)}"
        )
    found = [
        read_sample_counters(references[place], source, folder)
        for place, source in zip(series.order, series.sources, strict=True)
    ]
    return np.concatenate([one.counters for one in found]), [one.source for one in found]


def read_sample_counters(reference: Path, source: SourceFile, folder: Path) -> SampleCounters:
    """Read the counters of one file's samples.

    Args:
        reference: The raw movie or the .gpio file; also the ``_gpio.isxd`` that Inscopix makes of
            one.
        source: The file whose samples are timed.
        folder: Where a .gpio file may be converted.

    Raises:
        BadInput: It has no counters, its length does not fit, or it is of another recording.
    """
    is_gpio = reference.suffix.lower() == GPIO_SUFFIX
    converted = _convert_gpio(reference, folder) if is_gpio else reference
    footer = read_footer(converted)
    own = (footer.get("extraProperties") or {}).get("recordingUUID")
    if own and source.recording and own != source.recording:
        raise BadInput(
            f"{reference.name}: it is of the recording {own}, {source.name} of "
            f"{source.recording}; give the files of one recording"
        )
    if is_gpio or footer.get("type") == GPIO_TYPE:
        return _read_gpio_counters(converted, footer, reference.name, source)
    return _read_movie_counters(reference, source)


def _read_movie_counters(path: Path, source: SourceFile) -> SampleCounters:
    movie = open_with_isx(path, "Movie")
    frames = movie.timing.num_samples
    step = _find_step(frames, movie.timing.period.to_usecs() / MICROSECONDS, source)
    if step is None:
        raise BadInput(
            f"{path.name}: expected the movie that {source.name} with its {source.samples} samples "
            f"was made from, found {frames} frames, which do not fit; give its raw movie"
        )
    try:
        counters = np.array([movie.get_frame_timestamp(i) for i in range(frames)], dtype=np.float64)
    except Exception as error:  # isx says so of movies without headers
        raise BadInput(
            f"{path.name}: it has no hardware counters ({format_error(error)}); give the raw movie"
        ) from error
    known = np.flatnonzero(counters > 0)
    if len(known) < 2:  # noqa: PLR2004
        raise BadInput(f"{path.name}: it has no hardware counters; give the raw movie")
    index = np.arange(frames)
    period = (counters[known[-1]] - counters[known[0]]) / (known[-1] - known[0])
    filled = np.interp(index, known, counters[known])
    filled += np.minimum(index - known[0], 0) * period + np.maximum(index - known[-1], 0) * period
    told = f"the frames of {path.name}"
    return SampleCounters(filled[::step][: source.samples], _tell_step(told, step))


def has_counters(path: Path) -> bool:
    """Return whether a miniscope movie has hardware counters in its frames."""
    movie = open_with_isx(path, "Movie")
    valid = np.flatnonzero(movie.timing.get_valid_samples_mask())
    try:
        return bool(len(valid)) and movie.get_frame_timestamp(int(valid[0])) > 0
    except Exception:  # noqa: BLE001 - isx says so of movies without headers
        return False


def _tell_step(told: str, step: int) -> str:
    return told if step == 1 else f"{told}, one sample for {step} of them"


def _find_step(frames: int, frame_period: float, source: SourceFile) -> int | None:
    """Frames for each sample; None where the lengths do not fit."""
    step = source.downsampling or max(1, round(source.period / frame_period))
    return step if source.samples in {frames // step, -(-frames // step)} else None


def _convert_gpio(path: Path, folder: Path) -> Path:
    """Convert a .gpio file to .isxd: reading it as it is would leave a file in /tmp."""
    import isx  # noqa: PLC0415 - seconds that a form need not wait for

    target = folder / f"gpio-{path.parent.name}-{path.stem}"
    target.mkdir(exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    table = target / "events.csv"
    try:
        isx.export_gpio_set_to_csv([str(path)], str(table), inter_isxd_file_dir=str(target))
        table.unlink(missing_ok=True)
        return next(target.glob("*.isxd"))
    except Exception as error:  # a stranger's file: whatever isx says
        raise BadInput(
            f"{path.name}: expected an Inscopix .gpio file, found a file that cannot be read as "
            f"one ({format_error(error)})"
        ) from error


def _read_gpio_counters(
    path: Path, footer: dict[str, Any], name: str, source: SourceFile
) -> SampleCounters:
    """By the pulses of the sync output where these fit the samples, else by both starts."""
    first = (footer.get("extraProperties") or {}).get("firstTsc")
    if not isinstance(first, int):
        raise BadInput(
            f"{name}: it does not hold the hardware counter of its start; give the raw movie"
        )
    gpio = open_with_isx(path, "GpioSet")
    pulses = np.empty(0)
    if SYNC_CHANNEL in gpio.channel_dict:
        offsets, levels = gpio.get_channel_data(gpio.channel_dict[SYNC_CHANNEL])
        rises = np.diff(levels, prepend=np.float32(0)) > 0
        pulses = offsets[rises].astype(np.float64)
    if len(pulses) > 1:
        step = _find_step(len(pulses), float(np.median(np.diff(pulses))) / MICROSECONDS, source)
        if step is not None:
            told = _tell_step(f"the sync pulses of {name}", step)
            seen: FloatArray = first + pulses[::step][: source.samples]
            return SampleCounters(seen, told)
    start = gpio.timing.start  # kept: what a temporary returns is garbage
    behind = source.start - to_seconds(start.to_datetime())
    counters: FloatArray = (
        first
        + (behind + np.arange(source.samples, dtype=np.float64) * source.period) * MICROSECONDS
    )
    return SampleCounters(
        counters,
        f"the first counter of {name} and the starts of both files, since its {len(pulses)} sync "
        "pulses do not fit: as good as these starts",
    )
