"""Libraries for the browser are the published files that their list names."""

import hashlib
import re

from deployments.web.pages import STATIC_FOLDER

VENDORED = STATIC_FOLDER / "vendor"


def test_each_file_has_the_digest_that_is_written() -> None:
    listed = dict(
        re.findall(r"\| `([^`]+)` \| `([0-9a-f]{64})` \|", (VENDORED / "README.md").read_text())
    )
    licenses = set(
        re.findall(r"\[[^\]]+\]\((\S+/LICENSE\S*)\)", (VENDORED / "README.md").read_text())
    )
    files = {
        path.relative_to(VENDORED).as_posix()
        for path in VENDORED.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert files == set(listed) | licenses
    for name, digest in listed.items():
        data = (VENDORED / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, name
    assert "1.6.32" in (VENDORED / "uplot" / "uPlot.iife.min.js").read_text()[:200]
