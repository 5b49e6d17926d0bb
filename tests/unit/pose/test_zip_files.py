"""Zips from strangers: nothing leaves its folder, nothing fills the disk, nothing is damaged."""

import stat
import struct
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tasks.pose import zip_files
from tasks.pose.errors import BadInput
from tasks.pose.zip_files import MAX_MEMBERS, open_zip
from tests.model_zips import write_zip

NOISE = bytes(range(256)) * 40


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "m.zip"


def names(path: Path) -> list[str]:
    with open_zip(path, "m.zip") as files:
        return [str(member.path) for member in files.members]


def unpacked(path: Path) -> list[bytes]:
    with open_zip(path, "m.zip") as files:
        return [files.read(member, member.info.file_size) for member in files.members]


def refusal(path: Path) -> str:
    """Why an archive is refused, at the latest when its members are read."""
    with pytest.raises(BadInput) as caught:
        unpacked(path)
    message = str(caught.value)
    assert message.startswith("m.zip: ")
    assert len(message.splitlines()) == 1
    return message


def write_members(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members:
            archive.writestr(member, data)
    return path


def patch_directory(path: Path, name: str, offset: int, form: str, value: int) -> None:
    """Overwrite a field of a member's entry in the zip's directory."""
    data = bytearray(path.read_bytes())
    start = data.rindex(name.encode()) - 46
    assert data[start : start + 4] == b"PK\x01\x02"
    struct.pack_into(form, data, start + offset, value)
    path.write_bytes(data)


def test_files_are_listed_and_folders_are_not(archive: Path) -> None:
    write_zip(archive, {"config.yaml": b"a: 1", "models/train/snapshot-1.pt": b"x"})
    assert names(archive) == ["config.yaml", "models/train/snapshot-1.pt"]


def test_backslashes_of_windows_are_folders(archive: Path) -> None:
    write_members(archive, ("models\\", b""), ("models\\train\\a.pt", b"x"))
    assert names(archive) == ["models/train/a.pt"]


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/models/._a.pt",
        "models/._a.pt",
        "models/.DS_Store",
        "Thumbs.db",
        "training-datasets/iteration-0/Documentation_data.pickle",
        "a/training-datasets/metadata.yaml",
    ],
)
def test_clutter_is_left_out(archive: Path, name: str) -> None:
    write_zip(archive, {"a.pt": b"x", name: b"y"})
    assert names(archive) == ["a.pt"]


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "a/../../b",
        "..",
        "a/..",
        "..\\a",
        "a\\..\\..\\b",
        "/etc/passwd",
        "//host/share/a",
        "\\\\host\\share\\a",
        "C:/a",
        "c:\\a",
        "C:a",
        "a\nb",
        "a\x1b[31mb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "../\n" + "x" * 5000,
        "__MACOSX/../../a",
    ],
)
def test_names_that_lead_outside_or_break_a_line_are_refused(archive: Path, name: str) -> None:
    write_members(archive, ("a.pt", b"x"), (name, b"y"))
    message = refusal(archive)
    assert "a member is called" in message
    assert len(message) < 600


@pytest.mark.parametrize("name", [".", "./a.pt", "a//b.pt", "a/./b.pt", "ä ö.pt", "a..b", "..a"])
def test_odd_but_harmless_names_are_accepted(archive: Path, name: str) -> None:
    write_members(archive, (name, b"y"))
    assert names(archive) == [str(PurePosixPath(name))]


def test_a_member_without_a_name_is_refused(archive: Path) -> None:
    write_members(archive, ("x", b"y"))
    archive.write_bytes(archive.read_bytes().replace(b"x", b"\0"))  # Python ends names there
    assert "is no name" in refusal(archive)


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_links_and_devices_are_refused(archive: Path, kind: int) -> None:
    link = zipfile.ZipInfo("models/snapshot-1.pt")
    link.external_attr = (kind | 0o777) << 16
    write_members(archive, (link, b"/etc/passwd"))
    assert "models/snapshot-1.pt is a link or a device" in refusal(archive)


def test_an_encrypted_member_is_refused(archive: Path) -> None:
    write_members(archive, ("a.pt", b"x"))
    patch_directory(archive, "a.pt", 8, "<H", 1)
    assert "a.pt is encrypted; zip it without a password" in refusal(archive)


def test_two_members_of_one_name_are_refused(archive: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        write_members(archive, ("a/b.pt", b"x"), ("a/b.pt", b"y"))
    assert "it holds a/b.pt 2 times" in refusal(archive)


@pytest.mark.parametrize("twin", ["a\\b.pt", "./a/b.pt", "a//b.pt"])
def test_two_spellings_of_one_name_are_refused(archive: Path, twin: str) -> None:
    write_members(archive, ("a/b.pt", b"x"), (twin, b"y"))
    assert "it holds a/b.pt 2 times" in refusal(archive)


def test_more_members_than_a_model_can_have_are_refused(archive: Path) -> None:
    write_members(archive, *((f"{index}", b"") for index in range(MAX_MEMBERS + 1)))
    assert f"it has {MAX_MEMBERS + 1} members, more than the {MAX_MEMBERS} allowed" in refusal(
        archive
    )


def test_a_flat_bomb_is_refused_before_it_is_unpacked(archive: Path) -> None:
    write_members(archive, ("models/snapshot-1.pt", bytes(2**24)))
    assert f"would unpack to {2**24} bytes" in refusal(archive)


def test_what_is_small_may_shrink_as_much_as_it_can(archive: Path) -> None:
    write_members(archive, ("config.yaml", bytes(2**20)))
    assert names(archive) == ["config.yaml"]


def test_more_bytes_than_a_model_can_have_are_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_files, "MAX_BYTES", 3 * len(NOISE))
    write_zip(archive, dict.fromkeys("abc", NOISE))
    assert names(archive) == ["a", "b", "c"]
    write_zip(archive, dict.fromkeys("abcd", NOISE))
    assert "leave out all snapshots but the one to use" in refusal(archive)


def test_a_member_cannot_hide_its_length(archive: Path) -> None:
    write_members(archive, ("a.pt", NOISE))
    patch_directory(archive, "a.pt", 24, "<I", 10)
    assert "a.pt is damaged" in refusal(archive)


def test_a_wrong_checksum_is_refused(archive: Path) -> None:
    write_members(archive, ("a.pt", NOISE))
    patch_directory(archive, "a.pt", 16, "<I", 12345)
    assert "a.pt is damaged (Bad CRC-32" in refusal(archive)


@pytest.mark.parametrize(
    "compression",
    [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA],
)
def test_damaged_bytes_are_refused_however_they_are_packed(archive: Path, compression: int) -> None:
    write_zip(archive, {"a.pt": NOISE}, compression)
    assert names(archive) == ["a.pt"]
    data = bytearray(archive.read_bytes())
    data[48:80] = b"\xff" * 32
    archive.write_bytes(data)
    assert "a.pt is damaged" in refusal(archive)


def test_a_way_of_packing_that_cannot_be_read_is_named(archive: Path) -> None:
    write_members(archive, ("a.pt", NOISE))
    deflate64 = 9
    patch_directory(archive, "a.pt", 10, "<H", deflate64)
    assert "packed in a way that cannot be read here" in refusal(archive)


@pytest.mark.parametrize("kept", [0, 1, 21, 30, 200])
def test_a_part_of_an_archive_is_refused(archive: Path, kept: int) -> None:
    write_zip(archive, {"a.pt": NOISE})
    archive.write_bytes(archive.read_bytes()[:kept])
    assert "found a file that is no zip, or only a part of one" in refusal(archive)


def test_an_archive_that_lost_its_beginning_is_refused(archive: Path) -> None:
    write_zip(archive, {"a.pt": NOISE})
    archive.write_bytes(archive.read_bytes()[100:])
    refusal(archive)


@pytest.mark.parametrize(
    "data", [b"hello", b"Rar!\x1a\x07\x00", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b"]
)
def test_another_kind_of_file_is_refused(archive: Path, data: bytes) -> None:
    archive.write_bytes(data * 100)
    assert "expected a zip of a DeepLabCut model folder" in refusal(archive)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "no zip" in refusal(tmp_path)


def test_an_empty_archive_has_no_files(archive: Path) -> None:
    write_members(archive)
    assert names(archive) == []


def test_a_member_is_written_as_it_was(archive: Path, tmp_path: Path) -> None:
    write_zip(archive, {"a/b.pt": NOISE * 300}, zipfile.ZIP_STORED)  # several chunks
    target = tmp_path / "new" / "folder" / "b.pt"
    with open_zip(archive, "m.zip") as files:
        files.extract(files.members[0], target)
    assert target.read_bytes() == NOISE * 300


def test_a_small_file_may_not_be_large(archive: Path) -> None:
    write_zip(archive, {"config.yaml": NOISE})
    with open_zip(archive, "m.zip") as files:
        assert files.read(files.members[0], len(NOISE)) == NOISE
        with pytest.raises(BadInput, match=f"has {len(NOISE)} bytes, more than the 100"):
            files.read(files.members[0], 100)


def test_an_error_of_the_disk_is_not_taken_for_damage(archive: Path, tmp_path: Path) -> None:
    write_zip(archive, {"a.pt": NOISE})
    (tmp_path / "taken").mkdir()
    with open_zip(archive, "m.zip") as files, pytest.raises(IsADirectoryError):
        files.extract(files.members[0], tmp_path / "taken")


def test_random_damage_is_refused_or_does_no_harm(archive: Path) -> None:
    write_members(archive, ("a/", b""), ("a/é.pt", NOISE), ("b.pt", NOISE))
    whole = archive.read_bytes()
    outcomes = set()
    for place in range(0, len(whole), 5):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            contents = unpacked(archive)
        except BadInput:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            assert set(contents) <= {NOISE, b""}
    assert outcomes == {"refused", "read"}
