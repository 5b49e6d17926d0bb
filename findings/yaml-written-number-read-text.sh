#!/usr/bin/env bash
# ruamel.yaml 0.19.1, PyYAML 6.0.4
#
# Behavior: a dictionary written by ruamel.yaml comes back from PyYAML with other types and no error:
# a learning rate of 1e-05 is text, 0.0001 is a number, body parts "on" and "off" are
# booleans, and the text 12:30:00 is the number 45000.
# ruamel.yaml writes YAML 1.2, PyYAML reads YAML 1.1, and neither writes which one it means.
# Expected: the same dictionary, as ruamel.yaml itself reads it back.
#
# Seen:
#   written: {'rate': 1e-05, 'decay': 0.0001, 'bodyparts': ['nose', 'on', 'off'], 'start': '12:30:00'}
#   read:    {'rate': '1e-05', 'decay': 0.0001, 'bodyparts': ['nose', True, False], 'start': 45000}
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet ruamel.yaml==0.19.1 pyyaml==6.0.4
venv/bin/python - <<'PY'
import io

import yaml
from ruamel.yaml import YAML

written = {"rate": 1e-05, "decay": 0.0001, "bodyparts": ["nose", "on", "off"], "start": "12:30:00"}
text = io.StringIO()
YAML().dump(written, text)
read = yaml.safe_load(text.getvalue())
print(f"written: {written}\nread:    {read}")
assert YAML(typ="safe", pure=True).load(text.getvalue()) == written
assert read == {"rate": "1e-05", "decay": 0.0001, "bodyparts": ["nose", True, False], "start": 45000}
PY
