"""The page of a look at an inbox."""

from dataclasses import replace

import pytest

from tasks.inbox.inbox_batch import Standing
from tasks.inbox.page import MAX_SECTION_ROWS, render_inbox_page
from tests.unit.inbox.test_batches import INBOX, M1, info, only

BATCH = only(M1)


def test_what_needs_somebody_comes_first() -> None:
    kinds = [Standing.CURRENT, Standing.STARTED, Standing.FAILED, Standing.REFUSED]
    text = render_inbox_page(INBOX, [BATCH.with_standing(kind, "so") for kind in kinds])
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads == ["## Refused: 1", "## Failed: 1", "## Started: 1", "## Current: 1"]
    assert "1 started, 1 failed, 1 refused, 1 current." in text


def test_the_newest_come_first_and_the_page_stays_short() -> None:
    many = [only(info(f"s3://lab/inbox/m{i}.mp4", minute=i)) for i in range(MAX_SECTION_ROWS + 3)]
    rows = [line for line in render_inbox_page(INBOX, many).splitlines() if line.startswith("| ")]
    assert rows[1].startswith(f"| m{MAX_SECTION_ROWS + 2} | 1 |")
    assert rows[-1] == "| and 3 more | | |"
    assert len(rows) == MAX_SECTION_ROWS + 2


def test_an_empty_inbox_says_so() -> None:
    assert "This inbox holds nothing" in render_inbox_page(INBOX, [])


def test_names_stay_what_they_are() -> None:
    odd = replace(BATCH, name="a|b <img> `c` [d](e)", reason="line\nbreak|")
    row = render_inbox_page(INBOX, [odd]).splitlines()[-1]
    assert row == r"| a\|b \<img\> \`c\` \[d\]\(e\) | 1 | line break\| |"


def test_a_batch_is_linked_to_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_UI_URL, temporary_settings

    started = replace(BATCH.with_standing(Standing.STARTED, "now"), run="7")
    with temporary_settings({PREFECT_UI_URL: "http://ui"}):
        assert "| [day1/m1](http://ui/runs/flow-run/7) | 1 |" in render_inbox_page(INBOX, [started])
