"""The command line, parsed: the flags that `runner.trainers.builtin.arguments` defines, and those of a file."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.trainers.builtin.arguments import build_parser


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and complete the flags. Exits with code 2 on an unknown flag or a bad value, with
    code 1 when `--config_file` does not exist."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.config_file:
        args = _with_config_file(parser, args.config_file, argv)
    if args.caption_extention is not None:
        args.caption_extension = args.caption_extention
    return args


def _with_config_file(
    parser: argparse.ArgumentParser, name: str, argv: Sequence[str]
) -> argparse.Namespace:
    """Flags from a TOML file, sections flattened; the command line wins. Unlike sd-scripts, which
    checks nothing here, an unknown key is an error."""
    path = Path(name if name.endswith(".toml") else name + ".toml")
    if not path.exists():
        parser.exit(1, f"{path} not found.\n")
    flat: dict[str, Any] = {}
    for key, value in tomllib.loads(path.read_text(encoding="utf-8")).items():
        flat.update(value if isinstance(value, dict) else {key: value})
    known = {action.dest for action in parser._actions}
    unknown = sorted(set(flat) - known)
    if unknown:
        parser.error(f"{path}: unrecognized arguments: {' '.join(unknown)}")
    return parser.parse_args(argv, namespace=argparse.Namespace(**flat))
