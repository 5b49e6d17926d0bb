"""How busy a GPU is: the share of the time in which it computes anything, as its driver says."""

import shutil
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SAMPLING = (
    "nvidia-smi",
    "--query-gpu=utilization.gpu",
    "--format=csv,noheader,nounits",
    "--loop-ms=100",
)


@dataclass
class Busy:
    """What a GPU's driver said while a block ran.

    Attributes:
        share: Mean of the samples, in percent; None where there is no GPU.
    """

    share: float | None = None


@contextmanager
def gpu_busy(device: str) -> Iterator[Busy]:
    """Sample how busy the first GPU is while the block runs."""
    busy = Busy()
    if device == "cpu" or shutil.which(SAMPLING[0]) is None:
        yield busy
        return
    with subprocess.Popen(SAMPLING, stdout=subprocess.PIPE, text=True) as sampler:
        try:
            yield busy
        finally:
            sampler.terminate()
            told, _ = sampler.communicate()
            samples = [float(line) for line in told.split() if line.strip().isdigit()]
            busy.share = statistics.mean(samples) if samples else None
