"""Libraries that a child process of a behavior run loads while its first table is fetched."""


def load_for_behavior() -> None:
    """Load what reads tables, measures, and draws."""
    import pyarrow.parquet  # noqa: F401, PLC0415
    import scipy.ndimage  # noqa: F401, PLC0415

    import tasks.behavior.analyze  # noqa: PLC0415
    import tasks.behavior.behavior_figures  # noqa: F401, PLC0415
