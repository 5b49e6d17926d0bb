"""Libraries that child processes load before their first call.

The functions below run in the children. Nothing is loaded with this module: to start
a child is not to wait for its libraries.
"""


def load_for_estimation() -> None:
    """Load what estimates poses: DeepLabCut, which takes seconds."""
    import deeplabcut.pose_estimation_pytorch.apis.utils  # noqa: F401, PLC0415

    from tasks.pose import child_functions  # noqa: F401, PLC0415
    from tasks.pose.network.pytorch import network  # noqa: F401, PLC0415


def load_for_finishing() -> None:
    """Load what checks, filters, judges, draws, and writes; never DeepLabCut."""
    import pyarrow.parquet  # noqa: F401, PLC0415
    import scipy.signal  # noqa: F401, PLC0415

    from tasks.pose import child_functions  # noqa: F401, PLC0415
    from tasks.pose.previews import draw  # noqa: F401, PLC0415
