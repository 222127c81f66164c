import sys

from recount.main import main

sys.exit(main(sys.argv[1:]))
