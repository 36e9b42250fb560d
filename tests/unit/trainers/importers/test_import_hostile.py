"""Files that nobody wrote for an import: each is refused with one sentence, soon."""

from __future__ import annotations

import contextlib
import os
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.config.errors import ConfigError
from runner.config.load import load_config
from runner.trainers.sd_scripts.importers.files import import_file, text_of
from runner.trainers.sd_scripts.importers.model import ImportRefused
from tests.unit.trainers.importers.import_context import Desk, nothing_known

LAUNCH = "accelerate launch train_network.py --output_name={}\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return Desk(home, project, {"BROKEN": "a\udcffb"})


def refusal(desk: Desk, text: str, name: str) -> str:
    begun = time.monotonic()
    with pytest.raises(ImportRefused) as caught:
        desk.imported(text, name)
    assert time.monotonic() - begun < 10
    told = str(caught.value)
    assert "\n" not in told
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", '{"LoRA_type": "Standard", "output_name": "a\\ud800"}', "half a character"),
        (
            "a.json",
            '{"LoRA_type": "Standard", "sample_prompts": "\\udfff"}',
            "of sample_prompts.txt",
        ),
        ("a.json", '{"LoRA_type":' * 30_000, "Nested too deep"),
        ("a.json", '{"LoRA_type": "Standard", "x": ' + "[" * 900 + "]" * 900 + "}", ""),
        ("a.toml", "output_name = " + "[" * 100_000, "nested too deeply"),
        ("a.toml", "output_name" + ".a" * 2_000 + " = 1", "nested too deeply"),
        ("a", "output_name = " + "[" * 100_000, "no training command"),
        ("a.sh", LAUNCH.format("$(" * 20_000 + ")" * 20_000), "nested too deeply"),
        ("a.sh", LAUNCH.format("${a:-" * 20_000 + "}" * 20_000), "nested too deeply"),
        ("a.sh", "if true; then\n" * 20_000, ""),
        ("a.sh", LAUNCH.format("$BROKEN"), "half a character"),
    ],
    ids=range(11),
)
def test_what_is_nested_or_spelled_beyond_reason_is_refused_in_one_sentence(
    desk: Desk, name: str, text: str, words: str
) -> None:
    if words:
        assert words in refusal(desk, text, name)
        return
    try:
        desk.imported(text, name)
    except ImportRefused as error:
        assert "\n" not in str(error)


def test_only_regular_files_are_read_and_no_more_of_them_than_a_script_has(desk: Desk) -> None:
    os.mkfifo(desk.project / "fifo")
    (desk.project / "zero").symlink_to("/dev/zero")
    (desk.project / "large").write_bytes(b"x" * 500_001)
    (desk.project / "loop").symlink_to("loop")
    for name, words in (
        ("fifo", "a FIFO"),
        ("zero", "a device"),
        ("large", "over 500 kB"),
        ("loop", "symbolic links"),
        ("x" * 300, "too long"),
        ("no", "file not found"),
    ):
        with pytest.raises(ImportRefused, match=words):
            import_file(desk.project / name, context=desk.context())
    with pytest.raises(ImportRefused, match="over 500 kB"):
        text_of(b"x" * 500_001, "the pasted text")


@pytest.mark.parametrize(
    "text", ["x = " + "[" * 100_000, "x" + ".a" * 3_000 + " = 1"], ids=range(2)
)
def test_a_plasma_toml_that_is_nested_too_deeply_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "plasma.toml").write_text(text)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load_config(tmp_path, known_flags=nothing_known)


def test_a_plasma_toml_that_never_ends_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "plasma.toml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="a device, not a regular file"):
        load_config(tmp_path, known_flags=nothing_known)
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "plasma.toml")
    with pytest.raises(ConfigError, match="a FIFO"):
        load_config(tmp_path / "fifo", known_flags=nothing_known)


SHELL = st.lists(
    st.sampled_from(
        ["accelerate launch ", "python ", "train_network.py ", "--output_name=", "$(", ")", "${A", "}",
         "`", '"', "'", "\\", "\n", " ", "A=", "A+=", "(", "[[", "]]", "if ", "; then", "fi", "for ",
         "do\n", "done", "%%", ":-", "$A", "<<E", "E\n", "#", "&&", "||", "|", "~", "*", "\x00", "\ud800",
         "é", "{", "--x", "cd ", "echo ", "$0", "1e-4", "[0]", "[@]", "$'", "=", "<", ">&"]
    ) | st.text(max_size=3)
).map("".join)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=300,
    deadline=5_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(SHELL)
@example("~\x00")
def test_any_text_is_imported_or_refused(desk: Desk, text: str) -> None:
    for start in ("", LAUNCH.format("x")):
        try:
            made = desk.pasted(start + text)
        except ImportRefused as error:
            assert str(error)
        else:
            made.config_text.encode()


@pytest.mark.slow
@settings(
    max_examples=200,
    deadline=5_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(["x.ps1", "x.bat", "x.py", "x.ipynb"]),
    st.lists(
        st.sampled_from(
            ["python train_network.py ", "$a", " = ", "@(", ")", "if (", ") {", "}", "else", "\n", " ", "%a%",
             "set ", "^", "`", "'", '"', "<#", "#>", "cmd", "[", "]", "os.system(", "f'", "{a}",
             "C:\\x", "!", "%%"]
        ) | st.text(st.characters(exclude_categories=("Cs",)), max_size=3)
    ).map("".join),
)  # fmt: skip
def test_any_text_of_another_language_is_imported_or_refused(
    desk: Desk, name: str, text: str
) -> None:
    try:
        made = desk.imported(text, name)
    except ImportRefused as error:
        assert str(error)
    else:
        made.config_text.encode()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.ps1", "x.bat", "x"])
@pytest.mark.parametrize("piece", ["<#", "@(", "\n", " ", "-", "set a=%a%\n", "$a=@()\n"])
def test_the_time_to_read_a_file_grows_with_its_size_only(
    desk: Desk, name: str, piece: str
) -> None:
    begun = time.monotonic()
    with contextlib.suppress(ImportRefused):
        desk.imported(piece * (60_000 // len(piece)), name)
    assert time.monotonic() - begun < 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["LoRA_type", "network_dim", "epoch", "max_train_steps", "unet_lr", "text_encoder_lr", "lr_warmup",
     "sample_prompts", "output_name", "xformers", "additional_parameters", "caption_extension", "sdxl",
     "conv_dim", "conv_block_dims", "noise_offset_type", "num_processes", "dataset_config", "optimizer_args"]
)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=300,
    deadline=5_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example({"dataset_config": "\ud800", "output_dir": "a/\udfff"})
@given(st.dictionaries(FIELDS | st.text(), JSON))
def test_any_json_is_imported_or_refused(desk: Desk, values: dict[str, object]) -> None:
    import json

    try:
        made = desk.imported(json.dumps({"LoRA_type": "Standard", **values}), "x.json")
    except ImportRefused as error:
        assert str(error)
    else:
        made.config_text.encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.sh", "shift \u00b2\n"),
        ("t.sh", f"shift {'1' * 5000}\n"),
        ("t.sh", "declare -A M; M[\u00b2]=1; M+=(x)\n"),
        ("t.bat", "if \u00b2 LSS 3 echo a\n"),
        ("t.bat", f"if {'1' * 5000} LSS 3 echo a\n"),
    ],
    ids=["shift", "shift far", "index", "compare", "compare far"],
)
def test_digits_that_are_no_number_stop_nothing(desk: Desk, name: str, text: str) -> None:
    made = desk.imported(f"{text}python /sd/train_network.py --seed=1\n", name)
    assert desk.config(made).train["seed"] == 1


@pytest.mark.parametrize(
    ("condition", "holds"), [("3 LSS 5", True), ("not 3 LSS 5", False), ("not 5 LEQ 3", True)]
)
def test_a_comparison_of_cmd_can_be_negated(desk: Desk, condition: str, holds: bool) -> None:
    text = f"set S=2\r\nif {condition} (\r\nset S=1\r\n)\r\n"
    made = desk.imported(f"{text}python /sd/train_network.py --seed=%S%\r\n", "t.bat")
    assert desk.config(made).train["seed"] == (1 if holds else 2)


@pytest.mark.parametrize(
    ("flag", "value"),
    [("output_dir", "x" * 256), ("resume", "a/" * 3000), ("output_name", "a\0b")],
    ids=["name", "path", "null"],
)
def test_a_value_that_no_plasma_toml_can_hold_is_listed_and_the_rest_is_imported(
    desk: Desk, flag: str, value: str
) -> None:
    text = f"os.system({f'python /sd/train_network.py --seed=1 --{flag}={value}'!r})"
    made = desk.imported(f"import os\n{text}\n", "t.py")
    config = desk.config(made)
    assert config.train["seed"] == 1
    assert flag not in config.train
    assert any(one.startswith(f"--{flag} ") for one in made.unmapped)


def test_a_script_whose_name_is_too_long_is_refused(desk: Desk) -> None:
    told = refusal(desk, f"cd /{'d' * 300}\npython train_network.py --seed=1\n", "t.sh")
    assert "longer than a path can be" in told


def test_two_spellings_of_one_flag_are_one_and_the_other_is_listed(desk: Desk) -> None:
    text = "network_module: networks.lora\noutput_name: x\n-output-name: y\n--seed: 1\n"
    made = desk.imported(text, "t.yaml")
    train = tomllib.loads(made.config_text)["train"]
    assert train == {"network_module": "networks.lora", "output_name": "x", "seed": 1}
    assert "--output_name is given twice" in made.unmapped
