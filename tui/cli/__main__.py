"""`python -m tui.cli`: the command without its installed script."""

import sys

from tui.cli.main import main

sys.exit(main())
