"""Parts of the README that are made from the code; run as a script, writes them."""

import re

from tasks.pose.settings_help import render_settings_table
from tests.support.paths import ROOT

README_FILE = ROOT / "README.md"
_SETTINGS_BLOCK = re.compile(
    r"(<!-- settings: [^>]*-->\n)(.*?)(<!-- end of settings -->)", re.DOTALL
)


def insert_settings_table(text: str) -> str:
    """The README's text with the settings table as the model has it now."""
    return _SETTINGS_BLOCK.sub(
        lambda match: f"{match[1]}\n{render_settings_table()}\n\n{match[3]}", text
    )


if __name__ == "__main__":
    README_FILE.write_text(
        insert_settings_table(README_FILE.read_text(encoding="utf-8")), encoding="utf-8"
    )
