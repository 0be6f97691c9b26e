"""`python -m lshexp` is the `lshexp` command."""

import sys

from lshexp.cli import main

if __name__ == "__main__":
    sys.exit(main())
