"""Archives that attack whoever opens a zip, each made from a model that is otherwise good."""

import bz2
import lzma
import stat
import struct
import unicodedata
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tests.hostile_cases import Case, Outcome
from tests.model_zips import MODEL, SNAPSHOT, TRAIN, WEIGHTS, model_files
from tests.raw_zips import (
    BZIP2,
    DEFERRED_32,
    DEFLATE64,
    DESCRIPTOR,
    ENCRYPTED,
    FILE,
    LZMA,
    STORED,
    UTF_8,
    Entry,
    end_records_64,
    entries_of,
    write,
    zip64_field,
    zip_bytes,
)

WEIGHTS_PATH = f"{TRAIN}/{SNAPSHOT}"
MEGABYTE = 2**20
NESTED = 8


def good() -> list[Entry]:
    return entries_of(model_files())


def with_snapshot(snapshot: Entry) -> list[Entry]:
    """A good model, but for its snapshot."""
    files = model_files()
    del files[WEIGHTS_PATH]
    return [*entries_of(files), snapshot]


def snapshot(data: bytes = WEIGHTS, **lies: object) -> Entry:
    return Entry(WEIGHTS_PATH.encode(), data, **lies)  # type: ignore[arg-type]


def plus(name: str, extra: Entry, says: str = "", outcome: Outcome = "refused") -> Case:
    """A good model with one member more."""
    return of_bytes(name, lambda: zip_bytes([*good(), extra]), says, outcome)


def instead(name: str, entry: Entry, says: str = "") -> Case:
    """A good model with another snapshot."""
    return of_bytes(name, lambda: zip_bytes(with_snapshot(entry)), says)


def of_bytes(
    name: str, data: Callable[[], bytes], says: str = "", outcome: Outcome = "refused"
) -> Case:
    return Case(name, lambda path: write(path, data()), says, outcome)


# --- too much ---------------------------------------------------------------------------------


def quoted_overlap() -> bytes:
    """Fifield's bomb: each member's data quotes the next one's header, then shares its data."""
    chain = [Entry(b"n", bytes(MEGABYTE))]
    for index in range(NESTED):
        inner = chain[0]
        header = inner.local()[: -len(inner.body)]
        quote = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF)  # a stored block
        packed = quote + header + inner.body
        chain.insert(0, Entry(b"n%d" % index, header + inner.data, packed=packed))
    place = size_of(good())
    for outer, inner in pairwise(chain):
        place += 30 + len(outer.name) + len(quote)  # a header, and the block's
        inner.offset, inner.absent = place, True
    return zip_bytes([*good(), *chain])


def size_of(entries: list[Entry]) -> int:
    return sum(len(entry.local()) for entry in entries)


def full_overlap() -> bytes:
    """Many entries of the directory that point to one member."""
    kernel = Entry(b"n", bytes(MEGABYTE))
    place, data = size_of(good()), bytes(MEGABYTE)
    more = [Entry(b"n%d" % index, data, offset=place, absent=True) for index in range(50)]
    return zip_bytes([*good(), kernel, *more])


def lots_of_members(path: Path, count: int = 100_000) -> None:
    """So many members, in a directory that is really there."""
    body = b"".join(entry.local() for entry in good())
    one = Entry(b"000000", absent=True, method=STORED, size=0, packed_size=0)
    entry = one.central(0)
    names = (b"%06d" % index for index in range(count))
    directory = b"".join(entry[:46] + name for name in names)
    end = end_records_64(count, len(directory), len(body), len(body) + len(directory))
    path.write_bytes(body + directory + end)


def endless_directory(path: Path, size: int = 400 * MEGABYTE) -> None:
    """A directory of long names; the file is sparse."""
    entry = Entry(b"\0" * 65_535, absent=True, method=STORED).central(0)
    count = size // len(entry)
    with path.open("wb") as file:
        file.write(b"".join(member.local() for member in good()))
        begin = file.tell()
        for index in range(count):
            file.seek(begin + index * len(entry))
            file.write(entry[:46])
        end = begin + count * len(entry)
        file.seek(end)
        file.write(end_records_64(count, end - begin, begin, end))


def fields_of_nothing() -> bytes:
    """Extra fields of thousands of empty parts, which take long to walk through."""
    extra = struct.pack("<HH", 0x9999, 0) * 16_000
    return zip_bytes([*good(), *(Entry(b"%d" % index, extra=extra) for index in range(60))])


def bombs() -> list[Case]:
    ten_gb = 10 * 2**30
    zeros = bytes(16 * MEGABYTE)
    bz, lz = bz2.compress(bytes(8 * MEGABYTE)), lzma_packed(bytes(8 * MEGABYTE))
    noise_and_zeros = WEIGHTS * 50
    return [
        plus("flat bomb that is never unpacked", Entry(b"zeros.bin", zeros), outcome="opened"),
        instead("snapshot of zeros", snapshot(zeros), "zip bomb"),
        plus(
            "zip in a zip in a zip",
            Entry(b"inner.zip", zip_bytes([Entry(b"a.zip", zip_bytes([Entry(b"z", zeros)]))])),
            outcome="opened",
        ),
        plus(
            "ten gigabytes by its own words",
            Entry(
                b"big.bin", noise_and_zeros,
                size=DEFERRED_32, packed_size=DEFERRED_32,
                extra=zip64_field(ten_gb, ten_gb // 2),
            ),
        ),
        instead("bzip2 that unpacks to more than it says", snapshot(
            b"", method=BZIP2, packed=bz, size=100 * len(bz), local_size=100 * len(bz)), "bzip2"),
        instead("lzma that unpacks to more than it says", snapshot(
            b"", method=LZMA, packed=lz, size=100 * len(lz), local_size=100 * len(lz)), "LZMA"),
        instead("lzma with a dictionary of 4 GB", snapshot(
            b"", method=LZMA, packed=b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + lz[9:], size=999,
            local_size=999), "LZMA"),
        of_bytes("quoted overlap", quoted_overlap, "overlap"),
        of_bytes("full overlap", full_overlap, "overlap"),
        Case("100,000 members", lots_of_members, "members"),
        Case("a million members", lambda path: lots_of_members(path, 1_000_000), "members"),
        Case("a directory of 400 MB", endless_directory, "members"),
        of_bytes("extra fields without end", fields_of_nothing, outcome="opened"),
        of_bytes("comment of 65,535 bytes",
                 lambda: zip_bytes(good(), comment=b"\x1b[31m" * 13_107), outcome="opened"),
    ]  # fmt: skip


def lzma_packed(data: bytes) -> bytes:
    """LZMA as a zip holds it: version, length of the properties, properties, stream."""
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 6}]
    stream = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    return struct.pack("<BBHBI", 9, 4, 5, 0x5D, 1 << 23) + stream


# --- lies and damage --------------------------------------------------------------------------


def lies() -> list[Case]:
    half = WEIGHTS[: len(WEIGHTS) // 2]
    return [
        instead("directory: longer than it is", snapshot(size=len(WEIGHTS) + 9)),
        instead("directory: shorter than it is", snapshot(size=10)),
        instead("shorter than it is, checksum of the beginning", snapshot(
            size=len(half), local_size=len(half), crc=zlib.crc32(half))),
        instead("stored, shorter than it is, checksum of the beginning", snapshot(
            method=STORED, size=len(half), local_size=len(half), crc=zlib.crc32(half))),
        instead("directory: packed to less than it is", snapshot(packed_size=20)),
        instead("directory: packed to more than the file", snapshot(packed_size=2**31)),
        instead("own header: longer than it is", snapshot(local_size=2**31), "its own header"),
        instead("own header: shorter than it is", snapshot(local_size=10), "its own header"),
        instead("own header: packed to less", snapshot(local_packed_size=3), "its own header"),
        instead("own header: another name", snapshot(local_name=b"evil.pt")),
        instead("empty by its own words", snapshot(size=0, local_size=0, crc=0)),
        instead("wrong checksum", snapshot(crc=12345)),
        instead("damaged stream", snapshot(packed=b"\xff" * 500)),
        instead("begins outside the file", snapshot(offset=2**31)),
        instead("begins where only 64 bits reach", snapshot(
            offset=DEFERRED_32, extra=zip64_field(2**63 + 5))),
        instead("begins inside another member", snapshot(offset=12)),
        instead("zip64 sizes beyond all disks", snapshot(
            size=DEFERRED_32, packed_size=DEFERRED_32, extra=zip64_field(2**60, 2**60))),
        instead("zip64 field cut short", snapshot(size=DEFERRED_32, extra=b"\1\0\4\0abcd")),
        of_bytes("zip64 end: 2^60 members", lambda: in_64_bits(count=2**60)),
        of_bytes("zip64 end: a directory of 2^62 bytes", lambda: in_64_bits(size=2**62)),
        of_bytes("zip64 end: a directory at 2^63", lambda: in_64_bits(offset=2**63 + 9)),
        of_bytes("end: fewer members than there are", lambda: zip_bytes(good(), count=1)),
        of_bytes("end: more members than there are", lambda: zip_bytes(good(), count=9999)),
        of_bytes("cut in half", lambda: zip_bytes(good())[:1000], "upload it again"),
        of_bytes("cut in its directory", lambda: zip_bytes(good())[:-60], "upload it again"),
        of_bytes("directory cut out", directory_cut_out),
        of_bytes("something before", lambda: zip_bytes(good(), before=b"MZ" * 5000), "before"),
        of_bytes("something after", lambda: zip_bytes(good(), after=b"<html>" * 500), "after"),
        of_bytes("much after", lambda: zip_bytes(good(), after=b"x" * 70_000), "upload it again"),
        of_bytes("empty file", lambda: b"", "upload it again"),
        instead("encrypted", snapshot(flags=ENCRYPTED), "password"),
        instead("strongly encrypted", snapshot(flags=ENCRYPTED | 0x40), "password"),
        instead("deflate64", snapshot(method=DEFLATE64, packed=b"x" * 99), "Deflate64"),
        instead("packed by nobody knows what", snapshot(method=77, packed=b"x"), "77"),
        instead("patch data", snapshot(flags=0x20)),
    ]  # fmt: skip


def in_64_bits(**lie: int) -> bytes:
    """A good zip whose end has 64 bits, and may lie in them."""
    short = zip_bytes(good())[:-22]
    directory = b"".join(e.central(0) for e in good())
    true = {"count": len(good()), "size": len(directory), "offset": len(short) - len(directory)}
    return short + end_records_64(**(true | lie), place=len(short))


def directory_cut_out() -> bytes:
    data = zip_bytes(good())
    begin = data.index(b"PK\x01\x02")
    return data[: begin + 50] + data[-22:]


# --- names and kinds --------------------------------------------------------------------------


def composed_twice() -> list[Entry]:
    name = f"{TRAIN}/snapshot-é.pt"
    return [
        *good(),
        *(
            Entry(unicodedata.normalize(form, name).encode(), b"x", flags=UTF_8)
            for form in ("NFC", "NFD")
        ),
    ]


def names() -> list[Case]:
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
    cases = [plus(f"name: {what}", Entry(name, b"x")) for what, name in bad.items()]
    override = "a\u202egpj.exe".encode()
    broken = Entry(b"\xff\xfe.pt", b"x", flags=UTF_8)
    return [
        *cases,
        plus("name: right to left", Entry(override, b"x", flags=UTF_8), "a member is called"),
        plus("name: broken UTF-8", broken),
    ]


def twins() -> list[Case]:
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
        *(plus(f"twin: {how}", Entry(name.encode(), other)) for how, name in spelled.items()),
        plus("twin: accents", Entry(b"cafe\xcc\x81/config.yaml", flags=UTF_8), outcome="opened"),
        plus("twin of config.yaml", Entry(b"CONFIG.yaml", b"Task: other")),
        plus("file and folder", Entry(f"{WEIGHTS_PATH}/a".encode(), b"x")),
        plus("folder and file", Entry(b"dlc-models-pytorch", b"x")),
    ]


def link_for_config() -> bytes:
    files = model_files()
    del files["config.yaml"]
    link = Entry(b"config.yaml", b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    return zip_bytes([*entries_of(files), link])


def kinds() -> list[Case]:
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
            instead(f"link to {what}", snapshot(target, mode=link), "link")
            for what, target in targets.items()
        ),
        plus("link beside", Entry(b"dlc-models-pytorch/x", b"/etc", mode=link), outcome="opened"),
        plus("link beside as a folder", Entry(b"x/", b"/etc", mode=link), outcome="opened"),
        plus("link instead of tracking settings",
             Entry(f"{MODEL}/test/inference_cfg.yaml".encode(), b"/etc/passwd", mode=link), "link"),
        plus("link above the snapshot", Entry(f"{TRAIN}".encode(), b"/etc", mode=link)),
        plus("link above the snapshot as a folder",
             Entry(f"{TRAIN}/".encode(), b"/etc", mode=link), "link"),
        plus("link above all, as a folder",
             Entry(b"dlc-models-pytorch/", b"/etc", mode=link), "link"),
        of_bytes("link instead of config.yaml", link_for_config, "link"),
        *(plus(what, Entry(b"x", mode=kind | 0o666), "device") for what, kind in made.items()),
        plus("folder by its mode, with data", Entry(b"x", b"y", mode=stat.S_IFDIR | 0o755)),
        plus(
            "hard link in an old field",
            Entry(
                b"x", b"y", extra=struct.pack("<HH", 0x000D, 12 + 11) + bytes(12) + b"/etc/passwd"
            ),
            outcome="opened",
        ),
        plus("set-user-id", Entry(b"x", b"y", mode=FILE | stat.S_ISUID), outcome="opened"),
        plus("streamed, good", Entry(b"x", b"y" * 99, flags=DESCRIPTOR), outcome="opened"),
    ]  # fmt: skip


def zip_cases() -> list[Case]:
    return bombs() + lies() + names() + twins() + kinds()
