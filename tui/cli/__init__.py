"""The command `plasma-tui`: parser and verbs. Begin reading at `main`."""

from tui.cli.main import main as main
