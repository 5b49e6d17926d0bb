"""Look into a model's archive, in a child process: a stranger's file may take much to unpack."""

from tasks.command_line.inspect_model import inspect_model_at
from tasks.pose.model.inspection import Inspection
from tasks.pose.model.selection import Choice, ModelChoice
from tasks.storage.store import ObjectInfo


def look_into_model(info: ObjectInfo, shuffle: Choice, snapshot: Choice) -> Inspection:
    """Look into an archive as ``python -m flows inspect --model`` does.

    Args:
        info: The archive.
        shuffle: The request's choice.
        snapshot: The request's choice.

    Raises:
        BadInput: It is no archive.
        Retriable: The store cannot be reached.
    """
    return inspect_model_at(str(info.location), ModelChoice(shuffle, snapshot))
