#!/usr/bin/env bash
# pandas 2.3.3, PyTables 3.11.1, NumPy 2.4.6
#
# Behavior: DataFrame.to_hdf(format="table") returns normally although the file system refused
# most of the bytes, and leaves a file that cannot be opened. The format "fixed" raises.
# Expected: an error from the write, as to_csv gives.
# A limit on the size of files takes the place of a full disk: write() fails with EFBIG in place of
# ENOSPC, and the libraries see a failed write in both cases.
#
# Seen:
#   csv:   OSError
#   fixed: HDF5ExtError
#   table: returned normally, 1000000 bytes; reading: HDF5ExtError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet pandas==2.3.3 tables==3.11.1 numpy==2.4.6
venv/bin/python - <<'PY'
import os
import resource
import signal

import numpy as np
import pandas as pd

table = pd.DataFrame(np.random.default_rng(0).random((20_000, 15)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))


def attempt(action):
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return "returned normally"


csv = attempt(lambda: table.to_csv("poses.csv"))
fixed = attempt(lambda: table.to_hdf("fixed.h5", key="poses", mode="w", format="fixed"))
written = attempt(lambda: table.to_hdf("table.h5", key="poses", mode="w", format="table"))
size = os.path.getsize("table.h5")
read = attempt(lambda: pd.read_hdf("table.h5"))
print(f"csv:   {csv}\nfixed: {fixed}\ntable: {written}, {size} bytes; reading: {read}")
assert csv == "OSError" and fixed == "HDF5ExtError"
assert written == "returned normally" and size == 1_000_000 and read == "HDF5ExtError"
PY
