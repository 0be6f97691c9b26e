"""Put the output of commands into the README, between the marks that name them.

    python scripts/readme.py           rewrite README.md
    python scripts/readme.py --check   exit 1 when it is out of step

A block is `<!-- begin: lshexp ... -->`, the output, `<!-- end -->`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MARKED = re.compile(r"(<!-- begin: lshexp ([^>]*?) -->\n).*?(<!-- end -->)", flags=re.S)


def output(words: str) -> str:
    """What `lshexp <words>` prints, run from the project's folder."""
    command = [sys.executable, "-m", "lshexp", *words.split()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Rewrite the README, or tell whether it would change."""
    page = ROOT / "README.md"
    old = page.read_text(encoding="utf-8")
    new = MARKED.sub(lambda block: f"{block[1]}\n{output(block[2])}\n\n{block[3]}", old)
    if "--check" in sys.argv:
        if new != old or not MARKED.search(old):
            sys.stderr.write("README.md is out of step with its commands; run scripts/readme.py\n")
            return 1
        return 0
    page.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
