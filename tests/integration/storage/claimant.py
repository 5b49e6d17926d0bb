"""A process that wants a claim: says when it has it and, before it gives it up, whether it does.

``claimant FOLDER NAME`` holds it until its standard input ends; ``claimant FOLDER NAME FILE`` for a
moment, in which it alone has that file.
"""

import os
import sys
import time
from pathlib import Path

from tasks.storage import claims
from tasks.storage.claims import Claim, Holder
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore


def main(folder: str, name: str, inside: str = "") -> None:
    """Take the claim and give it up."""
    claims.POLL_INTERVAL = 0.2
    location = Location.parse(folder)
    claim = Claim(LocationStore(), location, Holder(name, name, "here", "now"))
    claim.acquire(lambda holder: None)
    print("in", flush=True)
    if inside:
        # Whoever finds another one's file was not alone.
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
        time.sleep(0.05)
    else:
        sys.stdin.read()
    print("held" if claim.renew_and_check() else "lost", flush=True)
    if inside:
        Path(inside).unlink()
    claim.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
