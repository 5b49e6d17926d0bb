"""Arrays as bytes that a browser reads without a library.

The form is safetensors (https://github.com/huggingface/safetensors): eight bytes with the length of
a JSON header, little-endian; the header, which names each array with its type, shape and place; and
the arrays, little-endian, in C order. What is no array is JSON text in the header's metadata.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

MEDIA_TYPE = "application/octet-stream"


def encode_arrays(arrays: Mapping[str, NDArray[Any]], facts: Any = None) -> bytes:
    """Encode arrays, and facts that JSON can hold.

    Args:
        arrays: By their names: float32, float64, int32, or int64.
        facts: What goes along; NaN is refused.

    Raises:
        ValueError: A fact is no number.
    """
    text = json.dumps(facts, allow_nan=False, ensure_ascii=True)
    return save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, {"facts": text})
