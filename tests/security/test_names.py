"""Names, ids, prompts and paths: what they say never leads out of their folder and never becomes a flag."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.checkpoints.export import ExportRefused, checked_name
from runner.config.flags import to_arguments, unpassable
from runner.control.sweep_plan import combinations, named, read_sweep
from runner.history.summary import write_review
from runner.notify.box import Box
from runner.notify.message import Message
from runner.store.journal import write_json
from runner.store.labels import BadLabel, Label, checked
from runner.store.registry import RunNotFound, resolve
from runner.store.rundir import RunDir, new_run_id, runs_root
from runner.trainers.sd_scripts.importers.files import import_text
from runner.trainers.sd_scripts.importers.find import Context
from runner.trainers.sd_scripts.importers.write import write_project
from tests import builders as b
from tests.hostile import HOSTILE
from tui.cli.main import main

ESCAPES = (
    "..", "../..", "../../etc", "a/../../b", "/etc/passwd", "./x", "x/y", "~/x", "~root/x", "~nobody-here/x",
    "-rf", "--force", "-", "--", "a\nb", "a\rb", "a\x1b[2Jb", ".", ".hidden", "\\..\\x", "C:\\x", "x" * 300, "",
    "*", "?", "[a]", "$HOME", "%2e%2e%2fetc", "\u2024\u2024/x", "\uff0e\uff0e\uff0fx",
)  # fmt: skip


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder beside the home that looks like a run, and must not be touched."""
    home = tmp_path / "home"
    run = RunDir(home / "runs" / "20260101-000000-x-0000")
    run.path.mkdir(parents=True)
    write_json(run.spec, b.spec(id=run.id))
    other = tmp_path / "etc"
    other.mkdir()
    write_json(other / "spec.json", b.spec(id="etc"))
    (other / "passwd").write_text("root\n")
    monkeypatch.setenv("PLASMA_HOME", str(home))
    monkeypatch.chdir(home / "runs")
    return other


@pytest.mark.parametrize("name", [*ESCAPES, *HOSTILE])
def test_the_folder_of_a_run_has_a_harmless_name(name: str) -> None:
    made = new_run_id(name)
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z0-9][a-z0-9-]{0,31}-[0-9a-f]{4}", made)
    assert (runs_root() / made).parent == runs_root()


@pytest.mark.parametrize("text", ESCAPES)
def test_no_text_for_a_run_leads_to_a_folder_that_is_not_one(victim: Path, text: str) -> None:
    try:
        found = resolve(text)
    except RunNotFound:
        return
    # the path of a folder with a spec.json can be read, wherever it is
    assert found.parent == runs_root() or "/" in text, found


@pytest.mark.parametrize("text", [*ESCAPES, "../../etc/", "../../../etc", "/{}", "{}/."])
@pytest.mark.parametrize(
    "verb", [["remove", "--yes", "--with-checkpoints"], ["label", "--name", "x"]]
)
def test_removing_and_labelling_reach_nothing_outside_the_runs(
    victim: Path, verb: list[str], text: str
) -> None:
    before = sorted((path.name, path.read_bytes()) for path in victim.iterdir())
    given = text.format(victim) if "{}" in text else text
    code = main([verb[0], *verb[1:], "--", given])
    if verb[0] == "remove":
        assert code != 0
        assert sorted((path.name, path.read_bytes()) for path in victim.iterdir()) == before
    assert (victim / "passwd").read_text() == "root\n"


def test_an_argument_after_two_dashes_is_a_run_and_no_option(
    victim: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("--json", "-x", "--with-checkpoints"):
        assert main(["show", "--", text]) == 3
        assert f"no run {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize("value", [*ESCAPES, *HOSTILE])
def test_a_value_is_one_argument_and_never_a_flag(value: str) -> None:
    assert to_arguments({"output_name": value}) == [f"--output_name={value}"]
    assert to_arguments({"network_args": (value,)}) == [f"--network_args={value}"]
    given = to_arguments({"network_args": ("a=1", value)})
    if value.startswith("-"):
        assert unpassable(("a=1", value)) == value  # refused when plasma.toml is read
    assert given == ["--network_args", "a=1", value]


@pytest.mark.parametrize("value", ["--force", "-x", "--"])
def test_a_list_with_such_a_value_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    file = tmp_path / "plasma.toml"
    file.write_text(
        '[trainer]\nsd_scripts = "embedded"\n[train]\n'
        f'output_dir = "out"\nnetwork_args = ["a=1", "{value}"]\n'
    )
    assert main(["forecast", "--config", str(file)]) != 0
    assert value in capsys.readouterr().err


@pytest.mark.parametrize("name", ESCAPES)
def test_an_export_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    try:
        made = checked_name(name, Path("x.safetensors"))
    except ExportRefused:
        return
    assert (tmp_path / made).resolve().parent == tmp_path.resolve()
    assert made == Path(made).name
    assert made.endswith(".safetensors")


@pytest.mark.parametrize("name", [n for n in ESCAPES if len(n) < 200])
def test_the_summary_beside_the_checkpoints_stays_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from runner.history.review.gather import bare_review

    out = tmp_path / "deep" / "er" / "out"
    out.mkdir(parents=True)
    run = RunDir(tmp_path / "runs" / "r")
    run.path.mkdir(parents=True)
    spec = b.spec(
        id="r", output_dir=str(out), output_name=name, summary_beside=True, cwd=str(tmp_path)
    )
    snapshot = b.snapshot(spec=spec, path=str(run.path))
    write_review(run, bare_review(snapshot, ""), plot=False)
    found = list(tmp_path.rglob("*-summary.md"))
    assert [path.parent for path in found] == [out]


def test_a_notification_is_stored_in_its_folder(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "r")
    run.path.mkdir()
    for name in (name for name in ESCAPES if len(name) < 200):
        Box(run).put(Message(name, "finished", "", "", "r", "x", str(run.path), 0.0))
    assert {path.parent for path in tmp_path.rglob("*.json")} == {run.notices}


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "a\x00b", "\x9b", "x" * 300, "\ud800"])
def test_a_label_holds_no_control_characters(text: str) -> None:
    with pytest.raises(BadLabel):
        checked(Label(text))
    with pytest.raises(BadLabel):
        checked(Label("x", (text,)))


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt", "~/evil.txt"])
def test_an_imported_script_writes_only_into_the_project(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    script = (
        f"cat > {name} <<'EOF2'\na fox --w 64\nEOF2\n"
        f"accelerate launch train_network.py --sample_prompts={name} --output_dir=out --output_name=x"
        " --network_module=networks.lora\n"
    )
    made = import_text(script, context=Context.here(project))
    written = write_project(project, made.config_text, files=made.files)
    assert {path.parent for path in (written.path, *written.files)} == {project}
    assert not list(tmp_path.glob("evil*"))


@pytest.mark.parametrize("value", [*ESCAPES, *HOSTILE], ids=range(len(ESCAPES) + len(HOSTILE)))
def test_a_value_of_a_sweep_is_no_path_and_no_shell_word_in_a_name(value: str) -> None:
    try:
        found = combinations(read_sweep([f"some_flag=plain,{value}"]))
    except ValueError:
        return  # refused in one sentence
    for one in found:
        name = named("fox", one.suffix)
        assert name.isascii() and not set(name) & set("/\\ $;`'\"\n\0~*?")
        assert name.startswith("fox-") and ".." not in name
