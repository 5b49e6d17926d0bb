"""Locations: what is understood, what is refused, and how they are joined."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.location import Location

_PRINTABLE = st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"])
_KEYS = st.text(_PRINTABLE, max_size=80)
_NAMES = st.text(
    st.characters(exclude_characters="\0\r\n/", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."})


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://bucket/key", "bucket", "key"),
        ("S3://bucket/key", "bucket", "key"),
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket/a/b/", "bucket", "a/b/"),
        ("s3://bucket//a", "bucket", "/a"),
        ("s3://bucket/a b+c%20d?e#f/é ", "bucket", "a b+c%20d?e#f/é "),
        ("s3://My_old.bucket/a", "My_old.bucket", "a"),
        ("/data/a.mp4", "", "/data/a.mp4"),
        ("/data/../data/./a.mp4", "", "/data/a.mp4"),
        ("/data/a%20b.mp4", "", "/data/a%20b.mp4"),
        ("/data/", "", "/data/"),
        ("/", "", "/"),
        ("file:///data/a%20b%2Bc.mp4", "", "/data/a b+c.mp4"),
        ("file:///data/a?b#c", "", "/data/a?b#c"),
        ("file://localhost/data/a", "", "/data/a"),
        ("file:/data/a", "", "/data/a"),
    ],
)
def test_what_is_understood(text: str, bucket: str, key: str) -> None:
    assert Location.parse(text) == Location(bucket, key)


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Location.parse("a/b.mp4").path == tmp_path / "a" / "b.mp4"
    assert Location.parse("./9:30.mp4").path == tmp_path / "9:30.mp4"
    assert Location.parse("a/").key == f"{tmp_path}/a/"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected s3://bucket/key, file:///path or a plain path; found nothing"),
        (" s3://bucket/key", "starts with a space"),
        ("http://host/bucket/key", "expected s3://bucket/key, .*; found the scheme 'http:'"),
        ("gs://bucket/key", "found the scheme 'gs:'"),
        ("gs:bucket/key", "written ./name"),
        ("s3:/bucket/key", "two slashes follow 's3:'"),
        ("s3:bucket", "two slashes follow 's3:'"),
        ("s3://", "found no bucket name"),
        ("s3:///key", "found no bucket name"),
        ("s3://ab/key", "found no bucket name"),
        ("s3://a..b/key", "found no bucket name"),
        ("s3://-bucket/key", "found no bucket name"),
        ("s3://user:pass@host/key", "found no bucket name"),
        ("s3://" + "a" * 64, "found no bucket name"),
        ("s3://bucket/a\nb", "line breaks"),
        ("s3://bucket/a\0b", "NUL"),
        ("s3://bucket/\ud800", "not valid Unicode"),
        ("/data/a\n", "line breaks"),
        ("file:///data/a%0Ab", "line breaks"),
        ("file:///data/a%00", "NUL"),
        ("file://server/data/a", "and an absolute path"),
        ("file:data/a", "and an absolute path"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Location.parse(text)


@pytest.mark.parametrize(
    "text", ["s3://user:secret@host/key", "https://bucket.s3.lab/a.mp4?X-Amz-Signature=secret"]
)
def test_secrets_in_an_address_are_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"[eE]xpected") as caught:
        Location.parse(text)
    assert "secret" not in str(caught.value)


@given(key=_KEYS)
def test_a_key_comes_back_literally(key: str) -> None:
    location = Location.parse(f"s3://bucket/{key}")
    assert location == Location("bucket", key)
    assert Location.parse(str(location)) == location


@given(text=st.lists(_NAMES, min_size=1).map("/".join).map("/{}".format))
def test_a_path_comes_back(text: str) -> None:
    location = Location.parse(text)
    assert Location.parse(str(location)) == location
    assert Location.parse(location.path.as_uri()) == location
    assert location.is_local


@given(text=st.text())
def test_nothing_but_a_value_error(text: str) -> None:
    try:
        location = Location.parse(text)
    except ValueError:
        return
    assert Location.parse(str(location)) == location


@given(names=st.lists(_NAMES, min_size=1))
def test_a_name_is_its_stem_and_suffix(names: list[str]) -> None:
    location = Location("bucket", "/".join(names))
    assert location.name == location.stem + location.suffix == names[-1]


@pytest.mark.parametrize(
    ("text", "name", "stem", "suffix"),
    [
        ("s3://bucket/in/m1.MP4", "m1.MP4", "m1", ".MP4"),
        ("s3://bucket/m1.tar.gz", "m1.tar.gz", "m1.tar", ".gz"),
        ("s3://bucket/.hidden", ".hidden", ".hidden", ""),
        ("s3://bucket/in/sub/", "sub", "sub", ""),
        ("s3://bucket/", "", "", ""),
        ("/data/m1.avi", "m1.avi", "m1", ".avi"),
    ],
)
def test_names(text: str, name: str, stem: str, suffix: str) -> None:
    location = Location.parse(text)
    assert (location.name, location.stem, location.suffix) == (name, stem, suffix)


def test_what_is_a_prefix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Location.parse("s3://bucket").is_prefix
    assert Location.parse("s3://bucket/a/").is_prefix
    assert not Location.parse("s3://bucket/a").is_prefix
    assert Location.parse(str(tmp_path)).is_prefix
    assert Location.parse(f"{tmp_path}/absent/").is_prefix
    assert not Location.parse(f"{tmp_path}/absent").is_prefix
    assert not Location.parse(f"{tmp_path}/file").is_prefix


def test_what_is_a_pattern() -> None:
    assert all(Location("bucket", key).has_glob for key in ("*.mp4", "m?.mp4", "m[12].mp4"))
    assert not Location("bucket", "m1]{a}.mp4").has_glob


@pytest.mark.parametrize("base", ["s3://bucket/out", "s3://bucket/out/"])
def test_joining(base: str) -> None:
    out = Location.parse(base)
    assert str(out.child("m1", "labeled.mp4")) == "s3://bucket/out/m1/labeled.mp4"
    assert str(out.child("m1/", "a/b")) == "s3://bucket/out/m1/a/b"
    assert str(out.child("m1/")) == "s3://bucket/out/m1/"
    assert out.child("m1/").is_prefix


def test_joining_below_a_root() -> None:
    assert str(Location.parse("s3://bucket").child("a")) == "s3://bucket/a"
    assert str(Location.parse("/").child("a")) == "/a"
    assert str(Location.parse("/data").child("a b", "c")) == "/data/a b/c"


@pytest.mark.parametrize("part", ["", "/a", "..", "a/../../b", ".", "a\nb"])
def test_joining_never_leads_out(part: str) -> None:
    with pytest.raises(ValueError, match=r"not a valid name below|line breaks"):
        Location.parse("s3://bucket/out").child(part)


def test_only_a_local_location_has_a_path() -> None:
    assert Location.parse("/data/a").path == Path("/data/a")
    with pytest.raises(ValueError, match="expected a local path"):
        _ = Location.parse("s3://bucket/a").path


def test_locations_sort_and_serve_as_keys() -> None:
    texts = ["s3://bucket/b", "s3://bucket/a", "/z"]
    assert [str(found) for found in sorted({Location.parse(text) for text in texts})] == [
        "/z",
        "s3://bucket/a",
        "s3://bucket/b",
    ]
