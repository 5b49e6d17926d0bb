#!/usr/bin/env bash
# Prefect 3.8.8, pydantic 2.14.4
#
# Behavior: a flow parameter declared with pydantic's Field loses half of it, and which half depends
# on where Field stands. Annotated[int, Field(...)] = 5 keeps the bounds and loses the description in
# the form; "n: int = Field(5, ...)" keeps the description, shows and enforces no bounds, and gives
# the flow the Field object itself in place of 5. A field of a pydantic model keeps both.
# Expected: the same parameter in all three, as in a pydantic model or validate_call.
#
# Seen:
#   annotated: bounds yes, description no, 500 refused
#   default:   bounds no, description yes, 500 accepted, left out: FieldInfo
#   in model:  bounds yes, description yes, 500 refused
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
export PREFECT_HOME="$work/prefect" DO_NOT_TRACK=1
python3.11 -m venv venv
venv/bin/pip install --quiet prefect==3.8.8 pydantic==2.14.4 fastapi==0.150.0 sqlalchemy==2.0.58
cat >form.py <<'PY'
import logging
from typing import Annotated

from prefect import flow
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel, Field


class Settings(BaseModel):
    window: int = Field(5, ge=0, le=101, description="frames")


@flow
def estimate(
    annotated: Annotated[int, Field(ge=0, le=101, description="frames")] = 5,
    default: int = Field(5, ge=0, le=101, description="frames"),
    model: Settings = Settings(),
):
    pass


def is_accepted(**parameters):
    try:
        estimate.validate_parameters(parameters)
    except Exception:
        return False
    return True


logging.disable(logging.CRITICAL)
schema = parameter_schema(estimate).model_dump()
forms = {
    "annotated": schema["properties"]["annotated"],
    "default": schema["properties"]["default"],
    "in model": schema["definitions"]["Settings"]["properties"]["window"],
}
accepted = {
    "annotated": is_accepted(annotated=500),
    "default": is_accepted(default=500),
    "in model": is_accepted(model={"window": 500}),
}
left_out = type(estimate.validate_parameters({})["default"]).__name__
found = {name: ("maximum" in form, "description" in form, accepted[name]) for name, form in forms.items()}
for name, (bounds, description, taken) in found.items():
    print(
        f"{name + ':':<10} bounds {'yes' if bounds else 'no'}, description {'yes' if description else 'no'},"
        f" 500 {'accepted' if taken else 'refused'}" + (f", left out: {left_out}" if name == "default" else "")
    )
assert found["annotated"] == (True, False, False)
assert found["default"] == (False, True, True) and left_out == "FieldInfo"
assert found["in model"] == (True, True, False)
PY
venv/bin/python form.py
