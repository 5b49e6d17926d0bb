"""The JSON at the end of an .isxd file: what isx does not tell of it.

Source: Inscopix' isxcore, ``readJsonHeaderAtEnd``: the text, a zero byte, and its
length in 8 bytes.
"""

import json
import struct
from pathlib import Path
from typing import Any

MOVIE_TYPE, GPIO_TYPE = 0, 3
"""Values of ``type``."""

MAX_FOOTER_BYTES = 2**28
"""Bytes of the text; long lists of dropped frames and cell metrics are in it."""

_LENGTH = struct.Struct("<q")


def read_footer(path: Path) -> dict[str, Any]:
    """Read the JSON at the end of a file; empty where there is none that can be read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _LENGTH.size:
            return {}
        file.seek(size - _LENGTH.size)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        begin = size - _LENGTH.size - 1 - length
        if not 0 < length <= MAX_FOOTER_BYTES or begin < 0:
            return {}
        file.seek(begin)
        data = file.read(length)
    try:
        footer = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return footer if isinstance(footer, dict) else {}
