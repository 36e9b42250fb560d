"""plasma.toml: what is understood, and every refusal with the sentence that a person reads."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from runner.config.catalog import FlagCatalog
from runner.config.errors import ConfigError, cure_for
from runner.config.flags import FlagValue
from runner.config.load import load_config
from runner.config.model import Config, Trainer, dataset_text
from runner.model import Expectation, GuardSettings

WHOLE = """\
name = "spyke"
[trainer]
sd_scripts = "~/sd-scripts"
python = "venv/bin/python"
script = "sdxl_train_network.py"
launcher = "accelerate"
env = { PYTORCH_ENABLE_MPS_FALLBACK = "1" }
nice = 5
[accelerate]
num_cpu_threads_per_process = 4
config_file = "accelerate.yaml"
[train]
pretrained_model_name_or_path = "base.safetensors"
dataset_config = "sets/spyke.toml"
output_dir = "output"
output_name = "spyke_v1"
learning_rate = 1e-4
network_args = ["conv_dim=4", "conv_alpha=1"]
gradient_checkpointing = true
cache_latents = false
[smoke]
gate = false
max_train_steps = 3
no_half_vae = false
[expect]
device = "mps"
images = 23
steps = 920
checkpoint_mb = [50, 200.5]
trigger = "spyke"
[guard]
nonfinite = "stop"
diverging = "after_save"
slow = "tell"
[notify]
on = ["finished", "stalled"]
[dataset.general]
enable_bucket = true
[[dataset.datasets]]
resolution = 512
"""

LEAST = '[trainer]\nsd_scripts = "sd"\n'


class TwoFlags:
    """A trainer that knows two flags, one of them a switch."""

    names = frozenset({"max_train_epochs", "cache_latents"})

    def problem(self, name: str, value: FlagValue) -> str | None:
        wrong = name == "cache_latents" and not isinstance(value, bool)
        return "is a switch; write true or false" if wrong else None

    def cure(self, name: str) -> str:
        return cure_for(name, self.names)


def anything(trainer: Trainer) -> FlagCatalog | None:
    return None


def two_flags(trainer: Trainer) -> FlagCatalog | None:
    return TwoFlags()


def read(folder: Path, text: str) -> Config:
    file = folder / "plasma.toml"
    file.write_text(text, encoding="utf-8")
    return load_config(file, known_flags=anything)


def refusals(folder: Path, text: str) -> list[str]:
    """What is said about the text, without the file's folder."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_every_section_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    config = read(tmp_path, WHOLE)
    assert config.name == "spyke"
    assert config.trainer == Trainer(
        sd_scripts=Path("/home/someone/sd-scripts"),
        python=str(tmp_path / "venv/bin/python"),
        script="/home/someone/sd-scripts/sdxl_train_network.py",
        launcher="accelerate",
        env={"PYTORCH_ENABLE_MPS_FALLBACK": "1"},
        nice=5,
    )
    assert config.accelerate == {
        "num_cpu_threads_per_process": 4,
        "config_file": str(tmp_path / "accelerate.yaml"),
    }
    assert config.train == {
        "pretrained_model_name_or_path": str(tmp_path / "base.safetensors"),
        "dataset_config": str(tmp_path / "sets/spyke.toml"),
        "output_dir": str(tmp_path / "output"),
        "output_name": "spyke_v1",
        "learning_rate": 1e-4,
        "network_args": ("conv_dim=4", "conv_alpha=1"),
        "gradient_checkpointing": True,
    }
    assert config.smoke.flags == {"max_train_steps": 3, "no_half_vae": False}
    assert config.smoke.gate is False
    assert config.expect == Expectation("mps", 23, 920, (50.0, 200.5), "spyke")
    assert config.guard == GuardSettings(nonfinite="stop", diverging="after_save")
    assert config.notify.on == ("finished", "stalled")
    assert config.dataset == {"general": {"enable_bucket": True}, "datasets": [{"resolution": 512}]}
    assert config.text == WHOLE
    assert config.notes == ()


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST)
    assert config.name == tmp_path.name
    assert config.trainer.launcher == "python"
    assert config.trainer.script == str(tmp_path / "sd/train_network.py")
    assert config.trainer.python == str(tmp_path / "sd/venv/bin/python")
    assert config.expect == Expectation()
    assert config.smoke.gate is False


def test_the_name_defaults_to_output_name(tmp_path: Path) -> None:
    assert read(tmp_path, LEAST + '[train]\noutput_name = "hero"\n').name == "hero"


def test_the_interpreter_of_kohya_ss_is_found_beside_sd_scripts(tmp_path: Path) -> None:
    python = tmp_path / "kohya/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "kohya/sd-scripts").mkdir()
    config = read(tmp_path, '[trainer]\nsd_scripts = "kohya/sd-scripts"\n')
    assert config.trainer.python == str(python)


def test_the_built_in_trainer_runs_in_our_own_python(tmp_path: Path) -> None:
    trainer = read(tmp_path, '[trainer]\nsd_scripts = "embedded"\n').trainer
    assert trainer.sd_scripts is None
    assert (trainer.python, trainer.script) == (sys.executable, "runner.embedded")


def test_a_script_may_lie_beside_plasma_toml(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("pass")
    trainer = read(tmp_path, LEAST + 'script = "mine.py"\n').trainer
    assert trainer.script == str(tmp_path / "mine.py")


def test_accelerate_is_the_launcher_when_its_section_is_there(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "[accelerate]\nnum_processes = 2\n")
    assert config.trainer.launcher == "accelerate"
    assert config.processes == 2


def test_an_unused_accelerate_section_is_told(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + 'launcher = "python"\n[accelerate]\nnum_processes = 2\n')
    assert config.processes == 1
    assert config.notes == (
        f'{tmp_path}/plasma.toml:4: [accelerate] is not used, because [trainer] launcher is "python"',
    )


def test_a_launcher_flag_that_is_false_is_left_out(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "[accelerate]\nconfig_file = false\nnum_processes = 2\n")
    assert config.accelerate == {"num_processes": 2}


def test_flags_may_be_spelled_as_on_a_command_line(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "[train]\n--max-train-epochs = 4\n")
    assert config.train == {"max_train_epochs": 4}
    assert config.notes == (
        f"{tmp_path}/plasma.toml:4: [train] --max-train-epochs is read as max_train_epochs",
    )


def test_a_model_on_a_hub_is_left_alone_and_a_folder_is_not(tmp_path: Path) -> None:
    text = LEAST + '[train]\npretrained_model_name_or_path = "some/model"\n'
    assert read(tmp_path, text).train["pretrained_model_name_or_path"] == "some/model"
    (tmp_path / "some/model").mkdir(parents=True)
    found = read(tmp_path, text).train["pretrained_model_name_or_path"]
    assert found == str(tmp_path / "some/model")


def test_a_folder_stands_for_the_plasma_toml_in_it(tmp_path: Path) -> None:
    read(tmp_path, LEAST)
    assert load_config(tmp_path, known_flags=anything).path == tmp_path / "plasma.toml"


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    (tmp_path / "plasma.toml").write_bytes(b"\xef\xbb\xbf" + LEAST.encode())
    assert load_config(tmp_path, known_flags=anything).trainer.sd_scripts == tmp_path / "sd"


def test_the_smoke_test_writes_elsewhere_and_is_short(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        LEAST + "[train]\nmax_train_epochs = 4\nsave_every_n_steps = 200\nseed = 1\n"
        'output_name = "long"\nresume = "long-state"\nclip_skip = 2\n[smoke]\nclip_skip = false\n',
    )
    smoke = {"seed": 1, "output_name": "smoke_test", "max_train_steps": 5}
    assert config.flags(smoke=True) == smoke
    assert config.flags()["max_train_epochs"] == 4
    assert config.smoke.gate is True


def test_a_smoke_test_by_epochs_has_no_steps(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "[smoke]\nmax_train_epochs = 1\n")
    assert config.flags(smoke=True) == {"output_name": "smoke_test", "max_train_epochs": 1}


def test_changes_go_over_the_file_and_false_takes_out(tmp_path: Path) -> None:
    config = read(tmp_path, LEAST + "[train]\nseed = 1\ncache_latents = true\n")
    changed = config.changed({"seed": 2, "cache_latents": False})
    assert changed.flags() == {"seed": 2}
    assert config.flags() == {"seed": 1, "cache_latents": True}


def test_the_dataset_section_becomes_a_file_with_absolute_folders(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        LEAST + '[train]\ndataset_config = "d.toml"\n[dataset.general]\nkeep_tokens = 1\n'
        "[[dataset.datasets]]\nresolution = 512\n"
        '[[dataset.datasets.subsets]]\nimage_dir = "train"\nnum_repeats = 10\n'
        '[[dataset.datasets.subsets]]\nimage_dir = "/reg"\nis_reg = true\n',
    )
    text = dataset_text(config)
    assert text.startswith("# written by plasma-tui from [dataset] of plasma.toml\n")
    assert tomllib.loads(text) == {
        "general": {"keep_tokens": 1},
        "datasets": [
            {
                "resolution": 512,
                "subsets": [
                    {"image_dir": f"{tmp_path}/train", "num_repeats": 10},
                    {"image_dir": "/reg", "is_reg": True},
                ],
            }
        ],
    }
    assert config.dataset is not None
    assert config.dataset["datasets"][0]["subsets"][0]["image_dir"] == "train"


REFUSED: list[tuple[str, str, str]] = [
    (
        "no trainer",
        'name = "x"\n',
        "plasma.toml: [trainer] sd_scripts is missing; set it to the sd-scripts folder, "
        'or "embedded" for the built-in trainer',
    ),
    (
        "unknown section",
        LEAST + "[trian]\nseed = 1\n",
        "plasma.toml:3: trian is unknown; did you mean train?",
    ),
    (
        "flag outside of its section",
        'output_dir = "o"\n' + LEAST,
        "plasma.toml:1: output_dir is unknown here; move it to [train]",
    ),
    (
        "unknown key without a near one",
        "zzz = 1\n" + LEAST,
        "plasma.toml:1: zzz is unknown; remove it (known here: name, trainer, accelerate, "
        "train, smoke, expect, guard, engine, notify, summary, dataset)",
    ),
    (
        "unknown trainer key",
        LEAST + 'pyhton = "x"\n',
        "plasma.toml:3: [trainer] pyhton is unknown; did you mean python?",
    ),
    (
        "section that is a value",
        'train = "x"\n' + LEAST,
        "plasma.toml:1: train is text, not a table; write [train] on its own line",
    ),
    (
        "array of tables for a section",
        LEAST + "[[train]]\nseed = 1\n",
        "plasma.toml:3: train is a list, not a table; write [train] on its own line",
    ),
    (
        "wrong type of text",
        LEAST + "python = 3\n",
        'plasma.toml:3: [trainer] python is an integer; it must be text; write it in quotes: "..."',
    ),
    (
        "empty text",
        '[trainer]\nsd_scripts = ""\n',
        "plasma.toml:2: [trainer] sd_scripts is empty; give a value or remove the line",
    ),
    (
        "unknown launcher",
        LEAST + 'launcher = "torchrun"\n',
        'plasma.toml:3: [trainer] launcher is "torchrun"; choose one of "accelerate", "python"',
    ),
    (
        "nice beyond the kernel's scale",
        LEAST + "nice = 20\n",
        "plasma.toml:3: [trainer] nice is 20; use an integer of 0 to 19",
    ),
    (
        "nice that pushes to the front",
        LEAST + "nice = -5\n",
        "plasma.toml:3: [trainer] nice is -5; use an integer of 0 to 19",
    ),
    (
        "script that is no Python file",
        LEAST + 'script = "train_network"\n',
        'plasma.toml:3: [trainer] script is "train_network"; use a Python file such as '
        "train_network.py",
    ),
    (
        "script of the built-in trainer",
        '[trainer]\nsd_scripts = "embedded"\nscript = "x.py"\n',
        "plasma.toml:3: [trainer] script does not apply to the built-in trainer; remove it",
    ),
    (
        "environment that is no table",
        LEAST + 'env = "A=1"\n',
        "plasma.toml:3: [trainer] env is text; it must be a table of text; write "
        '{ NAME = "value" }',
    ),
    (
        "environment with a number",
        LEAST + "[trainer.env]\nA = 1\n",
        'plasma.toml:4: [trainer] env A is an integer, not text; write A = "..."',
    ),
    (
        "our own launcher flag",
        LEAST + '[accelerate]\nmodule = "x"\n',
        "plasma.toml:4: [accelerate] module is set by plasma-tui; remove it",
    ),
    (
        "flag that is a table",
        LEAST + "[train.network_args]\nconv_dim = 4\n",
        "plasma.toml:3: [train] network_args is a table; a flag is true, false, a number, text or "
        "a list",
    ),
    (
        "flag that is a date",
        LEAST + "[train]\nseed = 2026-11-21\n",
        "plasma.toml:4: [train] seed is a date or time; a flag is true, false, a number, text or a "
        "list",
    ),
    (
        "list in a list, on its own line",
        LEAST + "[train]\nnetwork_args = [\n  1,\n  [2],\n]\n",
        "plasma.toml:6: [train] network_args holds a list; a list may contain text and numbers",
    ),
    (
        "true in a list",
        LEAST + "[train]\nnetwork_args = [true]\n",
        "plasma.toml:4: [train] network_args holds true or false; a list may contain text and numbers",
    ),
    (
        "list value that looks like a flag",
        LEAST + '[train]\nnetwork_args = ["a=1", "-b"]\n',
        'plasma.toml:4: [train] network_args holds "-b", which the trainer would read as a flag; '
        "remove it",
    ),
    (
        "number that is none",
        LEAST + "[train]\nlearning_rate = nan\n",
        "plasma.toml:4: [train] learning_rate is nan; use a finite number",
    ),
    (
        "empty path",
        LEAST + '[train]\noutput_dir = ""\n',
        "plasma.toml:4: [train] output_dir is empty; set a path or remove the line",
    ),
    (
        "one flag in two spellings",
        LEAST + "[train]\nmax_train_epochs = 1\nmax-train-epochs = 2\n",
        "plasma.toml:5: [train] max-train-epochs is given twice (as max_train_epochs); remove one "
        "of them",
    ),
    (
        "gate that is no switch",
        LEAST + '[smoke]\ngate = "yes"\n',
        "plasma.toml:4: [smoke] gate is text; it must be true or false",
    ),
    (
        "unknown expectation",
        LEAST + "[expect]\nstep = 920\n",
        "plasma.toml:4: [expect] step is unknown; did you mean steps?",
    ),
    (
        "unknown device",
        LEAST + '[expect]\ndevice = "gpu"\n',
        'plasma.toml:4: [expect] device is "gpu"; use cpu, mps, cuda or cuda:N',
    ),
    (
        "images that are no number",
        LEAST + '[expect]\nimages = "23"\n',
        "plasma.toml:4: [expect] images is text; it must be an integer",
    ),
    (
        "true for a number",
        LEAST + "[expect]\nimages = true\n",
        "plasma.toml:4: [expect] images is true or false; it must be an integer",
    ),
    (
        "no steps",
        LEAST + "[expect]\nsteps = 0\n",
        "plasma.toml:4: [expect] steps is 0; use an integer of at least 1",
    ),
    (
        "sizes in the wrong order",
        LEAST + "[expect]\ncheckpoint_mb = [200, 50]\n",
        "plasma.toml:4: [expect] checkpoint_mb is [200, 50]; use two positive numbers, [lowest, "
        "highest]",
    ),
    (
        "one size",
        LEAST + "[expect]\ncheckpoint_mb = 50\n",
        "plasma.toml:4: [expect] checkpoint_mb is an integer; it must be two numbers, "
        "[lowest, highest]",
    ),
    (
        "unknown occasion of a notice, in a dotted key",
        LEAST + '[notify]\non = [\n  "finished",\n  "done",\n]\n',
        'plasma.toml:6: [notify] on contains \'done\'; choose from "finished", "failed", "diverged", '
        '"killed", "stopped", "stalled", "waiting"',
    ),
    (
        "an action that the guard does not know",
        LEAST + '[guard]\nnonfinite = "stop"\nslow = "kill"\n',
        'plasma.toml:5: [guard] slow is "kill"; choose one of "tell", "stop", "after_save"',
    ),
    (
        "a guard's action that is no text",
        LEAST + "[guard]\nfrozen = true\n",
        'plasma.toml:4: [guard] frozen is true or false; it must be text; write it in quotes: "..."',
    ),
    (
        "unknown alarm of the guard",
        LEAST + '[guard]\nstaled = "stop"\n',
        "plasma.toml:4: [guard] staled is unknown; did you mean stalled?",
    ),
    (
        "an alarm outside [guard]",
        'stalled = "stop"\n' + LEAST,
        "plasma.toml:1: stalled is unknown here; move it to [guard]",
    ),
    (
        "a guard that is no table",
        'guard = "stop"\n' + LEAST,
        "plasma.toml:1: guard is text, not a table; write [guard] on its own line",
    ),
    (
        "unknown key of a notice",
        LEAST + '[notify]\nonn = ["failed"]\n',
        "plasma.toml:4: [notify] onn is unknown; did you mean on?",
    ),
    (
        "dataset without a file",
        LEAST + "[dataset.general]\nenable_bucket = true\n",
        'plasma.toml:3: [dataset] has no file; add dataset_config = "NAME.toml" to [train] to set '
        "its path",
    ),
    (
        "unknown dataset key",
        LEAST + '[train]\ndataset_config = "d.toml"\n[[dataset.dataset]]\nresolution = 1\n',
        "plasma.toml:5: [dataset] dataset is unknown; did you mean datasets?",
    ),
]


@pytest.mark.parametrize(
    ("text", "said"), [(t, s) for _, t, s in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_it_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    assert refusals(tmp_path, text) == [said]


def test_all_problems_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    said = refusals(
        tmp_path,
        'nam = "x"\n[trainer]\nsd_script = "sd"\n[train]\nseed = inf\n[expect]\nimages = -1\n',
    )
    assert [line.partition(": ")[0] for line in said] == [
        "plasma.toml:1",
        "plasma.toml:2",
        "plasma.toml:3",
        "plasma.toml:5",
        "plasma.toml:7",
    ]


def test_a_dotted_key_is_found_on_its_line(tmp_path: Path) -> None:
    said = refusals(tmp_path, 'trainer.sd_scripts = "x"\n\nexpect.images = "many"\n')
    assert said == ["plasma.toml:3: [expect] images is text; it must be an integer"]


def test_unknown_flags_name_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "plasma.toml"
    file.write_text(LEAST + "[train]\nmax_train_epoch = 4\nzzz = 1\ncache_latents = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, known_flags=two_flags)
    assert [str(p).removeprefix(f"{file}:") for p in caught.value.problems] == [
        "4: [train] max_train_epoch is not a flag of this trainer; did you mean max_train_epochs?",
        "5: [train] zzz is not a flag of this trainer; remove it",
        "6: [train] cache_latents is a switch; write true or false",
    ]


def test_flags_of_an_unknown_trainer_are_not_called_unknown(tmp_path: Path) -> None:
    file = tmp_path / "plasma.toml"
    file.write_text("[train]\nseed = 4\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, known_flags=two_flags)
    assert len(caught.value.problems) == 1


SYNTAX: list[tuple[str, str, str]] = [
    ("capital true", "a = True\n", "1: not valid TOML (invalid value, column 5); write true and"),
    (
        "bare text",
        "x = 1\na = some text\n",
        "2: not valid TOML (invalid value, column 5); put text in",
    ),
    ("no value", "a =\n", "1: not valid TOML (invalid value, column 4); add a value after the ="),
    (
        "no equals sign",
        "[t]\nkey: 1\n",
        "2: not valid TOML (expected '=' after a key in a key/value",
    ),
    (
        "backslashes",
        'a = "C:\\Users"\n',
        "1: not valid TOML (invalid hex value, column 10); write a",
    ),
    (
        "two times a key",
        "a = 1\na = 2\n",
        "2: not valid TOML (cannot overwrite a value, column 6); the",
    ),
    (
        "two times a section",
        "[a]\n[a]\n",
        "2: not valid TOML (cannot declare ('a',) twice, column 3)",
    ),
    (
        "open quote",
        'a = "x\nb = 1\n',
        "1: not valid TOML (illegal character '\\n', column 7); close",
    ),
    (
        "open bracket",
        'a = ["x"\n',
        "1: not valid TOML (unclosed array); close the bracket or quote",
    ),
]


@pytest.mark.parametrize(
    ("text", "said"), [(t, s) for _, t, s in SYNTAX], ids=[r[0] for r in SYNTAX]
)
def test_a_syntax_error_names_its_line_and_a_cure(tmp_path: Path, text: str, said: str) -> None:
    (told,) = refusals(tmp_path, text)
    assert told.startswith(f"plasma.toml:{said}")
    assert "; " in told


def test_a_missing_file_tells_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "plasma.toml", known_flags=anything)
    assert str(caught.value) == (
        f"{tmp_path}/plasma.toml: file not found; run `plasma-tui init` to write one, or "
        "`plasma-tui demo` to see a demo training"
    )


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "plasma.toml").write_bytes(b'name = "x"\n\xff\xfe\n')
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, known_flags=anything)
    assert str(caught.value) == f"{tmp_path}/plasma.toml:2: is not UTF-8; save it as UTF-8"


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "plasma.toml"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match=r"cannot be read .*; check the path and its permissions"):
        load_config(loop, known_flags=anything)
