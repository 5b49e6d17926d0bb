#!/usr/bin/env bash
# filterpy 2.0.0, NumPy 2.4.6
#
# Behavior: KalmanFilter.update(z, H=kf.H), which names the filter's own measurement matrix, turns a
# state of shape (4, 1) into one of shape (4, 2) whose rows mix the two measured coordinates, without
# an error. update(z) with the same z is right: z becomes a column only where H is not passed. The
# docstring asks for a column then, but nothing checks it; filterpy 1.4.5 made the column in both cases.
# Expected: passing the default of a parameter changes nothing, or a wrong shape raises.
# DeepLabCut 3.0.2 accepts this version (filterpy>=1.4.4).
#
# Seen:
#   update(z):         shape (4, 1), [[2.25], [3.75], [0.75], [1.25]]
#   update(z, H=kf.H): shape (4, 2), [[2.25, 3.75], [2.25, 3.75], [0.75, 1.25], [0.75, 1.25]]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet filterpy==2.0.0 numpy==2.4.6
venv/bin/python - <<'PY'
import numpy as np
from filterpy.kalman import KalmanFilter


def updated(name_matrix):
    kf = KalmanFilter(dim_x=4, dim_z=2)
    kf.F = np.eye(4) + np.eye(4, k=2)
    kf.H = np.eye(2, 4)
    kf.predict()
    kf.update(np.array([3.0, 5.0]), H=kf.H if name_matrix else None)
    return kf.x


plain, named = updated(False), updated(True)
print(f"update(z):         shape {plain.shape}, {plain.tolist()}")
print(f"update(z, H=kf.H): shape {named.shape}, {named.tolist()}")
assert plain.shape == (4, 1) and np.allclose(plain.ravel(), [2.25, 3.75, 0.75, 1.25])
assert named.shape == (4, 2) and np.allclose(named[0], [2.25, 3.75])
PY
