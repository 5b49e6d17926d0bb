"""Read times from NPY and JSON files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.messages import format_list, format_value
from tasks.pose.clock.listed_times import EPOCH_ORIGIN, MAX_TIMES, ListedTimes, UnusableTimesError
from tasks.pose.clock.signal_edges import find_signal_edges
from tasks.pose.times_settings import TimesKind, TimesSettings, TimeUnit

_MAX_HEADER_BYTES = 10_000


def read_npy_times(path: Path, settings: TimesSettings) -> ListedTimes:
    """Read times, or a line's samples, from an NPY file; nothing in it is ever unpickled.

    Args:
        path: The file.
        settings: Which column, and what kind of times.

    Raises:
        UnusableTimesError: With the reason, and what to do.
    """
    array = _load_array(path)
    if array.dtype.names:
        array = array[_choose_field(array.dtype.names, settings.column)]
    elif array.ndim == 2:  # noqa: PLR2004
        return _read_two_dimensions(array, settings)
    if array.ndim != 1:
        raise UnusableTimesError(f"expected one dimension, found {array.ndim}")
    if settings.kind is TimesKind.SIGNAL or _is_digital(array, settings):
        edges = find_signal_edges(array)
        return ListedTimes(
            edges.astype(np.float64), "rising edges of a line", None, TimeUnit.SAMPLES
        )
    return _as_times(array, None, None)


def _load_array(path: Path) -> NDArray[Any]:
    """An NPY file's array, once its header has been compared with the size of the file."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read(file, max_header_size=_MAX_HEADER_BYTES)
            size = path.stat().st_size - file.tell()
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise UnusableTimesError("expected an NPY file, found none that can be read") from error
    if dtype.hasobject:
        raise UnusableTimesError("expected numbers, found Python objects, which are never loaded")
    if dtype.itemsize * math.prod(shape) != size:
        raise UnusableTimesError("it is cut off, or claims another size than it has; copy it again")
    array: NDArray[Any] = np.load(path, allow_pickle=False, max_header_size=_MAX_HEADER_BYTES)
    if dtype.names is None and dtype.kind not in "iufbM":
        raise UnusableTimesError(f"expected numbers, found an array of {format_value(str(dtype))}")
    return array


def _choose_field(names: tuple[str, ...], wanted: str) -> str:
    if wanted in names:
        return wanted
    raise UnusableTimesError(
        f"expected the name of a field in times.column, found {format_list(names)}"
    )


def _is_digital(array: NDArray[Any], settings: TimesSettings) -> bool:
    return (
        settings.kind is TimesKind.AUTO
        and len(array) > 2  # noqa: PLR2004 - 0 and 1 may be times
        and array.dtype.kind in "iub"
        and bool((array <= 1).all() and (array >= 0).all())
    )


def _read_two_dimensions(array: NDArray[Any], settings: TimesSettings) -> ListedTimes:
    """Columns, or rows where there are few of them (campy writes frame numbers over times)."""
    columns = array if array.shape[0] < array.shape[1] else array.T
    if len(columns) == 1:
        return _as_times(columns[0], None, None)
    counts = [i for i, c in enumerate(columns) if _counts(c)]
    if settings.column.isdecimal() and 1 <= int(settings.column[:4]) <= len(columns):
        chosen = int(settings.column[:4]) - 1
    else:
        rest = [i for i in range(len(columns)) if i not in counts]
        if len(rest) != 1:
            raise UnusableTimesError(
                f"expected one column of times, found {len(columns)}; give its number, counted "
                "from 1, in times.column"
            )
        chosen = rest[0]
    numbers = next((columns[i] for i in counts if i != chosen), None)
    return _as_times(columns[chosen], f"column {chosen + 1}", numbers)


def _counts(values: NDArray[Any]) -> bool:
    if values.dtype.kind == "M" or not np.isfinite(values).all():
        return False
    steps = np.diff(values.astype(np.float64))
    return bool((values == np.rint(values)).all() and (steps > 0).all() and np.median(steps) == 1)


def _as_times(
    values: NDArray[Any], column: str | None, numbers: NDArray[Any] | None
) -> ListedTimes:
    if len(values) > MAX_TIMES:
        raise UnusableTimesError(f"expected at most {MAX_TIMES:,} times, found {len(values):,}")
    counted = None if numbers is None else numbers.astype(np.int64)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[ns]").astype(np.int64) / 1e9
        seconds[np.isnat(values)] = np.nan
        return ListedTimes(seconds, "NPY", column, TimeUnit.SECONDS, EPOCH_ORIGIN, counted)
    return ListedTimes(values.astype(np.float64), "NPY", column, numbers=counted)


def parse_json_times(data: bytes) -> ListedTimes:
    """Read what DeepLabCut-live-GUI 2 writes beside a movie: seconds since 1970 for each frame.

    https://github.com/DeepLabCut/DeepLabCut-live-GUI, docs, "Video timestamp format".

    Raises:
        UnusableTimesError: With the reason, and what to do.
    """
    try:
        given = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnusableTimesError("expected JSON, found text that is none; copy it again") from error
    listed = given.get("timestamps") if isinstance(given, dict) else given
    if not isinstance(listed, list):
        raise UnusableTimesError('expected a list "timestamps", as DeepLabCut-live-GUI writes it')
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in listed):
        raise UnusableTimesError('expected numbers in its list "timestamps", found something else')
    try:
        values = np.array(listed, dtype=np.float64)
    except OverflowError as error:
        raise UnusableTimesError('a number in its list "timestamps" is too large') from error
    if not isinstance(given, dict):
        return ListedTimes(values, "JSON")
    movie = given.get("video_file")
    return ListedTimes(
        values,
        "DeepLabCut-live-GUI 2",
        "timestamps",
        TimeUnit.SECONDS,
        EPOCH_ORIGIN,
        movie=movie if isinstance(movie, str) else None,
    )
