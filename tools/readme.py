"""Writes the table of variants into README.md."""

import os
import re
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ganzoo.cards import table
from ganzoo.files import write_text

BLOCK = re.compile(r"(<!-- variants:.*?-->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Returns the README's text with the registry's table."""
    return BLOCK.sub(lambda found: f"{found[1]}{table()}\n{found[2]}", text)


if __name__ == "__main__":
    readme = Path(__file__).parent.parent / "README.md"
    write_text(readme, renewed(readme.read_text(encoding="utf-8")))
