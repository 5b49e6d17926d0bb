#!/usr/bin/env bash
# pandas 3.1.1, PyArrow 26.0.1
#
# Behavior: two tables that pandas calls equal come back from Parquet with different row labels when
# they are read through the same filter. A RangeIndex is stored as start, stop and step only, so the
# rows that pass are numbered anew; an index of the same integers keeps the labels. Without a filter
# both come back alike.
# Expected: row 3 keeps the label 3 (its frame number) in both files.
#
# Seen:
#   unfiltered: [0, 1, 2, 3, 4] and [0, 1, 2, 3, 4]
#   filtered:   [0, 1, 2] and [0, 3, 4]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3.11 -m venv venv
venv/bin/pip install --quiet pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
venv/bin/python - <<'PY'
import pandas as pd

ranged = pd.DataFrame({"likelihood": [0.9, 0.1, 0.2, 0.8, 0.7]})
listed = ranged.copy()
listed.index = pd.Index([0, 1, 2, 3, 4])
assert ranged.equals(listed) and ranged.index.equals(listed.index)
ranged.to_parquet("ranged.parquet")
listed.to_parquet("listed.parquet")


def labels(path, **options):
    return pd.read_parquet(path, **options).index.tolist()


good = [("likelihood", ">", 0.6)]
whole = labels("ranged.parquet"), labels("listed.parquet")
some = labels("ranged.parquet", filters=good), labels("listed.parquet", filters=good)
print(f"unfiltered: {whole[0]} and {whole[1]}\nfiltered:   {some[0]} and {some[1]}")
assert whole == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
assert some == ([0, 1, 2], [0, 3, 4])
PY
