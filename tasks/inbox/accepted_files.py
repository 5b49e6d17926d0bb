"""Files that may be put into an inbox, and the words by which others are refused before that."""

from pathlib import PurePosixPath

from tasks.inbox.batches import describe_empty_file
from tasks.inbox.left_out import NOTHING_TO_DO, explain_left_out
from tasks.pose.clock.times_names import is_times_name
from tasks.pose.movies.reader import MOVIE_SUFFIXES


def explain_name_refusal(name: str) -> str:
    """Explain why no run would take a movie of this name; return an empty string if one would.

    Args:
        name: The file's name, without a folder.
    """
    suffix = PurePosixPath(name).suffix
    told = explain_left_out(name)
    if suffix.lower() in MOVIE_SUFFIXES:
        if told is None:
            return ""
        reason, remedy = told
        return f"{name}: {reason}" + (f"; {remedy}" if remedy != NOTHING_TO_DO else "")
    _, remedy = told or ("", "convert it to MP4, and drop that file")
    return (
        f"{name}: expected a movie whose name ends in {', '.join(MOVIE_SUFFIXES)}, found "
        f"{suffix or 'no ending'}; {remedy}"
    )


def explain_upload_refusal(name: str, size: int) -> str:
    """Explain why a file is not taken, before any of it is sent; return an empty string if it is.

    Times files are taken too: runs look for them beside movies.

    Args:
        name: The file's name, without a folder.
        size: Its bytes.
    """
    refusal = "" if is_times_name(name) else explain_name_refusal(name)
    return refusal or ("" if size else describe_empty_file(name))
