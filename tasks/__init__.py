"""The parts of a run: Prefect tasks, and below them pure domain and pure storage."""

__version__ = "0.1.0"

PREFECT_TAG = "dlcflow"
"""What our deployments and their runs are tagged with."""
