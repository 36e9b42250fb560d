"""A trainer whose console attacks the terminal: escapes, titles, the clipboard, markup.

python hostile_trainer.py --output_dir DIR [...]    # flags of tests/fake_trainer.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fake_trainer import arguments, banner, bar, log  # noqa: E402  (after the path)

#: shown after everything else, so that a test knows that all of it has been read
LAST_LINE = "end of the attack"
ATTACKS = (
    "\x1b[2J\x1b[H cleared",
    "\x1b]0;pwned title\x07 titled",
    "\x1b]52;c;cHduZWQ=\x07 copied",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ linked",
    "\x1b[?1049l\x1b[?25h\x1b[?5h left",
    "\x1bc reset",
    "\x1bP+q544e\x1b\\ asked",
    "\x1b_Gf=100;AAAA\x1b\\ drawn",
    "\x9b2J \x9d0;pwned\x9c by C1",
    "\x07\x08\x08\x0e\x0f belled",
    "\u202etxet desrever\u202c turned",
    "[bold red]marked up[/] [/x] [@click=app.bell]press[/] [link=file:///etc]",
    "\x1b]0;never closed",
    LAST_LINE,
)


def main() -> None:
    args = arguments()
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    banner(args)
    for step in range(1, args.steps + 1):
        bar(step, args.steps, 0.1)
        if step == 3:
            sys.stderr.write("\n")
            for attack in ATTACKS:
                sys.stdout.write(attack + "\n")
                sys.stdout.flush()
            sys.stdout.buffer.write(b"\x9b2J\xff\xfe raw bytes\n")
            sys.stdout.flush()
            log("\x1b]0;pwned\x07 in a record")
        time.sleep(args.delay)


if __name__ == "__main__":
    main()
