"""A lab's metadata about its recordings for NWB: subject, session, experiment."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tasks.errors import BadInput
from tasks.messages import format_list
from tasks.pose.untrusted.yaml_loader import decode_text, load_mapping

MAX_METADATA_BYTES = 2**20
"""Bytes of a file of metadata."""

_Text = Annotated[str, Field(min_length=1, max_length=10_000)]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/:\\]+$")]
"""Text that becomes part of names in an NWB file, or of file names on DANDI."""


class _Part(BaseModel):
    """Base of all parts: unknown keys are refused, since a misspelled one would be lost."""

    # A subject that is called 12 is a number to YAML.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class NwbSubject(_Part):
    """The animal; named as in ``pynwb.file.Subject``, with what nwbinspector finds critical.

    Attributes:
        subject_id: What the lab calls it.
        species: Latin binomial.
        sex: Male, female, unknown, or other.
        age: ISO 8601 duration, such as ``P90D``, at the session's start.
    """

    subject_id: _Name
    species: Annotated[str, Field(pattern=r"^[A-Z][a-z]+ [a-z][a-z ]*$")]
    sex: Literal["M", "F", "U", "O"]
    age: Annotated[str, Field(pattern=r"^P[0-9YMWDTHS./P]+$")]
    description: _Text | None = None
    genotype: _Text | None = None
    strain: _Text | None = None
    weight: Annotated[str, Field(pattern=r"^[0-9.]+ kg$")] | None = None


class NwbSession(_Part):
    """Metadata that may differ between movies.

    Attributes:
        session_start_time: When the movie's first frame was taken, with its time zone.
        session_id: What the lab calls the session.
        session_description: What was done in it.
        subject: The animal.
    """

    session_start_time: AwareDatetime | None = None
    session_id: _Name | None = None
    session_description: _Text | None = None
    subject: NwbSubject | None = None


class NwbMetadata(NwbSession):
    """All of a file of metadata; names are those of ``pynwb.NWBFile``.

    Attributes:
        movies: What differs for a movie, by its file name.
    """

    experimenter: tuple[_Text, ...] = ()
    experiment_description: _Text | None = None
    institution: _Text | None = None
    lab: _Text | None = None
    keywords: tuple[_Text, ...] = ()
    protocol: _Text | None = None
    related_publications: tuple[_Text, ...] = ()
    movies: dict[str, NwbSession] = {}

    def session_of(self, file_name: str) -> NwbSession:
        """Return the metadata of one movie: its own entries before those of all."""
        own = self.movies.get(file_name, NwbSession())
        known = {
            name: getattr(own, name) if getattr(own, name) is not None else getattr(self, name)
            for name in NwbSession.model_fields
        }
        return NwbSession.model_validate(known)

    def start_of(self, file_name: str, recorded: datetime | None) -> datetime | None:
        """Return a movie's session start: as given for it, as recorded, or as given for all."""
        own = self.movies.get(file_name, NwbSession()).session_start_time
        return own or recorded or self.session_start_time


def parse_metadata(data: bytes, name: str) -> NwbMetadata:
    """Read a file of metadata.

    Args:
        data: The YAML file's bytes.
        name: What to call it in messages.

    Raises:
        BadInput: It is not YAML, or says something that NWB does not know.
    """
    values = load_mapping(decode_text(data)[0], name)
    try:
        return NwbMetadata.model_validate(values)
    except ValidationError as error:
        first: Any = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise BadInput(
            f"{name}: {where}: {first['msg']}{more}; see docs/next-tools.md for what it may say"
        ) from error


def check_metadata(
    metadata: NwbMetadata, file_names: list[str], *, recorded: bool, source: str
) -> list[str]:
    """Refuse what would make NWB files without a subject or a start, before any inference.

    Args:
        metadata: What the lab says.
        file_names: The request's movies.
        recorded: Whether the movies themselves state when they were recorded.
        source: Where the metadata are from, for messages.

    Raises:
        BadInput: Something is missing.

    Returns:
        Warnings, one sentence each: what is said of movies that are not in the request.
    """
    without = [name for name in file_names if metadata.session_of(name).subject is None]
    if without:
        raise BadInput(
            f"{source}: expected a subject for {without[0]!r}, found none; add subject with "
            "subject_id, species, sex, and age"
        )
    unknown = sorted(set(metadata.movies) - set(file_names))
    warnings = (
        [f"{source} names movies that are not here: {format_list(unknown)}"] if unknown else []
    )
    if recorded:
        return warnings
    shared = metadata if len(file_names) == 1 else NwbMetadata(movies=metadata.movies)
    timeless = [name for name in file_names if shared.start_of(name, None) is None]
    if timeless:
        raise BadInput(
            f"{source}: expected session_start_time of {timeless[0]!r}, found none; such a movie "
            "does not say when it was recorded: add it below movies, with its time zone"
        )
    return warnings
