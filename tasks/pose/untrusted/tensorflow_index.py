"""Check of a TensorFlow snapshot's index without TensorFlow.

The index is a table of the tensors in the ``.data`` file (LevelDB's format); neither file can hold
code. The graph of the ``.meta`` file could, and is never used.
"""

import os
from pathlib import Path

from tasks.errors import BadInput

_END_OF_TABLE = bytes.fromhex("57fb808b247547db")
"""The last bytes of every table."""


def check_index_file(path: Path, shown: str) -> None:
    """Refuse a file that TensorFlow would not take for the index of a snapshot.

    Args:
        path: The ``.index`` file on disk.
        shown: What to call it in messages.

    Raises:
        BadInput: It is something else, or only a part of one.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_END_OF_TABLE)))
        end = file.read()
    if end != _END_OF_TABLE:
        raise BadInput(
            f"{shown}: expected the index of a TensorFlow snapshot, found a file of another kind "
            "or only a part of one; zip the files that DeepLabCut wrote"
        )
