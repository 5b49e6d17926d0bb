"""Arrays as fields of dataclasses that are written as JSON, bit for bit."""

import base64
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import GetPydanticSchema
from pydantic_core import core_schema


def _in_json(dtype: str) -> GetPydanticSchema:
    """One-dimensional arrays of a type, as the base64 text of their bytes."""

    def text_of(values: NDArray[Any]) -> str:
        return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()

    def values_of(given: Any) -> Any:
        if isinstance(given, str):
            return np.frombuffer(base64.b64decode(given), dtype).copy()
        return given

    schema = core_schema.no_info_plain_validator_function(
        values_of, serialization=core_schema.plain_serializer_function_ser_schema(text_of)
    )
    return GetPydanticSchema(lambda _source, _handler: schema)


Floats = Annotated[NDArray[np.float64], _in_json("<f8")]
"""An array of shape (n,)."""

Integers = Annotated[NDArray[np.int64], _in_json("<i8")]
"""An array of shape (n,)."""
