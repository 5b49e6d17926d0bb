"""The parts of a run: Prefect tasks, and below them pure domain and pure storage."""

__version__ = "0.1.0"

PRODUCT = f"dlcflow {__version__}"
"""Name and version, for records and files."""

PREFECT_TAG = "dlcflow"
"""Tag of our deployments and their runs."""
