"""What all tests of the whole flow share."""

from collections.abc import Iterator

import pytest

from tests.support.templates import copy_stages


@pytest.fixture(scope="module", autouse=True)
def copied_stages() -> Iterator[None]:
    """The runs of this process do not wait for DeepLabCut to be loaded."""
    with copy_stages():
        yield
