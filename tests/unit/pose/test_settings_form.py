"""The form on the page: it has every setting, with its default, range and help, and no other."""

import pytest

from tasks.pose.settings import PoseSettings
from tasks.pose.settings_form import (
    FIRST_EXPERT_SETTING,
    FieldKind,
    FormField,
    describe_form,
    read_settings_form,
)
from tasks.pose.settings_help import iterate_settings

FIELDS = {field.name: field for field in describe_form()}


def entries(field: FormField) -> list[FormField]:
    return list(field.members or (field,))


def test_the_form_has_each_setting_once_with_the_help_of_the_command_line() -> None:
    settings = dict(iterate_settings(PoseSettings))
    assert list(FIELDS) == list(settings)
    for name, field in FIELDS.items():
        assert (field.title, field.description) == (
            settings[name].title,
            settings[name].description,
        )


def test_what_it_shows_at_first_are_the_defaults() -> None:
    shown = {one.name: one.value for field in FIELDS.values() for one in entries(field)}
    assert read_settings_form(shown) == (PoseSettings(), {})


def test_those_changed_most_often_come_first() -> None:
    expert = [field.is_expert for field in FIELDS.values()]
    assert expert == sorted(expert)
    assert FIELDS[FIRST_EXPERT_SETTING].is_expert
    assert not FIELDS["crop"].is_expert
    assert not FIELDS["displayed_body_parts"].is_expert


@pytest.mark.parametrize(
    ("name", "kind", "range_", "low", "high"),
    [
        ("p_cutoff", FieldKind.NUMBER, "0 to 1", 0, 1),
        ("dot_size", FieldKind.NUMBER, "1 to 100", 1, 100),
        ("output_frame_rate", FieldKind.NUMBER, "above 0, up to 100,000", 0, 100_000),
        ("quality.low_look", FieldKind.NUMBER, "0 to 1", 0, 1),
        ("spread_from", FieldKind.NUMBER, "0 or more", 0, None),
        ("keypoints_only", FieldKind.SWITCH, "", None, None),
        ("labels", FieldKind.CHOICE, "", None, None),
        ("crop", FieldKind.NUMBERS, "inside the frame", None, None),
        ("displayed_body_parts", FieldKind.BODY_PARTS, "", None, None),
        ("shuffle", FieldKind.OF_MODEL, None, None, None),
        ("times.file", FieldKind.TEXT, "auto, none, or a name", None, None),
    ],
)
def test_a_field_is_entered_by_what_it_takes(
    name: str, kind: FieldKind, range_: str | None, low: float | None, high: float | None
) -> None:
    field = FIELDS[name]
    assert (field.kind, field.low, field.high) == (kind, low, high)
    assert range_ in (None, field.range)


def test_choices_are_those_that_there_are() -> None:
    assert FIELDS["labels"].choices == ("none", "legend", "legend, frame and time")
    assert FIELDS["window_length"].choices[:4] == ("0", "1", "3", "5")
    assert {"auto", "colorblind", "viridis"} < set(FIELDS["color_map"].choices)


def test_what_is_entered_becomes_settings() -> None:
    settings, problems = read_settings_form(
        {
            "crop.left": "1",
            "crop.top": "2",
            "crop.width": "30",
            "crop.height": "40",
            "displayed_body_parts": ["nose", "tail"],
            "p_cutoff": "0.25",
            "keypoints_only": "true",
            "quality.low_look": "0.2",
            "times.kind": "edges",
            "snapshot": "200",
            "output_frame_rate": "",
        }
    )
    assert problems == {}
    assert settings is not None
    assert settings == PoseSettings.model_validate(
        {
            "crop": {"left": 1, "top": 2, "width": 30, "height": 40},
            "displayed_body_parts": ["nose", "tail"],
            "p_cutoff": 0.25,
            "keypoints_only": True,
            "quality": {"low_look": 0.2},
            "times": {"kind": "edges"},
            "snapshot": 200,
        }
    )


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"p_cutoff": "2"}, {"p_cutoff": "less than or equal to 1, found '2'"}),
        ({"dot_size": "x"}, {"dot_size": "valid integer"}),
        ({"window_length": "4"}, {"window_length": "try 3 or 5, found '4'"}),
        ({"displayed_body_parts": []}, {"displayed_body_parts": "names no body part"}),
        ({"displayed_body_parts": ["a", "a"]}, {"displayed_body_parts": "twice: a"}),
        ({"quality.low_look": "9"}, {"quality.low_look": "less than or equal to 1"}),
        (
            {"crop.left": "1", "crop.width": "0"},
            {
                "crop.top": "expected a value, found none",
                "crop.width": "greater than 0, found '0'",
                "crop.height": "expected a value, found none",
            },
        ),
        ({"nwb": "true"}, {"": "nwb needs a subject"}),
        ({"p_cutoff": "2", "dot_size": "0"}, {"p_cutoff": "less", "dot_size": "greater"}),
        ({"crop": "all", "crop.left": "1"}, {"crop": "no such setting", "crop.top": "expected"}),
        (
            {"__class__": "x", "quality.x.y": "1"},
            {"__class__": "no such", "quality.x.y": "no such"},
        ),
        ({"shuffle": ["1"]}, {"shuffle": "valid"}),
    ],
)
def test_each_mistake_is_told_at_its_field(
    values: dict[str, str | list[str]], problems: dict[str, str]
) -> None:
    settings, found = read_settings_form(values)
    assert settings is None
    assert problems.keys() <= found.keys()
    assert all(text in found[name] for name, text in problems.items()), found
