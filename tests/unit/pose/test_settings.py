"""The settings model: what it accepts, what it refuses, and what is made from it."""

import argparse
import json
import math
from collections import Counter
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.messages import LOCATION_FORM
from tasks.neural.neural_settings import NeuralSettings
from tasks.pose.form_schema import ERROR_MESSAGE
from tasks.pose.settings import (
    AnnotationsFormat,
    ColorBy,
    Crop,
    Labels,
    PoseSettings,
    QualityThresholds,
)
from tasks.pose.settings_help import render_settings_table, to_argparse_option
from tasks.pose.times_settings import TimesSettings

BOX = {"left": 0, "top": 0, "width": 10, "height": 20}


def messages(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        PoseSettings.model_validate(values)
    return "; ".join(
        f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in caught.value.errors()
    )


def test_the_defaults_are_those_of_the_ideas_tool() -> None:
    assert PoseSettings().movie_color_map == "rainbow"
    assert PoseSettings().model_dump(mode="json") == {
        "annotations_format": "parquet",
        "crop": None,
        "window_length": 5,
        "displayed_body_parts": "all",
        "p_cutoff": 0.6,
        "dot_size": 5,
        "color_map": "auto",  # rainbow, but in the previews
        "color_by": "bodypart",
        "keypoints_only": False,
        "output_frame_rate": None,
        "draw_skeleton": False,
        "trail_points": 0,
        # Those that the IDEAS tool does not have.
        "labels": "legend, frame and time",
        "histogram": "separate",
        "shuffle": None,
        "snapshot": None,
        "precision": "standard",
        "follow": "off",
        "follow_window": "auto",
        "quality": {
            "low_look": 0.1,
            "low_fail": 0.5,
            "jump_length": 0.1,
            "jumps_look": 0.01,
            "jumps_fail": 0.1,
            "outside_look": 0.001,
            "outside_fail": 0.05,
            "lost_fail": 0.1,
        },
        "crop_coordinates": "crop",
        "movement": False,
        "nwb": False,
        "nwb_metadata": None,
        "refine_frames": 0,
        "times": {"file": "auto", "column": "", "unit": "auto", "kind": "auto", "rate": None},
        "link_hours": 72,
        "spread_from": 0,
    }


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("annotations_format", ["parquet", "csv", AnnotationsFormat.CSV]),
        ("crop", [None, BOX]),
        ("window_length", [0, 1, 3, 5, 99, 101]),
        ("displayed_body_parts", ["all", ["nose"], ["nose", "left ear"]]),
        ("p_cutoff", [0, 0.0, 0.6, 1]),
        ("dot_size", [1, 100]),
        ("color_map", ["auto", "colorblind", "rainbow", "viridis_r", "Set1"]),
        ("color_by", ["bodypart", "individual", ColorBy.INDIVIDUAL]),
        ("precision", ["standard", "full", "half"]),
        ("follow", ["off", "auto"]),
        ("follow_window", ["auto", 32, 256, 8192]),
        ("keypoints_only", [True, False]),
        ("output_frame_rate", [None, 0.5, 29.97, 240]),
        ("draw_skeleton", [True, False]),
        ("trail_points", [0, 1000]),
        ("labels", ["none", "legend", "legend, frame and time", Labels.ALL]),
        ("histogram", ["separate", "together"]),
        ("link_hours", [0, 168]),
        ("spread_from", [0, 1, 500]),
    ],
)
def test_each_setting_accepts_its_whole_range(name: str, accepted: list[Any]) -> None:
    for value in accepted:
        assert PoseSettings.model_validate({name: value}).model_dump()[name] == value


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("annotations_format", ["PARQUET", "xlsx", "", None, 1]),
        ("crop", [[0, 0, 10, 20], "0 0 10 20", {}, BOX | {"right": 3}]),
        ("window_length", [-1, 2, 4, 100, 102, 103, 10**30, 2.5, "five", None, math.nan]),
        ("displayed_body_parts", ["nose", "All", [], ["nose", "nose"], [1], None]),
        ("p_cutoff", [-0.001, 1.001, math.nan, math.inf, -math.inf, "nan", None]),
        ("dot_size", [0, 101, -5, 2.5, math.nan, None]),
        ("color_map", ["", "rainbowish!", "jet\n", None, 5]),
        ("keypoints_only", [2, "perhaps", None]),
        ("output_frame_rate", [0, -1, 1e12, math.nan, math.inf, "fast"]),
        ("draw_skeleton", [2, "perhaps", None]),
        ("trail_points", [-1, 1001, 0.5, None]),
        ("labels", ["", "all", True, None]),
        ("histogram", ["both", None]),
        ("link_hours", [-1, 169, 0.5, None]),
        ("spread_from", [-1, 0.5, "many", None]),
        ("precision", ["double", 16, None]),
        ("follow", ["on", True, 256, None]),
        ("follow_window", ["off", 31, 8193, 64.5, True, "", None]),
        ("quality", [None, 0.5, {"low_look": 1.1}, {"low": 0.1}]),
    ],
)
def test_each_setting_refuses_what_is_outside_its_range(name: str, refused: list[Any]) -> None:
    for value in refused:
        assert messages(**{name: value}).startswith(name)


def test_off_is_off_as_yaml_reads_it_and_numbers_are_numbers_as_text() -> None:
    assert PoseSettings.model_validate({"follow": False}) == PoseSettings()
    sides = [PoseSettings.model_validate({"follow_window": w}) for w in ("auto", "256", 256)]
    assert [one.follow_side for one in sides] == [None, 256, 256]


@pytest.mark.parametrize("side", ["left", "top"])
def test_a_crop_may_not_begin_outside_the_frame(side: str) -> None:
    assert f"crop.{side}" in messages(crop=BOX | {side: -1})


@pytest.mark.parametrize("side", ["width", "height"])
def test_a_crop_may_not_be_empty(side: str) -> None:
    assert f"crop.{side}" in messages(crop=BOX | {side: 0})


@pytest.mark.parametrize("side", BOX)
def test_a_crop_needs_all_four_numbers(side: str) -> None:
    assert f"crop.{side}: Field required" in messages(
        crop={name: value for name, value in BOX.items() if name != side}
    )


def test_a_crop_knows_its_far_edges() -> None:
    crop = Crop(left=3, top=4, width=10, height=20)
    assert (crop.right, crop.bottom) == (13, 24)


@pytest.mark.parametrize(
    ("asked", "movie", "previews"),
    [
        ("auto", "rainbow", "colorblind"),
        ("rainbow", "rainbow", "rainbow"),
        ("colorblind", "colorblind", "colorblind"),
        ("viridis", "viridis", "viridis"),
    ],
)
def test_colors_of_the_movie_and_of_the_previews(asked: str, movie: str, previews: str) -> None:
    settings = PoseSettings(color_map=asked)
    assert (settings.movie_color_map, settings.preview_color_map) == (movie, previews)


def test_an_even_window_is_told_its_odd_neighbors() -> None:
    assert "try 3 or 5" in messages(window_length=4)


@pytest.mark.parametrize(("window", "filters"), [(0, False), (1, False), (3, True)])
def test_windows_0_and_1_mean_no_filter(window: int, filters: bool) -> None:
    assert PoseSettings(window_length=window).has_median_filter is filters


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("rainbw", "rainbow"), ("Viridis", "viridis"), ("RAINBOW", "rainbow"), ("set1", "Set1")],
)
def test_a_misspelled_colormap_is_told_what_was_meant(slip: str, meant: str) -> None:
    suggested = messages(color_map=slip).partition("did you mean ")[2]
    assert meant in suggested.rstrip("?").split(" or ")


def test_a_colormap_like_no_other_gets_no_suggestion() -> None:
    assert "did you mean" not in messages(color_map="qqqqqqq")


def test_a_list_of_all_means_all() -> None:
    settings = PoseSettings.model_validate({"displayed_body_parts": ["all"]})
    assert settings.displayed_body_parts == "all"


def test_a_body_part_that_is_named_twice_is_told() -> None:
    assert "twice: nose, ear, nose" in messages(displayed_body_parts=["nose", "ear", "nose"])


@pytest.mark.parametrize("extra", ["window", "Window_length", "pcutoff", ""])
def test_unknown_settings_are_refused(extra: str) -> None:
    assert "Extra inputs are not permitted" in messages(**{extra: 1})


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PoseSettings().p_cutoff = 0.1  # type: ignore[misc]


def test_settings_survive_a_round_trip_through_json() -> None:
    settings = PoseSettings(
        annotations_format=AnnotationsFormat.CSV,
        crop=Crop(**BOX),
        displayed_body_parts=["nose"],
        output_frame_rate=12.5,
    )
    assert PoseSettings.model_validate_json(settings.model_dump_json()) == settings


_GROUPS = ("Crop", "QualityThresholds", "TimesSettings")


def test_the_form_has_a_title_and_help_for_every_field() -> None:
    schema = PoseSettings.model_json_schema()
    groups = [schema["$defs"][name]["properties"] for name in _GROUPS]
    for field in (field for group in (schema["properties"], *groups) for field in group.values()):
        assert field["title"]
        assert field["description"].endswith(".")


def test_help_in_the_form_tells_the_range() -> None:
    schema = PoseSettings.model_json_schema()
    fields, shares = schema["properties"], schema["$defs"]["QualityThresholds"]["properties"]
    assert fields["dot_size"]["description"].endswith("a body part. 1 to 100.")
    assert fields["spread_from"]["description"].endswith(" 0 or more.")
    assert fields["output_frame_rate"]["description"].endswith(" Above 0, up to 100,000.")
    assert shares["low_look"]["description"].endswith(" 0 to 1.")


@pytest.mark.parametrize("model", [PoseSettings, BehaviorSettings, NeuralSettings])
def test_no_two_settings_have_the_same_help(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    groups = [schema, *schema.get("$defs", {}).values()]
    told = [
        field["description"]
        for group in groups
        for field in group.get("properties", {}).values()
        if "description" in field
    ]
    assert [text for text, count in Counter(told).items() if count > 1] == []


def test_usual_settings_come_first() -> None:
    """Those that the IDEAS tool has, in its order."""
    assert list(PoseSettings.model_fields)[:11] == [
        "annotations_format",
        "crop",
        "window_length",
        "displayed_body_parts",
        "p_cutoff",
        "dot_size",
        "color_map",
        "keypoints_only",
        "output_frame_rate",
        "draw_skeleton",
        "trail_points",
    ]


def test_the_form_has_bounds_and_defaults() -> None:
    fields = PoseSettings.model_json_schema()["properties"]
    bounds = {name: (field.get("minimum"), field.get("maximum")) for name, field in fields.items()}
    assert fields["window_length"]["enum"] == [0, *range(1, 102, 2)]
    assert bounds["p_cutoff"] == (0, 1)
    assert bounds["dot_size"] == (1, 100)
    assert bounds["trail_points"] == (0, 1000)
    assert {name: field["default"] for name, field in fields.items()} == json.loads(
        PoseSettings().model_dump_json()
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_length": 4},
        {"window_length": 103},
        {"output_frame_rate": -1},
        {"color_map": "rainbwo"},
        {"displayed_body_parts": ["nose", "nose"]},
        {"displayed_body_parts": []},
        {"quality": {"low_look": 2}},
        {"times": {"file": "../m1.csv"}},
        {"times": {"rate": 0}},
    ],
)
def test_the_form_refuses_what_the_model_refuses(wrong: dict[str, Any]) -> None:
    form = Draft202012Validator(PoseSettings.model_json_schema())
    assert list(form.iter_errors(wrong))
    messages(**wrong)
    assert not list(form.iter_errors(PoseSettings().model_dump(mode="json")))
    for window in (0, 1, 3, 101):
        assert form.is_valid({"window_length": window})


def test_the_settings_table_has_one_row_for_each_setting() -> None:
    header, ruler, *rows = render_settings_table().splitlines()
    assert len({line.count("|") for line in (header, ruler, *rows)}) == 1
    names = list(PoseSettings.model_fields)
    for group, kind in (("quality", QualityThresholds), ("times", TimesSettings)):
        place = names.index(group)
        names[place : place + 1] = [f"{group}.{name}" for name in kind.model_fields]
    assert [row.split("`")[1] for row in rows] == names
    assert not [row for row in rows if "|  |" in row]


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("annotations_format", ["csv"], "csv"),
        ("crop", ["1", "2", "3", "4"], [1, 2, 3, 4]),
        ("window_length", ["7"], 7),
        ("displayed_body_parts", ["nose", "left ear"], ["nose", "left ear"]),
        ("p_cutoff", ["0.25"], 0.25),
        ("dot_size", ["7"], 7),
        ("color_map", ["jet"], "jet"),
        ("keypoints_only", [], True),
        ("output_frame_rate", ["29.97"], 29.97),
        ("draw_skeleton", [], True),
        ("trail_points", ["7"], 7),
        ("quality", ["low_look=0.2", "low_fail=0.4"], ["low_look=0.2", "low_fail=0.4"]),
        ("times", ["file={stem}.csv", "unit=ms"], ["file={stem}.csv", "unit=ms"]),
        ("link_hours", ["7"], 7),
        ("spread_from", ["7"], 7),
    ],
)
def test_each_setting_is_a_flag(name: str, words: list[str], value: Any) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--it", **to_argparse_option(PoseSettings.model_fields[name]))
    assert parser.parse_args(["--it", *words]).it == value
    assert parser.parse_args([]).it is None


def test_a_flag_is_explained_with_its_default() -> None:
    option = to_argparse_option(PoseSettings.model_fields["p_cutoff"])
    assert option["help"].endswith("previews. (0 to 1; default: 0.6)")


def test_a_switch_can_be_switched_off() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--it", **to_argparse_option(PoseSettings.model_fields["keypoints_only"]))
    assert parser.parse_args(["--no-it"]).it is False


@pytest.mark.parametrize("name", ["shuffle", "snapshot"])
@pytest.mark.parametrize(
    ("given", "value"), [(3, 3), ("3", 3), (" 3 ", 3), ("best", "best"), ("", None), (None, None)]
)
def test_a_shuffle_or_a_snapshot_is_a_number_or_a_name(name: str, given: Any, value: Any) -> None:
    settings = PoseSettings.model_validate({name: given})
    assert getattr(settings, name) == value
    assert PoseSettings.model_validate_json(settings.model_dump_json()) == settings
    Draft202012Validator(PoseSettings.model_json_schema()).validate({name: given})


@pytest.mark.parametrize("value", [True, 1.5, ["best"], -1.2])
def test_another_shuffle_is_refused(value: Any) -> None:
    assert "shuffle" in messages(shuffle=value)


def test_nwb_needs_metadata() -> None:
    assert "give nwb_metadata" in messages(nwb=True)
    assert PoseSettings(nwb=True, nwb_metadata="s3://lab/nwb.yaml").nwb


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"window_length": 4}, "must be an odd number from 1 to 101, or 0 for no filter"),
        ({"window_length": 103}, "must be an odd number from 1 to 101, or 0 for no filter"),
        ({"times": {"file": "a/b.csv"}}, "must be a name in the movie's folder, without a path"),
    ],
)
def test_form_and_model_refuse_in_the_same_words(wrong: dict[str, Any], said: str) -> None:
    (error,) = Draft202012Validator(PoseSettings.model_json_schema()).iter_errors(wrong)
    assert error.schema[ERROR_MESSAGE] == said
    assert said in messages(**wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"output_frame_rate": 0}, "must be above 0, up to 100,000, or empty"),
        ({"nwb_metadata": "s3:/lab/nwb.yaml"}, LOCATION_FORM),
        ({"displayed_body_parts": []}, "must be all, or names of body parts, each of them once"),
    ],
)
def test_what_may_be_one_of_several_kinds_is_refused_in_words(
    wrong: dict[str, Any], said: str
) -> None:
    (error,) = Draft202012Validator(PoseSettings.model_json_schema()).iter_errors(wrong)
    assert error.schema[ERROR_MESSAGE] == said
