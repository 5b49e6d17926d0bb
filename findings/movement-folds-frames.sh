#!/usr/bin/env bash
# movement 0.15.0, pandas 3.1.1, NumPy 2.4.6
#
# Behavior: movement loads a DeepLabCut file with body parts unique to the arena (individual "single")
# as half as many frames as it has, with the values of two frames side by side as two individuals.
# It assumes that each individual has each body part and reshapes; with one animal and an even number
# of frames the count always fits, and no error or warning follows.
# Expected: 10 frames, with NaN where an individual lacks a body part; or an error.
#
# Seen (the nose's x is 100 + frame number):
#   10 frames in the file, 5 loaded
#   x of the animal's nose: [100.0, 102.0, 104.0, 106.0, 108.0]
#   x of the nose of "single", which has none: [101.0, 103.0, 105.0, 107.0, 109.0]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet movement==0.15.0 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PY'
import numpy as np
import pandas as pd
from movement.io import load_dataset

start = {("mouse1", "nose"): 100, ("mouse1", "tail"): 200, ("single", "corner"): 300, ("single", "door"): 400}
columns = pd.MultiIndex.from_tuples(
    [("scorer", *part, coord) for part in start for coord in ("x", "y", "likelihood")],
    names=["scorer", "individuals", "bodyparts", "coords"],
)
table = pd.DataFrame(0.9, index=range(10), columns=columns)
for part, first in start.items():
    for coord in ("x", "y"):
        table[("scorer", *part, coord)] = first + np.arange(10.0)
table.to_hdf("poses.h5", key="df_with_missing", format="table", mode="w")

data = load_dataset("poses.h5", source_software="DeepLabCut", fps=10)
nose = data.position.sel(space="x", keypoints="nose")
mouse, single = (nose.sel(individuals=name).values.tolist() for name in ("mouse1", "single"))
print(f"{len(table)} frames in the file, {data.sizes['time']} loaded")
print(f"x of the animal's nose: {mouse}")
print(f'x of the nose of "single", which has none: {single}')
assert data.sizes["time"] == 5
assert mouse == [100.0, 102.0, 104.0, 106.0, 108.0]
assert single == [101.0, 103.0, 105.0, 107.0, 109.0]
PY
