#!/usr/bin/env bash
# SciPy 1.17.1, NumPy 2.4.6
#
# Behavior: scipy.signal.medfilt gives different medians for the same five values in another order
# when one of them is NaN: here the second, the third or the largest of the four numbers, depending on
# where each stands. DeepLabCut filters tracks with medfilt, so a gap changes the frames around it.
# Expected: NaN, as numpy.median gives, or one answer for one set of values.
#
# Seen (median, and how many of the 120 orders give it):
#   1 2 3 4 nan in every order: medians {'2.0': 72, '3.0': 12, '4.0': 36}
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet scipy==1.17.1 numpy==2.4.6
venv/bin/python - <<'PY'
import collections
import itertools
import math

import numpy as np
from scipy.signal import medfilt

found = collections.Counter()
for values in itertools.permutations([1.0, 2.0, 3.0, 4.0, math.nan]):
    assert math.isnan(np.median(values))
    found[str(medfilt(np.array(values), 5)[2])] += 1
print("1 2 3 4 nan in every order: medians", dict(sorted(found.items())))
assert set(found) == {"2.0", "3.0", "4.0"}
PY
