"""Put the output of commands into the README, between the marks that name them: `make readme`.

A block is `<!-- begin: lshexp ... -->`, the output, `<!-- end -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- begin: lshexp ([^>]*?) -->\n).*?(<!-- end -->)", flags=re.S)


def output(words: str) -> str:
    """What `lshexp <words>` prints, run from the project's folder."""
    command = [sys.executable, "-m", "lshexp", *words.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"lshexp {words}: {done.stderr}")
    return done.stdout.strip()


def updated(page: str) -> str:
    """The page with the output of each command in its place."""
    return MARKED.sub(lambda block: f"{block[1]}\n{output(block[2])}\n\n{block[3]}", page)


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
