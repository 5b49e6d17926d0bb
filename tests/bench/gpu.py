"""How busy a GPU is: the share of the time in which it computes anything, as its driver says."""

import shutil
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SAMPLING_COMMAND = (
    "nvidia-smi",
    "--query-gpu=utilization.gpu",
    "--format=csv,noheader,nounits",
    "--loop-ms=100",
)


@dataclass
class GpuLoad:
    """What a GPU's driver said while a block ran.

    Attributes:
        share: Mean of the samples, in percent; None where there is no GPU.
    """

    share: float | None = None


@contextmanager
def sample_gpu_load(device: str) -> Iterator[GpuLoad]:
    """Sample how busy the first GPU is while the block runs."""
    busy = GpuLoad()
    if device == "cpu" or shutil.which(SAMPLING_COMMAND[0]) is None:
        yield busy
        return
    with subprocess.Popen(SAMPLING_COMMAND, stdout=subprocess.PIPE, text=True) as sampler:
        try:
            yield busy
        finally:
            sampler.terminate()
            told, _ = sampler.communicate()
            samples = [float(line) for line in told.split() if line.strip().isdigit()]
            busy.share = statistics.mean(samples) if samples else None
