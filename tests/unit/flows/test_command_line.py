"""The command line: every setting is a flag, slips end with 2, and help is quick."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import _build_parser, main
from tasks.command_line.arguments import collect_settings
from tasks.pose.settings import Crop, PoseSettings, QualityThresholds
from tasks.pose.times_settings import TimesSettings
from tests.support.paths import ROOT

REQUEST = ["run", "--model", "m.zip", "--movies", "a.mp4", "b/", "--output", "out"]


def settings(*words: str) -> PoseSettings:
    return PoseSettings.model_validate(
        collect_settings(_build_parser().parse_args([*REQUEST, *words]))
    )


def test_without_flags_the_settings_are_the_models_own() -> None:
    assert settings() == PoseSettings()


def test_locations_are_taken_as_they_are() -> None:
    options = _build_parser().parse_args(REQUEST)
    assert (options.model, options.movies, options.output) == ("m.zip", ["a.mp4", "b/"], "out")


def test_movies_can_be_named_in_several_places() -> None:
    options = _build_parser().parse_args([*REQUEST, "--movies", "c.mp4"])
    assert options.movies == ["a.mp4", "b/", "c.mp4"]


CHOSEN: dict[str, tuple[list[str], Any]] = {
    "annotations_format": (["csv"], "csv"),
    "crop": (["1", "2", "30", "40"], Crop(left=1, top=2, width=30, height=40)),
    "window_length": (["7"], 7),
    "displayed_body_parts": (["nose", "left ear"], ["nose", "left ear"]),
    "p_cutoff": (["0.25"], 0.25),
    "dot_size": (["9"], 9),
    "color_map": (["viridis"], "viridis"),
    "keypoints_only": ([], True),
    "output_frame_rate": (["29.97"], 29.97),
    "draw_skeleton": ([], True),
    "trail_points": (["5"], 5),
    "labels": (["legend, frame and time"], "legend, frame and time"),
    "histogram": (["together"], "together"),
    "color_by": (["individual"], "individual"),
    "shuffle": (["2"], 2),
    "snapshot": (["best"], "best"),
    "precision": (["half"], "half"),
    "follow": (["auto"], "auto"),
    "follow_window": (["256"], 256),
    "quality": (["low_look=0.2", "low_fail=0.4"], QualityThresholds(low_look=0.2, low_fail=0.4)),
    "refine_frames": (["4"], 4),
    "movement": ([], True),
    "nwb": ([], True),
    "nwb_metadata": (["s3://lab/nwb.yaml"], "s3://lab/nwb.yaml"),
    "times": (["file={stem}.csv", "unit=ms"], TimesSettings(file="{stem}.csv", unit="ms")),
    "crop_coordinates": (["frame"], "frame"),
    "link_hours": (["5"], 5),
    "spread_from": (["5"], 5),
}


def test_every_setting_has_a_case_here() -> None:
    assert list(CHOSEN) == list(PoseSettings.model_fields)


NEEDED: dict[str, dict[str, Any]] = {"nwb": {"nwb_metadata": "s3://lab/nwb.yaml"}}
"""Settings that another one needs."""


@pytest.mark.parametrize("name", PoseSettings.model_fields)
def test_every_setting_is_a_flag(name: str) -> None:
    words, value = CHOSEN[name]
    needed = NEEDED.get(name, {})
    more = [word for key, text in needed.items() for word in (f"--{key.replace('_', '-')}", text)]
    found = settings(f"--{name.replace('_', '-')}", *words, *more)
    assert found == PoseSettings(**{name: value}, **needed)


def test_displayed_body_parts_can_be_all() -> None:
    assert settings("--displayed-body-parts", "all").displayed_body_parts == "all"


def test_switches_can_be_switched_off() -> None:
    assert settings("--no-keypoints-only", "--no-draw-skeleton") == PoseSettings()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["walk"],
        ["run"],
        REQUEST[:-2],
        ["run", "--movies", "a.mp4", "--output", "out"],
        ["run", "--model", "m.zip", "--movies", "--output", "out"],
        [*REQUEST, "--no-such-flag"],
        [*REQUEST, "--window-length"],
        [*REQUEST, "--window-length", "five"],
        [*REQUEST, "--window-length", "5", "6"],
        [*REQUEST, "--crop", "1", "2", "3"],
        [*REQUEST, "--crop", "1", "2", "3", "4.5"],
        [*REQUEST, "--p-cutoff", "0,6"],
        [*REQUEST, "--annotations-format", "xlsx"],
        [*REQUEST, "--keypoints-only", "maybe"],
        [*REQUEST, "--displayed-body-parts"],
    ],
)
def test_wrong_usage_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "error: " in told.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--window-length", "4"],
            "--window-length: must be an odd number from 1 to 101, or 0 for no filter; try 3 or 5",
        ),
        (["--window-length", "-1"], "--window-length: must be an odd number from 1 to 101, or 0"),
        (["--p-cutoff", "nan"], "--p-cutoff: "),
        (["--p-cutoff", "1.5"], "--p-cutoff: Input should be less than or equal to 1, found 1.5"),
        (["--dot-size", "0"], "--dot-size: "),
        (["--color-map", "rainbwo"], "--color-map: matplotlib has no colormap 'rainbwo'; did you"),
        (["--crop", "0", "0", "0", "5"], "--crop (width): Input should be greater than 0, found 0"),
        (["--crop", "-1", "0", "5", "5"], "--crop (left): "),
        (["--output-frame-rate", "inf"], "--output-frame-rate: Input should be a finite number"),
        (["--output-frame-rate", "0"], "--output-frame-rate: "),
        (["--trail-points", "1001"], "--trail-points: "),
        (["--displayed-body-parts", "nose", "nose"], "--displayed-body-parts: names a body part"),
        (["--quality", "low=0.2"], "--quality (low): there is no such setting; see --help"),
        (["--quality", "low_look=1.2"], "--quality (low_look): "),
        (["--quality", "low_look"], "--quality (low_look): "),
    ],
)
def test_a_value_outside_its_range_is_told_in_one_line_and_ends_with_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*REQUEST, *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: {said}")
    assert len(told.err.splitlines()) == 1


def test_open_takes_a_location_and_hours() -> None:
    options = _build_parser().parse_args(["open", "s3://lab/out/"])
    assert (options.location, options.hours) == ("s3://lab/out/", 72)
    assert _build_parser().parse_args(["open", "out", "--hours", "168"]).hours == 168


@pytest.mark.parametrize("hours", ["0", "169", "-1", "2.5"])
def test_links_work_for_a_week_at_the_most(hours: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["open", "out", "--hours", hours])
    assert caught.value.code == 2


def test_inspect_takes_a_model_and_a_switch() -> None:
    options = _build_parser().parse_args(["inspect", "--model", "s3://lab/m.zip"])
    assert (options.model, options.json) == ("s3://lab/m.zip", False)
    assert _build_parser().parse_args(["inspect", "--model", "m.zip", "--json"]).json


@pytest.mark.parametrize("location", ["m.txt", "ftp://lab/m.zip", "s3://", "nowhere/m.zip"])
def test_a_location_that_holds_no_model_is_told_in_one_line_and_ends_with_2(
    location: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--model", location]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["inspect", "--help"], ["open", "--help"]]
)
def test_help_ends_with_0(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m flows")


def test_help_explains_every_setting_with_its_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, field in PoseSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert field.description is not None
        assert field.description in text
    for name, field in QualityThresholds.model_fields.items():
        assert f"{name}={field.default}" in text
    groups = 2  # whose members have defaults of their own
    defaults = re.findall(r"[;(] ?default: [^)]+\)", text)
    assert len(defaults) == len(PoseSettings.model_fields) - groups


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["inspect", "--help"], [*REQUEST, "--window-length", "4"]],
)
def test_help_and_slips_load_nothing_that_takes_seconds(words: list[str]) -> None:
    heavy = ["prefect", "torch", "deeplabcut", "matplotlib", "pandas", "numpy", "av", "boto3"]
    program = f"""
import sys
from flows.__main__ import main
try:
    main({words})
except SystemExit:
    pass
print([name for name in {heavy} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_it_can_be_run_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m flows")


def test_a_run_that_cannot_begin_says_why_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("flows.__main__.prepare_environment", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert main(REQUEST) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: FileNotFoundError: ")


@pytest.mark.parametrize(("typed", "meant"), [("--dotsize", "--dot-size"), ("--xyz", None)])
def test_an_unknown_option_is_named_with_the_likely_one(
    capsys: pytest.CaptureFixture[str], typed: str, meant: str | None
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--model", "m.zip", "--movies", "a.mp4", "--output", "o", f"{typed}=3"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert ("did you mean" in told) is bool(meant)
    assert (meant or "") in told


def test_versions_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(
        r"dlcflow \S+ \(DeepLabCut 3\.\S+, Prefect 3\.\S+\)\n", capsys.readouterr().out
    )
