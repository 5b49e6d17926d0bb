"""The parts of a run: Prefect tasks, and below them pure domain and pure storage."""

__version__ = "0.1.0"

PRODUCT = f"dlcflow {__version__}"
"""Name and version, for records and files."""

PREFECT_TAG = "dlcflow"
"""Tag of the deployments whose runs people start or wait for, and of these runs."""

UPKEEP_TAG = "dlcflow-upkeep"
"""Tag of the deployments that look after the others, and of their runs."""

OWN_TAGS = frozenset({PREFECT_TAG, UPKEEP_TAG})
"""Tags by which our runs are told from those of others."""
