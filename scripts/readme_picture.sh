#!/usr/bin/env bash
# The picture in the README: the demo, really running, at half of its steps. Needs rsvg-convert.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PLASMA_HOME=$work/home
.venv/bin/plasma-tui demo --headless --dir "$work/demo" >"$work/log" 2>&1 &
demo=$!
until ls "$work"/home/runs/*/spec.json >/dev/null 2>&1; do
  kill -0 "$demo" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.5
done
.venv/bin/python scripts/screenshot.py last "$work/demo.svg" --size 120x40 --at-step 520
rsvg-convert --width 1400 --output docs/demo.png "$work/demo.svg"
wait "$demo"
