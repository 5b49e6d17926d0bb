"""Render what was found of a movie: a page for a terminal, JSON for programs."""

import json
from collections.abc import Iterator, Sequence

from tasks.messages import format_value
from tasks.pose.clock.experiment_clock import TimesRecord
from tasks.pose.movie_inspection.movie_facts import FrameGap, MovieFacts
from tasks.pose.movies.timing import format_frame_ranges

CODEC_NAMES = {
    "h264": "H.264",
    "hevc": "HEVC (H.265)",
    "mpeg4": "MPEG-4 (XviD, DivX)",
    "mjpeg": "MJPEG",
    "mpeg1video": "MPEG-1",
    "mpeg2video": "MPEG-2",
    "av1": "AV1",
    "vp9": "VP9",
    "rawvideo": "not compressed",
    "ffv1": "FFV1",
    "huffyuv": "HuffYUV",
}
"""Usual names of FFmpeg's codecs; others keep FFmpeg's name."""

_VERDICTS = {
    "pass": "pass",
    "look": "look: frames are lost",
    "fail": "fail: too many frames are lost",
}

_MAX_SHOWN_GAPS = 5


def as_text(name: str, facts: MovieFacts) -> str:
    """A page for a terminal, which shows the problems after it, as errors.

    Args:
        name: What to call the movie.
        facts: What was found.
    """
    verdict = "can be used" if facts.usable else "cannot be used"
    lines = [f"{name} {verdict}"]
    rows = list(describe_facts(facts)) if facts.usable else []
    width = max((len(title) for title, _ in rows), default=0)
    lines += ["", *(f"  {title:<{width}}  {value}" for title, value in rows)] if rows else []
    if facts.warnings:
        lines += ["", "A run will warn:", *(f"  • {sentence}" for sentence in facts.warnings)]
    return "\n".join(lines) + "\n"


def describe_facts(facts: MovieFacts) -> Iterator[tuple[str, str]]:
    """Describe a usable movie for people: names and values, in order."""
    yield "container", f"{facts.container}, {_format_bytes(facts.size or 0)}"
    codec = CODEC_NAMES.get(facts.codec or "", facts.codec)
    turned = f", turned by {facts.turned}° counterclockwise" if facts.turned else ""
    yield "pictures", f"{facts.width}×{facts.height} pixels{turned}, {codec}, {facts.pixel_format}"
    yield from _describe_frames(facts)
    yield from _describe_times(facts)
    if facts.times_file:
        yield from _describe_times_file(facts.times_file.rpartition("/")[2], facts.times)
    if facts.recorded:
        yield (
            "recorded",
            f"{facts.recorded:%Y-%m-%d %H:%M:%S} by the file's clock, UTC if it is right",
        )
    if facts.verdict:
        by = "every frame was tried" if facts.decoded else "by the file's lists"
        yield "verdict", f"{_VERDICTS[facts.verdict]} ({by}; a run judges poses, too)"
    if facts.sheet:
        yield "sheet", facts.sheet


def _describe_frames(facts: MovieFacts) -> Iterator[tuple[str, str]]:
    how = "decode" if facts.decoded else "there (--decode counts those that decode)"
    declared = (
        "an unknown number" if facts.declared_frames is None else f"{facts.declared_frames:,}"
    )
    yield "frames", f"{declared} declared, {facts.frames:,} {how}"
    lost = f"{facts.lost_frames:,}" if facts.lost_frames else "none"
    where = f": {format_frame_ranges(facts.lost_ranges)}" if facts.lost_ranges else ""
    if facts.lost_frames and not facts.lost_ranges:
        where = ", where is not certain"
    yield "lost", f"{lost}{where}"
    if facts.dropped_frames:
        ranges = format_frame_ranges(facts.dropped_ranges)
        yield "dropped", f"{facts.dropped_frames:,} by the recorder: {ranges}"


def _describe_times(facts: MovieFacts) -> Iterator[tuple[str, str]]:
    rate = f"{facts.frame_rate:.4g} frames/s"
    if facts.constant_rate:
        yield "times", f"constant rate of {rate}"
    else:
        yield "times", f"variable, {rate} on average"
    if facts.step and not facts.constant_rate:
        shortest, median, longest = (f"{1000 * seconds:,.1f}" for seconds in facts.step)
        yield "steps", f"{shortest} to {longest} ms from frame to frame, mostly {median} ms"
    if facts.gap_count:
        yield "gaps", _describe_gaps(facts.gaps, facts.gap_count)
    yield "length", _format_length(facts.seconds or 0.0)


def _describe_times_file(name: str, times: TimesRecord | None) -> Iterator[tuple[str, str]]:
    """Describe where times on the experiment's clock are from, and which frames have none."""
    if times is None:
        yield "times file", f"{format_value(name)}, which cannot be used"
        return
    column = f", {format_value(times.column)}" if times.column else ""
    yield "times file", f"{format_value(name)}: {times.count:,} times ({times.form}{column})"
    rate = f", {times.frame_rate:.4g} frames/s" if times.frame_rate else ""
    unit = f"in {times.unit} (known by {times.unit_known_by})"
    yield "clock", f"{unit} since {format_value(times.origin)}{rate}"
    yield "matched by", times.matched_by
    if times.frames_without_time:
        yield "no time", f"frames {format_frame_ranges(times.frames_without_time)}"
    if times.times_without_frame:
        yield "no frame", f"times {format_frame_ranges(times.times_without_frame)}"


def _describe_gaps(gaps: Sequence[FrameGap], count: int) -> str:
    longest = sorted(gaps, key=lambda gap: -gap.seconds)[:_MAX_SHOWN_GAPS]
    named = ", ".join(
        f"{gap.seconds:.3g} s after frame {gap.after:,} (at {gap.at:,.2f} s)"
        for gap in sorted(longest, key=lambda gap: gap.after)
    )
    return f"{count:,}; the longest: {named}" if count > len(longest) else named


def _format_length(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(hours or minutes)
    return " ".join([*parts, f"{rest:.2f} s"])


def _format_bytes(size: int) -> str:
    for unit, bytes_in_it in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_in_it:
            return f"{size / bytes_in_it:.1f} {unit}"
    return f"{size} bytes"


def as_json(movies: Sequence[MovieFacts], order: str | None, warnings: Sequence[str]) -> str:
    """One JSON object for all movies of a command.

    Args:
        movies: What was found of each; see `MovieFacts` for its keys.
        order: What their order was taken from.
        warnings: What a run with all of them will warn of.
    """
    told = {
        "usable": all(movie.usable for movie in movies) and bool(movies),
        "order": order,
        "warnings": list(warnings),
        "movies": [movie.model_dump(mode="json") for movie in movies],
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"
