"""What a run is made of: Prefect tasks here, pure domain and pure storage below."""

__version__ = "0.1.0"

PREFECT_TAG = "dlcflow"
"""What our deployments and their runs are tagged with."""
