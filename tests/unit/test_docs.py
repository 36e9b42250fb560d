"""The pages of docs/ say what the program does: generated ones are up to date, commands and links exist."""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyte
import pytest
from jsonschema import Draft7Validator

from runner.analysis.diagnosis.catalogue import keys
from runner.demo.project import project_text
from runner.history.review.document_of import document_of
from runner.history.review.markdown import MARKS
from runner.store.rundir import RunDir
from runner.trainers.sd_scripts.importers.find import Places
from scripts.docs import ROOT, pages
from scripts.docs.causes import alternatives, readable
from scripts.docs.drawing import Line, film, lines_of, picture
from scripts.docs.plasma_toml import SECTIONS
from scripts.docs.screens import SCREENS, places
from tests.reviews import diverged
from tests.unit.config.test_config_load import REFUSED
from tui.cli import main
from tui.cli.parser import build_parser

SVG = "{http://www.w3.org/2000/svg}"
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
    assert main(["init", "--from", "train.sh"]) == 1  # this machine has neither model nor images
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
def test_files_named_in_text_exist(page: Path) -> None:
    paths = re.findall(
        r"`((?:runner|tui|scripts|tests)/[\w/*]+(?:\.[a-z]+)?)`", page.read_text("utf-8")
    )
    assert [one for one in paths if "NAME" not in one and not list(ROOT.glob(one))] == []


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


def test_the_page_on_run_folders_names_every_file() -> None:
    text = (ROOT / "docs" / "run-folder.md").read_text("utf-8")
    names = [name for one in vars(RunDir).values() if (name := getattr(one, "name", None))]
    assert len(names) > 20
    assert [name for name in names if f"`{name}" not in text] == []


def test_the_page_on_summaries_has_its_headings_and_marks() -> None:
    text = (ROOT / "docs" / "summary.md").read_text("utf-8").replace("\n", " ")
    titles = [section.title for section in document_of(diverged(), plot=False).sections]
    assert len(titles) > 10
    assert [one for one in (*titles, *MARKS.values()) if one not in text] == []


# ------------------------------------------------------------------------------- the pictures


def drawn(text: str) -> tuple[Line, ...]:
    """What a terminal of 12x3 shows."""
    screen = pyte.Screen(12, 3)
    pyte.ByteStream(screen).feed(text.encode())
    return lines_of(screen, "#eeeeee", "#000000")


def test_words_keep_their_cells_and_blocks_are_shapes() -> None:
    found = ElementTree.fromstring(
        picture(drawn("\x1b[38;2;255;0;0mab c  \x1b[1m<d>\x1b[0m▄▄\r\n⠁─"))
    )
    texts = [
        (one.text, one.get("x"), one.get("textLength"), one.get("fill"))
        for one in found.iter(f"{SVG}text")
    ]
    assert texts == [("ab c", "0", "33.6", "#ff0000"), ("<d>", "50.4", "25.2", "#ff0000")]
    shapes = [one.get("d") for one in found.iter(f"{SVG}path")]
    assert shapes == ["M75.6 9h16.8v9.3h-16.8z", "M8.4 8.5h8.4v1h-8.4z", "M2.1 2.25h0"]


def test_a_film_has_each_row_once_and_each_frame_at_its_time() -> None:
    one, other = drawn("same\r\nfirst"), drawn("same\r\nsecond")
    text = film([(0.0, one), (4.0, other)], 10.0)
    found = ElementTree.fromstring(text)
    assert len(list(found.iter(f"{SVG}use"))) == 6
    assert [one.text for one in found.iter(f"{SVG}text")] == ["same", "first", "second"]
    assert "0.000%{transform:translateX(0px)}40.000%{transform:translateX(-110.8px)}" in text
    assert "animation:film 10.0s step-end infinite" in text
