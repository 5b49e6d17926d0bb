"""YAML from strangers: what DeepLabCut writes is read, what does harm is refused at once."""

import math
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tasks.errors import BadInput
from tasks.pose.untrusted import yaml_loader
from tasks.pose.untrusted.yaml_loader import MAX_NODES, decode_text, load_mapping
from tasks.pose.untrusted.yaml_numbers import format_config


def refusal(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        load_mapping(text, "train/pytorch_config.yaml")
    message = str(caught.value)
    assert message.startswith("train/pytorch_config.yaml: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 500
    return message


@pytest.mark.parametrize(
    ("data", "text", "plain"),
    [
        ("Task: Mäuse".encode(), "Task: Mäuse", True),
        (b"", "", True),
        ("\ufeffTask: Mäuse".encode(), "Task: Mäuse", False),
        ("Task: Mäuse".encode("latin-1"), "Task: Mäuse", False),
        ("Task: it’s 5 €".encode("cp1252"), "Task: it’s 5 €", False),
        (b"Task: \x81\xe4", "Task: \x81ä", False),
        ("Task: Mäuse".encode("utf-16"), "Task: Mäuse", False),
        (b"\xfe\xff" + "Task: Mäuse".encode("utf-16-be"), "Task: Mäuse", False),
        (b"\xff\xfe\x00", "ÿþ\x00", False),
    ],
)
def test_text_is_decoded_as_its_editor_wrote_it(data: bytes, text: str, plain: bool) -> None:
    assert decode_text(data) == (text, plain)


@pytest.mark.parametrize("sign", ["no", "on", "yes", "Off", "NO"])
def test_words_that_old_yaml_takes_for_switches_stay_words(sign: str) -> None:
    assert load_mapping(f"bodyparts: [{sign}, tail]", "c") == {"bodyparts": [sign, "tail"]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: true\nb: False", {"a": True, "b": False}),
        ("a: 0.95\nb: [1, -1]\nc:", {"a": 0.95, "b": [1, -1], "c": None}),
        ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
        ("x: &x {a: 1}\ny: {<<: *x, b: 2}", {"x": {"a": 1}, "y": {"b": 2, "a": 1}}),
        ('a: "\\u00e4"', {"a": "ä"}),
        ("a: !!str 12\nb: !!float 3", {"a": "12", "b": 3.0}),
        (f"a: {'9' * 100}", {"a": int("9" * 100)}),
        (f"a: '{'9' * 5000}'", {"a": "9" * 5000}),
    ],
)
def test_plain_values_are_read(text: str, value: dict[str, Any]) -> None:
    assert load_mapping(text, "c") == value


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch /tmp/owned']",
        "a: !!python/name:os.system",
        "a: !!python/tuple [1, 2]",
        "!!python/object/new:dict {}",
        "a: !own 3",
    ],
)
def test_tags_that_build_objects_are_refused(text: str) -> None:
    assert "tag" in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!timestamp soon",
        "a: !!timestamp 2020-13-45",
        "a: 2020-13-45",
        "a: !!int ''",
        "a: !!int many",
        "a: !!float ''",
        "a: !!bool maybe",
        "a: !!binary é",
        "a: !!map [1]",
        "a: !!omap 1",
        "? [a, b]\n: 1",
        "? {a: 1}\n: 1",
        "<<: 1",
        "a: *nowhere",
        "a:\t- b",
        "a: [1, 2",
        "a: 'open",
        "a: b: c",
        "a: \x00",
        "a: \x1b[31m",
        "a: 1\n---\nb: 2",
        "%YAML 9.9\n---\na: 1",
        'a: "\\ud800"',
        "a: @x",
    ],
)
def test_what_is_no_yaml_is_refused(text: str) -> None:
    assert "expected plain YAML" in refusal(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "NoneType"), ("# x", "NoneType"), ("- a", "list"), ("a", "str"), ("3", "int")],
)
def test_what_is_no_mapping_is_refused(text: str, found: str) -> None:
    assert f"expected a mapping of settings, found {found}" in refusal(text)


def billion_laughs(opening: str, joined: str) -> str:
    lines = [f"a: &a {opening}"]
    lines += [
        f"{here}: &{here} {joined.format(','.join([f'*{above}'] * 10))}"
        for above, here in pairwise("abcdefghi")
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        billion_laughs("[lol]", "[{}]"),
        billion_laughs("{k: lol}", "{{<<: [{}]}}"),
        billion_laughs("{k: lol}", "{{x: [{}]}}"),
        "a: &a [*a]",
        "a: &a {b: *a}",
        "&a [*a, *a]",
    ],
)
def test_aliases_that_multiply_are_refused(text: str) -> None:
    assert f"more than {MAX_NODES} values" in refusal(text)


def test_too_many_values_are_refused_before_all_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_loader, "MAX_NODES", 1000)
    items = ",".join("1" * 500)
    assert "a" in load_mapping(f"a: [{items}]", "c")
    assert "more than 1000 values" in refusal(f"a: [[{items}], [{items}]]")
    assert "more than 1000 values" in refusal(f"a: [[{items}], [{items}, }} never closed")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        'a: 1\n"a": 2',
        "x: {a: 1, b: [{c: 1, c: 1}]}",
        "1: a\n1: b",
        "<<: {a: 1}\n<<: {}",
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    assert " a second time in line " in refusal(text)


def test_a_merged_key_may_be_overridden() -> None:
    text = "x: &x {a: 1}\ny: {<<: *x, a: 2}\n1: a\n'1': b"
    assert load_mapping(text, "c") == {"x": {"a": 1}, "y": {"a": 2}, 1: "a", "1": "b"}


def test_keys_that_all_fall_on_one_place_are_refused() -> None:
    numbers = [index * (2**61 - 1) for index in range(1, 1000)]
    assert len({hash(number) for number in numbers}) == 1
    assert "a key that is a number of" in refusal("\n".join(f"{n}: 1" for n in numbers))


def test_what_a_parser_quotes_cannot_turn_the_message_around() -> None:
    assert refusal("\u202ea: b: c").isprintable()


@pytest.mark.parametrize("sign", ["[", "{? ", "- ", "? ", "a: [", "!!seq ["])
def test_endless_nesting_is_refused(sign: str) -> None:
    refusal("x: " + sign * 5_000 if sign[0] in "[{" else sign * 5_000)


@pytest.mark.parametrize(
    "number",
    [
        "9" * 101,
        "0x" + "f" * 100_000,
        "9_" * 50_000 + "9",
        "0." + "1" * 100_000,
    ],
)
def test_numbers_that_take_minutes_to_read_are_refused(number: str) -> None:
    assert f"a number or date of {len(number)} characters" in refusal(f"a: {number}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("1e-05", 1e-5), ("-2E+3", -2000.0), ("1e5", 1e5), (".5", 0.5), ("1.", 1.0)),
        *(("010", 10), ("0o17", 15), ("-0x1F", -31), ("0b101", 5), ("+7", 7), ("1_000", 1000)),
        *(("1:30", "1:30"), ("1e", "1e"), ("e5", "e5"), ("0x", "0x"), ("0b12", "0b12")),
        *(("_1", "_1"), ("-.inf", -math.inf), ("1:30.5", "1:30.5"), ("'1e5'", "1e5")),
        ("1" + ":59" * 100_000, "1" + ":59" * 100_000),  # base 60 in YAML 1.1: takes minutes
    ],
)
def test_numbers_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = load_mapping(f"a: {text}", "c")["a"]
    assert (found, type(found)) == (value, type(value))
    from ruamel.yaml import YAML  # DeepLabCut's reader

    assert YAML(typ="safe", pure=True).load(f"a: {text}")["a"] == found


@pytest.mark.parametrize(
    "value",
    [1e-5, 1e22, 0.1, "1e5", "1e-05", "010", "0o17", "1:30", "no", "1_0", "2020-01-01", -3, ".5"],
)
def test_what_we_write_is_read_alike_by_both_readers(value: Any) -> None:
    from ruamel.yaml import YAML

    text = format_config({"a": value, "b": [value]})
    for found in (yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)):
        assert found == {"a": value, "b": [value]}
        assert type(found["a"]) is type(value)


USED = frozenset({"used"})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("videos: {a.mp4: 1, a.mp4: 2}\nused: 1", "videos"),
        ("videos:\n  a: {b: [{c: 1, c: 2}]}\nused: 1", "videos"),
        ("videos: 1\nused: 1\nvideos: 2", "videos"),
    ],
)
def test_a_key_twice_in_what_is_not_used_is_left_out(text: str, key: str) -> None:
    repairs: list[str] = []
    assert load_mapping(text, "c", USED, repairs) == {"used": 1}
    assert repairs == [f"c: {key} holds a key twice; it is not needed and was left out"]
    assert f"the key {'a.mp4' if 'mp4' in text else 'c' if 'c' in text else key}" in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "used: {a: 1, a: 2}",
        "used: 1\nused: 2",
        "videos: &v {a: 1, a: 2}\nused: *v",
        "other: 1\n? [used]\n: {a: 1, a: 2}",
    ],
)
def test_a_key_twice_in_what_is_used_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"a second time|unhashable"):
        load_mapping(text, "c", USED, [])


def test_a_section_without_such_a_key_stays() -> None:
    text = "videos: {a: 1}\nused: 1"
    assert load_mapping(text, "c", USED, []) == {"videos": {"a": 1}, "used": 1}


def test_what_is_read_can_be_written_again() -> None:
    text = "a: [no, 1.5, 2020-01-01, {b: !!set {x}}]\nc: &c [1]\nd: *c"
    value = load_mapping(text, "c")
    assert yaml.safe_load(yaml.safe_dump(value)) == value
