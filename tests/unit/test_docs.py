"""The pages of docs/ say what the program does: generated ones are up to date, commands and links exist."""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from runner.analysis.diagnosis.catalogue import keys
from runner.demo.project import project_text
from runner.trainers.sd_scripts.importers.find import Places
from scripts.docs import ROOT, pages
from scripts.docs.causes import alternatives, readable
from scripts.docs.plasma_toml import SECTIONS
from scripts.docs.screens import SCREENS, places
from tests.unit.config.test_config_load import REFUSED
from tui.cli import main
from tui.cli.parser import build_parser

WRITTEN = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
EVERY = [*WRITTEN, *sorted((ROOT / "docs").glob("*.md"))]
named = pytest.mark.parametrize("page", EVERY, ids=lambda page: page.name)


@pytest.mark.parametrize("name", pages())
def test_a_generated_page_is_up_to_date(name: str) -> None:
    text = pages()[name]().rstrip("\n") + "\n"
    assert (ROOT / "docs" / name).read_text("utf-8") == text, "run `make docs`"


def test_every_key_of_a_screen_and_every_cause_has_its_place() -> None:
    assert places() == set(SCREENS)
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "causes.md").read_text("utf-8"), re.M)
    assert set(headings) == keys()


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        (r"CUDA (?:driver )?error: out of memory", ["CUDA (driver )?error: out of memory"]),
        (r"^(?:\w+\.)*MemoryError\b|\[Errno 12\]", ["MemoryError", "[Errno 12]"]),
        (r"(?:sm_\d+ is|a \(b|c\))", ["sm_N is", "a (b", "c)"]),
        (r"can't open file '.*': (?:x|y)|z(?!: Op)", ["can't open file '…': (x|y)", "z"]),
        (r"^accelerate[^:]*: error: |NoneType'?", ["accelerate…: error:", "NoneType'"]),
    ],
)
def test_a_sign_is_readable(pattern: str, shown: list[str]) -> None:
    assert [readable(one) for one in alternatives(pattern)] == shown


# ------------------------------------------------------------------------------- the schema


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    found = json.loads((ROOT / "docs" / "plasma.schema.json").read_text("utf-8"))
    Draft7Validator.check_schema(found)
    return Draft7Validator(found)


#: what no schema can know
UNSEEN = {
    "script of the built-in trainer",
    "list value that looks like a flag",
    "number that is none",
    "empty path",
    "one flag in two spellings",
    "sizes in the wrong order",
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, text, _ in REFUSED])
def test_what_plasma_tui_refuses_the_schema_refuses(
    schema: Draft7Validator, name: str, text: str
) -> None:
    assert schema.is_valid(tomllib.loads(text)) == (name in UNSEEN)


def toml_blocks() -> list[str]:
    found = re.findall(
        r"^```toml\n(.*?)^```", "\n".join(p.read_text("utf-8") for p in EVERY), re.M | re.S
    )
    assert len(found) > 3
    return found


@pytest.mark.parametrize("text", [project_text("python3"), *toml_blocks()])
def test_our_own_examples_fit_the_schema(schema: Draft7Validator, text: str) -> None:
    values: dict[str, Any] = {"trainer": {"sd_scripts": "embedded"}} | tomllib.loads(text)
    assert [str(error) for error in schema.iter_errors(values)] == []


SCRIPT = """
export PYTORCH_ENABLE_MPS_FALLBACK=1
accelerate launch --num_cpu_threads_per_process 4 train_network.py \\
  --pretrained_model_name_or_path=a/b --dataset_config=d.toml --output_dir=out --output_name=x \\
  --network_module=networks.lora --network_args "conv_dim=4" "conv_alpha=1" --learning_rate=1e-4 \\
  --max_train_epochs=4 --cache_latents
"""


def test_what_init_writes_fits_the_schema(
    schema: Draft7Validator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sd-scripts").mkdir()
    (tmp_path / "sd-scripts" / "train_network.py").write_text("raise SystemExit\n")
    here = Places(tmp_path, tmp_path, {}, "linux", (), tmp_path / "no-driver")
    monkeypatch.setattr(Places, "here", classmethod(lambda cls: here))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.sh").write_text(SCRIPT)
    assert main(["init", "--from", "train.sh"]) == 0
    values = tomllib.loads((tmp_path / "plasma.toml").read_text("utf-8"))
    assert values["train"]["network_args"] and values["trainer"]["env"]
    assert [str(error) for error in schema.iter_errors(values)] == []


def test_the_schema_has_every_section(schema: Draft7Validator) -> None:
    assert set(schema.schema["properties"]) == {"name", *filter(None, SECTIONS)}


# ------------------------------------------------------------------- what the pages refer to


@named
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", other.read_text("utf-8"), re.M)
            assert anchor in {
                re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads
            }


@named
def test_commands_exist_with_their_options(page: Path) -> None:
    """Also where it is no complete command: `runs --filter tag:good` in a table."""
    parser = build_parser()
    verbs = parser.verbs()
    for line in re.findall(
        r"`plasma-tui ([^`]+)`|^plasma-tui ([^#\n]+)", page.read_text("utf-8"), re.M
    ):
        words = "".join(line).split() or ["--version"]
        verb: argparse.ArgumentParser = verbs.get(words[0], parser)
        assert words[0] in verbs or words[0].startswith("-"), words
        options = {word for word in words if re.match(r"--?[a-z]", word)}
        assert options <= verb._option_string_actions.keys(), words
