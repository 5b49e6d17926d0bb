"""Arrays as fields of dataclasses that are written as JSON, bit for bit."""

import base64
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import GetPydanticSchema
from pydantic_core import core_schema


def _base64_array_schema(dtype: str) -> GetPydanticSchema:
    """One-dimensional arrays of a type, as the base64 text of their bytes."""

    def encode_array(values: NDArray[Any]) -> str:
        return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()

    def decode_array(given: Any) -> Any:
        if isinstance(given, str):
            return np.frombuffer(base64.b64decode(given), dtype).copy()
        return given

    schema = core_schema.no_info_plain_validator_function(
        decode_array, serialization=core_schema.plain_serializer_function_ser_schema(encode_array)
    )
    return GetPydanticSchema(lambda _source, _handler: schema)


FloatArray = Annotated[NDArray[np.float64], _base64_array_schema("<f8")]
"""An array of shape (n,)."""

IntegerArray = Annotated[NDArray[np.int64], _base64_array_schema("<i8")]
"""An array of shape (n,)."""
