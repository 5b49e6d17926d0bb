"""Archives that attack whoever opens a zip, each made from a model that is otherwise good."""

import bz2
import lzma
import stat
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tests.support.hostile_cases import HostileCase, Outcome
from tests.support.model_zips import MODEL_FOLDER, SNAPSHOT_NAME, TRAIN_FOLDER, WEIGHTS, model_files
from tests.support.raw_zips import (
    BZIP2,
    DEFERRED_32,
    DEFLATE64,
    DESCRIPTOR,
    ENCRYPTED,
    FILE_MODE,
    LZMA,
    STORED,
    UTF_8,
    ZipEntry,
    build_zip,
    build_zip64_end,
    build_zip64_field,
    to_entries,
    write_data,
)

WEIGHTS_PATH = f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}"
MEGABYTE = 2**20
NESTING_DEPTH = 8


def good_entries() -> list[ZipEntry]:
    return to_entries(model_files())


def entries_with_snapshot(snapshot: ZipEntry) -> list[ZipEntry]:
    """A good model, but for its snapshot."""
    files = model_files()
    del files[WEIGHTS_PATH]
    return [*to_entries(files), snapshot]


def snapshot_entry(data: bytes = WEIGHTS, **lies: object) -> ZipEntry:
    return ZipEntry(WEIGHTS_PATH.encode(), data, **lies)  # type: ignore[arg-type]


def make_case_with_member(
    name: str, extra: ZipEntry, says: str = "", outcome: Outcome = "refused"
) -> HostileCase:
    """A good model with one member more."""
    return make_case_of_bytes(name, lambda: build_zip([*good_entries(), extra]), says, outcome)


def make_case_with_snapshot(name: str, entry: ZipEntry, says: str = "") -> HostileCase:
    """A good model with another snapshot."""
    return make_case_of_bytes(name, lambda: build_zip(entries_with_snapshot(entry)), says)


def make_case_of_bytes(
    name: str, data: Callable[[], bytes], says: str = "", outcome: Outcome = "refused"
) -> HostileCase:
    return HostileCase(name, lambda path: write_data(path, data()), says, outcome)


# --- too much ---------------------------------------------------------------------------------


def build_quoted_overlap() -> bytes:
    """Fifield's bomb: each member's data quotes the next one's header, then shares its data."""
    chain = [ZipEntry(b"n", bytes(MEGABYTE))]
    for index in range(NESTING_DEPTH):
        inner = chain[0]
        header = inner.to_local_record()[: -len(inner.body)]
        quote = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF)  # a stored block
        packed = quote + header + inner.body
        chain.insert(0, ZipEntry(b"n%d" % index, header + inner.data, packed=packed))
    place = total_size(good_entries())
    for outer, inner in pairwise(chain):
        place += 30 + len(outer.name) + len(quote)  # a header, and the block's
        inner.offset, inner.absent = place, True
    return build_zip([*good_entries(), *chain])


def total_size(entries: list[ZipEntry]) -> int:
    return sum(len(entry.to_local_record()) for entry in entries)


def build_full_overlap() -> bytes:
    """Many entries of the directory that point to one member."""
    kernel = ZipEntry(b"n", bytes(MEGABYTE))
    place, data = total_size(good_entries()), bytes(MEGABYTE)
    more = [ZipEntry(b"n%d" % index, data, offset=place, absent=True) for index in range(50)]
    return build_zip([*good_entries(), kernel, *more])


def write_many_members(path: Path, count: int = 100_000) -> None:
    """So many members, in a directory that is really there."""
    body = b"".join(entry.to_local_record() for entry in good_entries())
    one = ZipEntry(b"000000", absent=True, method=STORED, size=0, packed_size=0)
    entry = one.to_directory_record(0)
    names = (b"%06d" % index for index in range(count))
    directory = b"".join(entry[:46] + name for name in names)
    end = build_zip64_end(count, len(directory), len(body), len(body) + len(directory))
    path.write_bytes(body + directory + end)


def write_endless_directory(path: Path, size: int = 400 * MEGABYTE) -> None:
    """A directory of long names; the file is sparse."""
    entry = ZipEntry(b"\0" * 65_535, absent=True, method=STORED).to_directory_record(0)
    count = size // len(entry)
    with path.open("wb") as file:
        file.write(b"".join(member.to_local_record() for member in good_entries()))
        begin = file.tell()
        for index in range(count):
            file.seek(begin + index * len(entry))
            file.write(entry[:46])
        end = begin + count * len(entry)
        file.seek(end)
        file.write(build_zip64_end(count, end - begin, begin, end))


def build_empty_fields() -> bytes:
    """Extra fields of thousands of empty parts, which take long to walk through."""
    extra = struct.pack("<HH", 0x9999, 0) * 16_000
    return build_zip(
        [*good_entries(), *(ZipEntry(b"%d" % index, extra=extra) for index in range(60))]
    )


def bomb_cases() -> list[HostileCase]:
    ten_gb = 10 * 2**30
    zeros = bytes(16 * MEGABYTE)
    bz, lz = bz2.compress(bytes(8 * MEGABYTE)), pack_lzma(bytes(8 * MEGABYTE))
    noise_and_zeros = WEIGHTS * 50
    return [
        make_case_with_member(
            "flat bomb that is never unpacked", ZipEntry(b"zeros.bin", zeros), outcome="opened"
        ),
        make_case_with_snapshot("snapshot of zeros", snapshot_entry(zeros), "zip bomb"),
        make_case_with_member(
            "zip in a zip in a zip",
            ZipEntry(
                b"inner.zip", build_zip([ZipEntry(b"a.zip", build_zip([ZipEntry(b"z", zeros)]))])
            ),
            outcome="opened",
        ),
        make_case_with_member(
            "ten gigabytes by its own words",
            ZipEntry(
                b"big.bin",
                noise_and_zeros,
                size=DEFERRED_32,
                packed_size=DEFERRED_32,
                extra=build_zip64_field(ten_gb, ten_gb // 2),
            ),
        ),
        make_case_with_snapshot(
            "bzip2 that unpacks to more than it says",
            snapshot_entry(
                b"", method=BZIP2, packed=bz, size=100 * len(bz), local_size=100 * len(bz)
            ),
            "bzip2",
        ),
        make_case_with_snapshot(
            "lzma that unpacks to more than it says",
            snapshot_entry(
                b"", method=LZMA, packed=lz, size=100 * len(lz), local_size=100 * len(lz)
            ),
            "LZMA",
        ),
        make_case_with_snapshot(
            "lzma with a dictionary of 4 GB",
            snapshot_entry(
                b"",
                method=LZMA,
                packed=b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + lz[9:],
                size=999,
                local_size=999,
            ),
            "LZMA",
        ),
        make_case_of_bytes("quoted overlap", build_quoted_overlap, "overlap"),
        make_case_of_bytes("full overlap", build_full_overlap, "overlap"),
        HostileCase("100,000 members", write_many_members, "members"),
        HostileCase(
            "a million members", lambda path: write_many_members(path, 1_000_000), "members"
        ),
        HostileCase("a directory of 400 MB", write_endless_directory, "members"),
        make_case_of_bytes("extra fields without end", build_empty_fields, outcome="opened"),
        make_case_of_bytes(
            "comment of 65,535 bytes",
            lambda: build_zip(good_entries(), comment=b"\x1b[31m" * 13_107),
            outcome="opened",
        ),
    ]


def pack_lzma(data: bytes) -> bytes:
    """LZMA as a zip holds it: version, length of the properties, properties, stream."""
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 6}]
    stream = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    return struct.pack("<BBHBI", 9, 4, 5, 0x5D, 1 << 23) + stream


# --- lies and damage --------------------------------------------------------------------------


def lie_cases() -> list[HostileCase]:
    half = WEIGHTS[: len(WEIGHTS) // 2]
    return [
        make_case_with_snapshot(
            "directory: longer than it is", snapshot_entry(size=len(WEIGHTS) + 9)
        ),
        make_case_with_snapshot("directory: shorter than it is", snapshot_entry(size=10)),
        make_case_with_snapshot(
            "shorter than it is, checksum of the beginning",
            snapshot_entry(size=len(half), local_size=len(half), crc=zlib.crc32(half)),
        ),
        make_case_with_snapshot(
            "stored, shorter than it is, checksum of the beginning",
            snapshot_entry(
                method=STORED, size=len(half), local_size=len(half), crc=zlib.crc32(half)
            ),
        ),
        make_case_with_snapshot(
            "directory: packed to less than it is", snapshot_entry(packed_size=20)
        ),
        make_case_with_snapshot(
            "directory: packed to more than the file", snapshot_entry(packed_size=2**31)
        ),
        make_case_with_snapshot(
            "own header: longer than it is", snapshot_entry(local_size=2**31), "its own header"
        ),
        make_case_with_snapshot(
            "own header: shorter than it is", snapshot_entry(local_size=10), "its own header"
        ),
        make_case_with_snapshot(
            "own header: packed to less", snapshot_entry(local_packed_size=3), "its own header"
        ),
        make_case_with_snapshot("own header: another name", snapshot_entry(local_name=b"evil.pt")),
        make_case_with_snapshot(
            "empty by its own words", snapshot_entry(size=0, local_size=0, crc=0)
        ),
        make_case_with_snapshot("wrong checksum", snapshot_entry(crc=12345)),
        make_case_with_snapshot("damaged stream", snapshot_entry(packed=b"\xff" * 500)),
        make_case_with_snapshot("begins outside the file", snapshot_entry(offset=2**31)),
        make_case_with_snapshot(
            "begins where only 64 bits reach",
            snapshot_entry(offset=DEFERRED_32, extra=build_zip64_field(2**63 + 5)),
        ),
        make_case_with_snapshot("begins inside another member", snapshot_entry(offset=12)),
        make_case_with_snapshot(
            "zip64 sizes beyond all disks",
            snapshot_entry(
                size=DEFERRED_32, packed_size=DEFERRED_32, extra=build_zip64_field(2**60, 2**60)
            ),
        ),
        make_case_with_snapshot(
            "zip64 field cut short", snapshot_entry(size=DEFERRED_32, extra=b"\1\0\4\0abcd")
        ),
        make_case_of_bytes("zip64 end: 2^60 members", lambda: build_zip64(count=2**60)),
        make_case_of_bytes("zip64 end: a directory of 2^62 bytes", lambda: build_zip64(size=2**62)),
        make_case_of_bytes("zip64 end: a directory at 2^63", lambda: build_zip64(offset=2**63 + 9)),
        make_case_of_bytes(
            "end: fewer members than there are", lambda: build_zip(good_entries(), count=1)
        ),
        make_case_of_bytes(
            "end: more members than there are", lambda: build_zip(good_entries(), count=9999)
        ),
        make_case_of_bytes(
            "cut in half", lambda: build_zip(good_entries())[:1000], "upload it again"
        ),
        make_case_of_bytes(
            "cut in its directory", lambda: build_zip(good_entries())[:-60], "upload it again"
        ),
        make_case_of_bytes("directory cut out", build_without_directory),
        make_case_of_bytes(
            "something before", lambda: build_zip(good_entries(), before=b"MZ" * 5000), "before"
        ),
        make_case_of_bytes(
            "something after", lambda: build_zip(good_entries(), after=b"<html>" * 500), "after"
        ),
        make_case_of_bytes(
            "much after", lambda: build_zip(good_entries(), after=b"x" * 70_000), "upload it again"
        ),
        make_case_of_bytes("empty file", lambda: b"", "upload it again"),
        make_case_with_snapshot("encrypted", snapshot_entry(flags=ENCRYPTED), "password"),
        make_case_with_snapshot(
            "strongly encrypted", snapshot_entry(flags=ENCRYPTED | 0x40), "password"
        ),
        make_case_with_snapshot(
            "deflate64", snapshot_entry(method=DEFLATE64, packed=b"x" * 99), "Deflate64"
        ),
        make_case_with_snapshot(
            "packed by nobody knows what", snapshot_entry(method=77, packed=b"x"), "77"
        ),
        make_case_with_snapshot("patch data", snapshot_entry(flags=0x20)),
    ]


def build_zip64(**lie: int) -> bytes:
    """A good zip whose end has 64 bits, and may lie in them."""
    short = build_zip(good_entries())[:-22]
    directory = b"".join(e.to_directory_record(0) for e in good_entries())
    true = {
        "count": len(good_entries()),
        "size": len(directory),
        "offset": len(short) - len(directory),
    }
    return short + build_zip64_end(**(true | lie), place=len(short))


def build_without_directory() -> bytes:
    data = build_zip(good_entries())
    begin = data.index(b"PK\x01\x02")
    return data[: begin + 50] + data[-22:]


# --- names and kinds --------------------------------------------------------------------------


def name_cases() -> list[HostileCase]:
    bad = {
        "absolute path": b"/tmp/owned.pt",
        "drive letter": b"C:\\owned.pt",
        "parent": b"../owned.pt",
        "parent in the middle": b"a/../../owned.pt",
        "parent with backslashes": b"..\\..\\owned.pt",
        "parents of a Windows share": b"\\\\host\\share\\owned.pt",
        "newline": b"a\nrefused: nothing.pt",
        "escape": b"a\x1b[2Jb.pt",
        "NUL": WEIGHTS_PATH.encode() + b"\0.txt",
        "NUL after a parent": b"..\0/a.pt",
        "longest name of all": b"n" * 65_535,
        "deepest path of all": b"d/" * 32_000 + b"a.pt",
        "name without letters": b"",
        "a folder with data": b"models/",
    }
    cases = [
        make_case_with_member(f"name: {what}", ZipEntry(name, b"x")) for what, name in bad.items()
    ]
    override = "a\u202egpj.exe".encode()
    broken = ZipEntry(b"\xff\xfe.pt", b"x", flags=UTF_8)
    return [
        *cases,
        make_case_with_member(
            "name: right to left", ZipEntry(override, b"x", flags=UTF_8), "a member is called"
        ),
        make_case_with_member("name: broken UTF-8", broken),
    ]


def twin_cases() -> list[HostileCase]:
    other = WEIGHTS + b"x"
    spelled = {
        "the same name": WEIGHTS_PATH,
        "case": WEIGHTS_PATH.replace("snapshot", "Snapshot"),
        "case of a folder": WEIGHTS_PATH.replace("/train/", "/Train/"),
        "slashes": WEIGHTS_PATH.replace("/", "\\"),
        "a dot more": f"./{WEIGHTS_PATH}",
        "a dot at the end": f"{WEIGHTS_PATH}.",
        "a space at the end": f"{WEIGHTS_PATH} ",
    }
    return [
        *(
            make_case_with_member(f"twin: {how}", ZipEntry(name.encode(), other))
            for how, name in spelled.items()
        ),
        make_case_with_member(
            "twin: accents", ZipEntry(b"cafe\xcc\x81/config.yaml", flags=UTF_8), outcome="opened"
        ),
        make_case_with_member("twin of config.yaml", ZipEntry(b"CONFIG.yaml", b"Task: other")),
        make_case_with_member("file and folder", ZipEntry(f"{WEIGHTS_PATH}/a".encode(), b"x")),
        make_case_with_member("folder and file", ZipEntry(b"dlc-models-pytorch", b"x")),
    ]


def build_config_link() -> bytes:
    files = model_files()
    del files["config.yaml"]
    link = ZipEntry(b"config.yaml", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    return build_zip([*to_entries(files), link])


def kind_cases() -> list[HostileCase]:
    targets = {"absolute": b"/etc/passwd", "parent": b"../../owned", "member": b"config.yaml"}
    made = {
        "character device": stat.S_IFCHR,
        "block device": stat.S_IFBLK,
        "fifo": stat.S_IFIFO,
        "socket": stat.S_IFSOCK,
        "no kind that there is": 0o150000,
    }
    link = stat.S_IFLNK | 0o777
    return [
        *(
            make_case_with_snapshot(f"link to {what}", snapshot_entry(target, mode=link), "link")
            for what, target in targets.items()
        ),
        make_case_with_member(
            "link beside", ZipEntry(b"dlc-models-pytorch/x", b"/etc", mode=link), outcome="opened"
        ),
        make_case_with_member(
            "link beside as a folder", ZipEntry(b"x/", b"/etc", mode=link), outcome="opened"
        ),
        make_case_with_member(
            "link instead of tracking settings",
            ZipEntry(f"{MODEL_FOLDER}/test/inference_cfg.yaml".encode(), b"/etc/passwd", mode=link),
            "link",
        ),
        make_case_with_member(
            "link above the snapshot", ZipEntry(f"{TRAIN_FOLDER}".encode(), b"/etc", mode=link)
        ),
        make_case_with_member(
            "link above the snapshot as a folder",
            ZipEntry(f"{TRAIN_FOLDER}/".encode(), b"/etc", mode=link),
            "link",
        ),
        make_case_with_member(
            "link above all, as a folder",
            ZipEntry(b"dlc-models-pytorch/", b"/etc", mode=link),
            "link",
        ),
        make_case_of_bytes("link instead of config.yaml", build_config_link, "link"),
        *(
            make_case_with_member(what, ZipEntry(b"x", mode=kind | 0o666), "device")
            for what, kind in made.items()
        ),
        make_case_with_member(
            "folder by its mode, with data", ZipEntry(b"x", b"y", mode=stat.S_IFDIR | 0o755)
        ),
        make_case_with_member(
            "hard link in an old field",
            ZipEntry(
                b"x", b"y", extra=struct.pack("<HH", 0x000D, 12 + 11) + bytes(12) + b"/etc/passwd"
            ),
            outcome="opened",
        ),
        make_case_with_member(
            "set-user-id", ZipEntry(b"x", b"y", mode=FILE_MODE | stat.S_ISUID), outcome="opened"
        ),
        make_case_with_member(
            "streamed, good", ZipEntry(b"x", b"y" * 99, flags=DESCRIPTOR), outcome="opened"
        ),
    ]


def zip_cases() -> list[HostileCase]:
    return bomb_cases() + lie_cases() + name_cases() + twin_cases() + kind_cases()
