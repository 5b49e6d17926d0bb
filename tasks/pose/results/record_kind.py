"""Facts that any run record holds, whatever its kind and version."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

POSE_KIND = "pose"
"""Records of pose runs name no kind."""


class RecordPart(BaseModel):
    """Part of a record of any version: what else it says does not matter."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def read_record_kind(data: bytes) -> str:
    """Read the kind of a run from its record's text, of any version: pose, behavior, neural, ….

    What is no JSON object counts as pose: reading it as such says what is wrong with it.
    """
    values: Any = None
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return POSE_KIND
    kind = values.get("kind") if isinstance(values, dict) else None
    return kind if isinstance(kind, str) else POSE_KIND
