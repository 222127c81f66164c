"""`python3 tests/recount …` is `python3 -m recount …` from any folder."""

import sys

from recount.main import main

sys.exit(main(sys.argv[1:]))
