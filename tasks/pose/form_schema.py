"""What a form's JSON schema says beyond types: ranges in help texts, and refusals in words.

A refusal in words stands under ``errorMessage``, as ajv-errors has it. `deployments.server` shows
it in place of the schema's own sentence; servers that do not know it show that one, so that the
rest of a schema has to be readable, too: an enumeration, or a plain pattern.
"""

from typing import Any

from tasks.messages import LOCATION_FORM

ERROR_MESSAGE = "errorMessage"
"""The schema's word for a refusal."""

LOCATION_PATTERN = (
    r"^(?:[sS]3://(?![^/]*\.\.)[A-Za-z0-9][A-Za-z0-9._\-]{1,61}[A-Za-z0-9](?:/[^\r\n\x00]*)?"
    r"|[fF][iI][lL][eE]:(?:/(?!/)|//(?:[lL][oO][cC][aA][lL][hH][oO][sS][tT])?/(?!/))[^\r\n\x00]*"
    r"|(?![A-Za-z][A-Za-z0-9+.\-]+:)(?![^/]+//[^/]*[@:])[^\s\x00][^\r\n\x00]*)$"
)
"""What `tasks.storage.location.Location` takes.

Web addresses and passwords are no locations: Prefect would keep them with the run, and an address
that works without a login has its signature in it.
"""

LOCATION_SCHEMA: dict[str, Any] = {"pattern": LOCATION_PATTERN, ERROR_MESSAGE: LOCATION_FORM}


def list_odd_numbers(highest: int, *, zero: str = "") -> dict[str, Any]:
    """Describe a field of odd numbers: a form offers them, and takes no others.

    Args:
        highest: The highest one.
        zero: What 0 means; empty if it is not allowed.
    """
    odd = list(range(1, highest + 1, 2))
    return {"enum": [0, *odd] if zero else odd, ERROR_MESSAGE: describe_odd_numbers(highest, zero)}


def describe_odd_numbers(highest: int, zero: str = "") -> str:
    """Describe in words what a field of odd numbers takes."""
    return f"must be an odd number from 1 to {highest}{f', or 0 for {zero}' if zero else ''}"


def add_ranges(schema: dict[str, Any]) -> None:
    """Add ranges to the help texts of a model's schema, and refusals to what may be left empty.

    Args:
        schema: The schema of a model, as pydantic makes it; changed in place.
    """
    for field in schema.get("properties", {}).values():
        for kind in field.get("anyOf", [field]):
            text = describe_range(
                kind.get("minimum"), kind.get("exclusiveMinimum"), kind.get("maximum")
            )
            if text and "description" in field:
                field["description"] += f" {text[0].upper()}{text[1:]}."
            # What one of several kinds says is lost in "not valid under any of" them.
            told = kind.get(ERROR_MESSAGE) or (text and f"must be {text}, or empty")
            if told and "anyOf" in field:
                field.setdefault(ERROR_MESSAGE, told)


def describe_range(
    low: float | None = None, above: float | None = None, high: float | None = None
) -> str:
    """Describe a range in words.

    Args:
        low: The lowest value.
        above: What values must be above.
        high: The highest value.

    Returns:
        Words for the middle of a sentence; empty if there is no limit.
    """
    lowest, bound, highest = (None if n is None else f"{n:,.10g}" for n in (low, above, high))
    if bound is not None:
        return f"above {bound}" + (f", up to {highest}" if highest is not None else "")
    if lowest is not None:
        return f"{lowest} to {highest}" if highest is not None else f"{lowest} or more"
    return f"up to {highest}" if highest is not None else ""
