"""Zips from strangers: nothing leaves its folder, nothing fills the disk, nothing is damaged."""

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.pose.untrusted import zip_reader
from tasks.pose.untrusted.zip_names import MAX_DEPTH, MAX_PART_LENGTH
from tasks.pose.untrusted.zip_reader import MAX_MEMBERS, open_zip
from tasks.pose.untrusted.zip_structure import MAX_DIRECTORY_BYTES
from tests.support.model_zips import write_zip
from tests.support.raw_zips import (
    DEFLATED,
    DESCRIPTOR,
    ENCRYPTED,
    STORED,
    UTF_8,
    ZipEntry,
    build_zip,
    build_zip64_end,
)

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


def write_entries(path: Path, *entries: ZipEntry) -> None:
    path.write_bytes(build_zip(entries))


def test_files_are_listed_and_folders_are_not(archive: Path) -> None:
    write_zip(archive, {"config.yaml": b"a: 1", "models/train/snapshot-1.pt": b"x"})
    assert names(archive) == ["config.yaml", "models/train/snapshot-1.pt"]


def test_backslashes_of_windows_are_folders(archive: Path) -> None:
    write_members(archive, ("models\\", b""), ("models\\train\\a.pt", b"x"))
    assert names(archive) == ["models/train/a.pt"]


class Pipe(io.RawIOBase):
    """A file that cannot go back, as the output of a program that streams."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_was_streamed_is_read(archive: Path, compression: int, large: bool) -> None:
    """Sizes stand behind the data, with 64 bits where the program could not know better."""
    with Pipe(archive) as pipe, zipfile.ZipFile(pipe, "w", compression) as writer:
        for name in ("a.pt", "b.pt"):
            with writer.open(name, "w", force_zip64=large) as member:
                member.write(NOISE)
    assert archive.read_bytes()[6] & DESCRIPTOR
    assert unpacked(archive) == [NOISE, NOISE]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_of_64_bits_are_read(archive: Path, compression: int) -> None:
    with zipfile.ZipFile(archive, "w", compression) as writer:
        for name in ("a.pt", "b.pt"):
            with writer.open(name, "w", force_zip64=True) as member:
                member.write(NOISE)
    assert archive.read_bytes()[18:26] == b"\xff" * 8
    assert unpacked(archive) == [NOISE, NOISE]


def test_an_end_of_64_bits_is_read(archive: Path) -> None:
    data = build_zip([ZipEntry(b"a.pt", NOISE)])
    begin = data.rindex(b"PK\x01\x02")
    short = data[:-22]
    end = build_zip64_end(1, len(short) - begin, begin, len(short))
    archive.write_bytes(short + end)
    assert unpacked(archive) == [NOISE]


def test_what_macos_makes_is_read(archive: Path) -> None:
    """Its own headers have no sizes, and it adds fields and files of its own."""
    field = struct.pack("<HHQ", 0x5855, 8, 0)
    mac = {"flags": DESCRIPTOR, "local_size": 0, "local_packed_size": 0, "local_extra": field}
    write_entries(
        archive,
        ZipEntry(b"m/", flags=DESCRIPTOR, method=STORED, mode=stat.S_IFDIR | 0o755),
        ZipEntry(b"m/a.pt", NOISE, **mac),  # type: ignore[arg-type]
        ZipEntry(b"__MACOSX/", mode=stat.S_IFDIR | 0o755),
        ZipEntry(b"__MACOSX/m/._a.pt", NOISE, **mac),  # type: ignore[arg-type]
    )
    assert names(archive) == ["m/a.pt"]
    assert unpacked(archive) == [NOISE]


@pytest.mark.parametrize(
    "entries",
    [
        [ZipEntry("mäuse/a.pt".encode("cp437"), NOISE)],
        [ZipEntry("mäuse/a.pt".encode(), NOISE, flags=UTF_8)],
        [ZipEntry("小鼠/a.pt".encode("gbk"), NOISE)],
        [ZipEntry(b"empty/"), ZipEntry(b"empty\\too\\"), ZipEntry(b"a.pt", NOISE)],
        [ZipEntry(b"folder", mode=stat.S_IFDIR | 0o755), ZipEntry(b"folder/a.pt", NOISE)],
        [ZipEntry(b"a.pt", NOISE, mode=0), ZipEntry(b"b/", packed=b"\x03\x00")],
        [ZipEntry(b"a.pt", NOISE, method=STORED), ZipEntry(b"a.txt")],
    ],
)
def test_what_other_programs_make_is_read(archive: Path, entries: list[ZipEntry]) -> None:
    write_entries(archive, *entries)
    assert NOISE in unpacked(archive)


def test_a_comment_and_a_mark_for_split_archives_are_read_over(archive: Path) -> None:
    archive.write_bytes(
        build_zip([ZipEntry(b"a.pt", NOISE)], before=b"PK00", comment=b"c" * 65_535)
    )
    assert unpacked(archive) == [NOISE]


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
        "a\u202egpj.pt",
        "a\u2067b",
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


@pytest.mark.parametrize("name", [b"a.pt\0", b"a.pt\0.txt", b"\0a.pt"])
def test_a_name_does_not_end_at_a_zero(archive: Path, name: bytes) -> None:
    write_entries(archive, ZipEntry(name, b"x"))
    assert "a member is called" in refusal(archive)


def test_a_member_without_a_name_is_refused(archive: Path) -> None:
    write_members(archive, ("x", b"y"))
    archive.write_bytes(archive.read_bytes().replace(b"x", b"\0"))  # Python ends names there
    assert "not a valid name" in refusal(archive)


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_links_and_devices_are_refused(archive: Path, kind: int) -> None:
    link = zipfile.ZipInfo("models/snapshot-1.pt")
    link.external_attr = (kind | 0o777) << 16
    write_members(archive, (link, b"/etc/passwd"))
    assert f"models/snapshot-1.pt is a {'link' if kind == stat.S_IFLNK else 'device'}" in refusal(
        archive
    )


@pytest.mark.parametrize("name", ["videos", "videos/"])
def test_a_link_beside_is_never_looked_at(archive: Path, name: str) -> None:
    """Projects hold links to where videos really are; zip programs store them with -y."""
    link = zipfile.ZipInfo(name)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    write_members(archive, (link, b"/data/videos"), ("a.pt", b"x"))
    with open_zip(archive, "m.zip") as files:
        member = files.find_member(PurePosixPath("a.pt"))
        assert member is not None
        assert files.read(member, 1) == b"x"
        with pytest.raises(BadInput, match=r"^m\.zip: videos is a link, which a zip"):
            files.find_member(PurePosixPath("videos/m1.mp4"))


def test_an_encrypted_member_is_refused(archive: Path) -> None:
    write_entries(archive, ZipEntry(b"a.pt", b"x", flags=ENCRYPTED))
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


def test_what_is_never_read_may_be_of_any_size(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty table of a labeled video shrinks a thousandfold, and videos are large."""
    monkeypatch.setattr(zip_reader, "MAX_UNPACKED_BYTES", 2**20)
    write_members(archive, ("labeled-data/m1/CollectedData_me.h5", bytes(2**24)), ("a.pt", b"x"))
    with open_zip(archive, "m.zip") as files:
        assert files.read(files.members[1], 1) == b"x"


def test_a_project_with_thousands_of_labeled_frames_is_read(archive: Path) -> None:
    frames = [f"labeled-data/a mouse in the maze/img{index:06}.png" for index in range(10_050)]
    write_entries(archive, ZipEntry(b"a.pt", NOISE), *(ZipEntry(name.encode()) for name in frames))
    assert len(names(archive)) == len(frames) + 1


def test_what_is_small_may_shrink_as_much_as_it_can(archive: Path) -> None:
    write_members(archive, ("config.yaml", bytes(2**20)))
    assert names(archive) == ["config.yaml"]


def test_more_bytes_than_a_model_can_have_are_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_reader, "MAX_UNPACKED_BYTES", 3 * len(NOISE))
    write_zip(archive, dict.fromkeys("abc", NOISE))
    assert names(archive) == ["a", "b", "c"]
    write_zip(archive, dict.fromkeys("abcd", NOISE))
    assert "d and the files read before it have 40960 bytes, more than the 30720" in refusal(
        archive
    )


@pytest.mark.parametrize("lie", [{"size": 10}, {"size": 10**6}, {"packed_size": 3}, {"crc": 1}])
def test_a_member_whose_own_header_says_otherwise_is_refused(
    archive: Path, lie: dict[str, int]
) -> None:
    crc = lie.pop("crc", None)
    entry = ZipEntry(b"a.pt", NOISE, **lie)  # type: ignore[arg-type]
    data = build_zip([entry])
    if crc is not None:
        data = data[:14] + struct.pack("<I", crc) + data[18:]
    archive.write_bytes(data)
    assert "a.pt has other sizes or another checksum in its own header" in refusal(archive)


@pytest.mark.parametrize("method", [STORED, DEFLATED])
@pytest.mark.parametrize("size", [0, 10, len(NOISE) - 1, len(NOISE) + 1, 10**6])
def test_a_member_cannot_lie_about_its_length(archive: Path, method: int, size: int) -> None:
    """Not even with the checksum of what it pretends to be."""
    crc = zlib.crc32(NOISE[:size])
    write_entries(archive, ZipEntry(b"a.pt", NOISE, method, size=size, local_size=size, crc=crc))
    assert "a.pt is damaged" in refusal(archive)


def test_a_wrong_checksum_is_refused(archive: Path) -> None:
    write_entries(archive, ZipEntry(b"a.pt", NOISE, crc=12345))
    assert "a.pt is damaged (Bad CRC-32" in refusal(archive)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_bytes_are_refused_however_they_are_packed(archive: Path, compression: int) -> None:
    write_zip(archive, {"a.pt": NOISE}, compression)
    assert names(archive) == ["a.pt"]
    data = bytearray(archive.read_bytes())
    data[48:80] = b"\xff" * 32
    archive.write_bytes(data)
    assert "a.pt is damaged" in refusal(archive)


@pytest.mark.parametrize(
    ("method", "called"),
    [(9, "Deflate64"), (12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (77, "unknown method (77)")],
)
def test_another_way_of_packing_is_named(archive: Path, method: int, called: str) -> None:
    write_entries(archive, ZipEntry(b"a.pt", NOISE, method, packed=b"x" * 99))
    message = refusal(archive)
    assert f"a.pt is packed with {'an ' if 'unknown' in called else ''}{called}" in message
    assert message.endswith("zip it again with the usual method, Deflate")


def test_members_that_share_bytes_are_refused(archive: Path) -> None:
    one, other = ZipEntry(b"a", NOISE), ZipEntry(b"b", NOISE, offset=0, absent=True)
    write_entries(archive, one, other)
    assert "a and b overlap" in refusal(archive)
    write_entries(archive, one, ZipEntry(b"b", b"y"), ZipEntry(b"c", b"", offset=40, absent=True))
    assert "c is not where its list of members says" in refusal(archive)


def test_a_list_of_members_that_is_too_large_is_not_even_read(archive: Path) -> None:
    size = 100 * MAX_DIRECTORY_BYTES
    with archive.open("wb") as file:
        file.seek(size)
        file.write(build_zip64_end(1, size, 0, size))
    assert f"its list of members has {size} bytes, more than the {MAX_DIRECTORY_BYTES}" in refusal(
        archive
    )


@pytest.mark.parametrize("count", [0, 1, 3, 65_000])
def test_a_wrong_number_of_members_is_refused(archive: Path, count: int) -> None:
    archive.write_bytes(build_zip([ZipEntry(b"a"), ZipEntry(b"b")], count=count))
    assert f"it says that it has {count} members and has 2" in refusal(archive)


def test_what_stands_before_or_after_an_archive_is_refused(archive: Path) -> None:
    archive.write_bytes(build_zip([ZipEntry(b"a")], before=b"MZ" * 20))
    assert "40 bytes stand before its first member" in refusal(archive)
    archive.write_bytes(build_zip([ZipEntry(b"a")], after=b"\n"))
    assert "something stands after its end" in refusal(archive)
    archive.write_bytes(build_zip([], before=b"MZ" * 20))
    assert "40 bytes stand before its first member" in refusal(archive)


def test_a_part_that_ends_with_a_zip_of_its_own_is_refused(archive: Path) -> None:
    """A snapshot is a zip too, and its end can be taken for that of what was cut off."""
    inner = build_zip([ZipEntry(b"snapshot/data.pkl", NOISE)])
    data = build_zip([ZipEntry(b"a.pt", inner, method=STORED)])
    archive.write_bytes(data[: data.rindex(b"PK\x01\x02")])
    assert "it is a part of a zip" in refusal(archive)


@pytest.mark.parametrize("name", [b"a", b"a/", b"a/b"])
def test_a_file_that_is_a_folder_too_is_refused(archive: Path, name: bytes) -> None:
    write_entries(archive, ZipEntry(b"a" if name != b"a" else b"a/c", b"x"), ZipEntry(name))
    assert "is both a file and a folder" in refusal(archive)


@pytest.mark.parametrize(
    "entry",
    [ZipEntry(b"a/", b"x"), ZipEntry(b"a\\", b"x"), ZipEntry(b"a", b"x", mode=stat.S_IFDIR)],
)
def test_a_folder_with_data_is_refused(archive: Path, entry: ZipEntry) -> None:
    write_entries(archive, entry)
    assert "a is a folder that has data" in refusal(archive)


@pytest.mark.parametrize("twin", ["A/b.pt", "a/B.PT", "a/b.pt ", "a/b.pt.", "a./b.pt"])
def test_what_windows_or_macos_take_for_one_file_is_not_read(archive: Path, twin: str) -> None:
    write_members(archive, ("a/b.pt", b"x"), (twin, b"y"))
    assert "in two spellings, which Windows or macOS take for one file" in refusal(archive)


def test_accents_in_two_forms_are_not_read(archive: Path) -> None:
    write_members(archive, ("é.pt", b"x"), ("e\u0301.pt", b"y"))
    assert "in two spellings" in refusal(archive)


def test_other_files_may_differ_in_case(archive: Path) -> None:
    write_members(archive, ("a.pt", b"x"), ("videos/m1.MP4", b"y"), ("videos/m1.mp4", b"z"))
    with open_zip(archive, "m.zip") as files:
        assert files.read(files.members[0], 1) == b"x"


@pytest.mark.parametrize(
    "name", ["x" * (MAX_PART_LENGTH + 1), "x" * 65_000, "d/" * MAX_DEPTH + "a", "d/" * 30_000 + "a"]
)
def test_a_name_that_no_file_system_holds_is_refused(archive: Path, name: str) -> None:
    write_members(archive, (name, b"y"))
    message = refusal(archive)
    assert "longer or deeper than any file system allows" in message
    assert len(message) < 600


@pytest.mark.parametrize("kept", [0, 1, 21, 30, 200])
def test_a_part_of_an_archive_is_refused(archive: Path, kept: int) -> None:
    write_zip(archive, {"a.pt": NOISE})
    archive.write_bytes(archive.read_bytes()[:kept])
    assert "found a file that is not a zip, or only a part of one" in refusal(archive)


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
    assert "not a zip" in refusal(tmp_path)


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
