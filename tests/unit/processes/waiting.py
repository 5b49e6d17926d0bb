"""A module that writes its process number and waits; one that is deaf ignores SIGTERM."""

import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    if sys.argv[2] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(600)
