"""`python -m runner.embedded`: flags are checked before torch is imported, so mistakes show fast."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from runner.embedded.arguments import parse_arguments
from runner.embedded.console import setup_logging


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_arguments(sys.argv[1:] if argv is None else argv)
    setup_logging(args.console_log_level, args.console_log_file, args.console_log_simple)
    if args.write_base is not None:
        from runner.embedded.base import write_base

        write_base(args.write_base)
        print(f"wrote the built-in base model: {args.write_base}")
        return 0
    from runner.embedded.train import train

    train(args)
    return 0


if __name__ == "__main__":
    code = main()
    gc.freeze()  # the final garbage collection over torch's modules would take a second and free nothing
    sys.exit(code)
