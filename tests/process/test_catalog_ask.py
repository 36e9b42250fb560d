"""Flags of a checkout, asked in real interpreters: fake scripts with argparse, and the real
sd-scripts where the environment names one."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from runner.config.catalog import Catalog, Effort, FlagReport
from runner.config.errors import ConfigError
from runner.config.load import load_config as read_config
from runner.config.model import Trainer
from runner.trainers import flag_catalog
from runner.trainers.command import build_command
from runner.trainers.registry import flag_report, known_flags, load_config

TRAIN_UTIL = """\
import not_installed_anywhere as torch
from not_installed_anywhere.nn import Module, functional as F
VERSION = tuple(int(n) for n in torch.__version__.split("."))
class Net(Module):
    size: torch.Tensor | None = None
    @torch.no_grad()
    def run(self, x: "torch.Tensor"): return x
def add_arguments(parser):
    parser.add_argument("--output_dir", type=str, default=None, help="where it goes / 出力先")
    parser.add_argument("--network_args", type=str, nargs="*")
    parser.add_argument("--mixed_precision", choices=["no", "fp16"], default="no")
"""
SCRIPT = """\
import argparse
from library import train_util
def int_or_float(text): return float(text)
def setup_parser():
    parser = argparse.ArgumentParser()
    train_util.add_arguments(parser)
    parser.add_argument("--max_train_epochs", type=int, default=4, help="epochs, %(default)s")
    parser.add_argument("--lr_warmup_steps", type=int_or_float)
    parser.add_argument("--cache_latents", action="store_true")
    return parser
if __name__ == "__main__":
    raise SystemExit("trained!")
"""
NAMES = {
    "output_dir", "network_args", "mixed_precision", "max_train_epochs", "lr_warmup_steps",
    "cache_latents",
}  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "sd-scripts"
    (folder / "library").mkdir(parents=True)
    (folder / "library" / "__init__.py").touch()
    (folder / "library" / "train_util.py").write_text(TRAIN_UTIL)
    (folder / "train_network.py").write_text(SCRIPT)
    return folder


def trainer(checkout: Path, script: str = "train_network.py", **env: str) -> Trainer:
    path = script if script.startswith("/") else str(checkout / script)
    return Trainer(checkout, sys.executable, path, "python", env)


def known(report: FlagReport) -> Catalog:
    assert report.catalog is not None, report.note
    return report.catalog


def test_a_script_is_asked_without_the_packages_it_imports(checkout: Path) -> None:
    catalog = known(flag_report(trainer(checkout)))
    assert catalog.names == NAMES
    epochs = catalog.get("max_train_epochs")
    assert epochs is not None
    assert (epochs.kind, epochs.default, epochs.help) == ("int", 4, "epochs, 4")
    where = catalog.get("output_dir")
    assert where is not None and where.help == "where it goes / 出力先"
    assert catalog.problem("mixed_precision", "fp17") == 'is "fp17"; choose one of no, fp16'
    assert catalog.problem("lr_warmup_steps", "5%") is None


def test_what_was_asked_once_is_read_from_the_disk(checkout: Path) -> None:
    asked = trainer(checkout)
    assert flag_report(asked, Effort.CACHED).catalog is None
    assert flag_report(asked, Effort.CACHED).note == "flags not checked yet"
    flag_report(asked)
    flag_catalog._read.cache_clear()  # another process
    assert known(flag_report(asked, Effort.CACHED)).names == NAMES


def test_an_edited_checkout_is_asked_again(checkout: Path) -> None:
    asked = trainer(checkout)
    flag_report(asked)
    util = checkout / "library" / "train_util.py"
    util.write_text(TRAIN_UTIL.replace("--output_dir", "--out"))
    assert flag_report(asked, Effort.CACHED).catalog is None
    assert "out" in known(flag_report(asked)).names


def test_a_file_of_the_cache_that_was_cut_off_is_asked_for_again(checkout: Path) -> None:
    asked = trainer(checkout)
    flag_report(asked)
    (file,) = flag_catalog.cache_folder().glob("*.json")
    file.write_bytes(file.read_bytes()[:100])
    assert known(flag_report(asked)).names == NAMES


def test_plasma_toml_is_checked_with_the_flags_of_the_checkout(checkout: Path) -> None:
    file = checkout.parent / "plasma.toml"
    file.write_text(
        f'[trainer]\nsd_scripts = "sd-scripts"\npython = "{sys.executable}"\n'
        '[train]\noutput_dirr = "out"\nmax_train_epochs = 4.5\nmixed_precision = "bf17"\n'
        "cache_latents = 1\nlr_warmup_steps = 10\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert [str(problem) for problem in caught.value.problems] == [
        f"{file}:5: [train] output_dirr is not a flag of this trainer; did you mean output_dir?",
        f'{file}:6: [train] max_train_epochs is "4.5"; it must be an integer',
        f'{file}:7: [train] mixed_precision is "bf17"; choose one of no, fp16',
        f"{file}:8: [train] cache_latents is a switch; write true or false",
    ]


def test_a_script_beside_the_checkout_has_the_flags_of_the_one_it_imports(checkout: Path) -> None:
    sdxl = SCRIPT.replace('"--cache_latents"', '"--only_sdxl"')
    (checkout / "sdxl_train_network.py").write_text(sdxl)
    beside = checkout.parent / "tiny.py"
    beside.write_text("def main():\n    import sdxl_train_network\n    1 / 0\n")
    names = known(flag_report(trainer(checkout, str(beside)))).names
    assert names == NAMES - {"cache_latents"} | {"only_sdxl"}
    beside.write_text("import os\n")
    assert known(flag_report(trainer(checkout, str(beside)))).names == NAMES


def test_flags_that_a_left_out_package_would_add_are_not_taken_for_all(checkout: Path) -> None:
    text = SCRIPT.replace(
        "    return parser",
        "    import fancy_flags\n    fancy_flags.add(parser)\n    return parser",
    )
    (checkout / "train_network.py").write_text(text)
    quick = flag_report(trainer(checkout))
    assert quick.catalog is None
    assert quick.note is not None and "come from a stubbed package" in quick.note
    packages = checkout.parent / "packages"
    packages.mkdir()
    (packages / "fancy_flags.py").write_text("def add(p): p.add_argument('--fancy')\n")
    (packages / "not_installed_anywhere.py").write_text("")
    (checkout / "library" / "train_util.py").write_text("def add_arguments(parser): pass\n")
    full = flag_report(trainer(checkout, PYTHONPATH=str(packages)), Effort.FULL)
    assert "fancy" in known(full).names


def test_a_script_without_the_function_is_stopped_when_it_asks_its_own_parser(
    checkout: Path,
) -> None:
    (checkout / "old.py").write_text(
        "import argparse\np = argparse.ArgumentParser()\n"
        'p.add_argument("--rate", type=float, help="how fast")\n'
        'p.add_argument("--kind", choices=["a", "b"])\np.add_argument("--many", nargs="*")\n'
        'p.add_argument("--bare", action="store_true")\np.parse_args()\n'
        'open("started", "w")\n'
    )
    asked = trainer(checkout, "old.py")
    assert flag_report(asked).catalog is None
    catalog = known(flag_report(asked, Effort.FULL))
    assert catalog.names == {"rate", "kind", "many", "bare"}
    assert catalog.problem("rate", "fast") == 'is "fast"; it must be a number'
    assert catalog.problem("kind", "c") == 'is "c"; choose one of a, b'
    assert catalog.problem("bare", 1) == "is a switch; write true or false"
    assert catalog.problem("many", ("x", "y")) is None
    assert not (checkout / "started").exists()


def test_a_script_that_would_start_working_is_never_started(checkout: Path) -> None:
    (checkout / "loop.py").write_text('open("started", "w")\n')
    report = flag_report(trainer(checkout, "loop.py"), Effort.FULL)
    assert report.catalog is None
    assert report.note is not None and "it has no setup_parser()" in report.note
    assert not (checkout / "started").exists()


def test_no_gpu_and_no_network_are_offered(checkout: Path) -> None:
    text = SCRIPT.replace("    return parser", "    assert_quiet()\n    return parser") + (
        "def assert_quiet():\n    import os\n"
        '    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""\n'
        '    assert os.environ["HF_HUB_OFFLINE"] == "1"\n'
        '    assert os.environ["MINE"] == "kept"\n'
    )
    (checkout / "train_network.py").write_text(text)
    asked = trainer(checkout, CUDA_VISIBLE_DEVICES="0", MINE="kept")
    assert known(flag_report(asked)).names == NAMES


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("import argparse\ndef setup_parser(:\n", "SyntaxError"),
        ("setup_parser = None\nraise SystemExit(3)\n", "SystemExit: 3"),
        ("def setup_parser(): return 5\n", "come from a stubbed package"),
        ("import argparse\ndef setup_parser(): return argparse.ArgumentParser()\n", "no flags"),
    ],
)
def test_a_script_that_cannot_be_asked_is_a_note(checkout: Path, broken: str, said: str) -> None:
    (checkout / "train_network.py").write_text(broken)
    report = flag_report(trainer(checkout))
    assert report.catalog is None
    assert report.note is not None and report.note.startswith("flags not checked: ")
    assert said in report.note


def test_without_a_script_or_an_interpreter_nothing_is_known(checkout: Path) -> None:
    gone = flag_report(trainer(checkout, "gone.py"))
    assert gone == FlagReport(None, f"flags not checked: no script {checkout / 'gone.py'}")
    nobody = Trainer(checkout, "/no/such/python", str(checkout / "train_network.py"))
    report = flag_report(nobody)
    assert report.catalog is None
    assert report.note is not None and "No such file" in report.note
    assert known_flags(nobody) is None


def test_a_script_that_never_answers_is_ended(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flag_catalog, "QUICK_S", 0.5)
    (checkout / "train_network.py").write_text(
        "setup_parser = 1\nimport os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    began = time.monotonic()
    report = flag_report(trainer(checkout))
    assert time.monotonic() - began < 5
    assert report.note is not None and "no answer within" in report.note
    with pytest.raises(ProcessLookupError):
        os.kill(int((checkout / "pid").read_text()), 0)


def test_asking_can_be_cancelled(checkout: Path) -> None:
    (checkout / "train_network.py").write_text("setup_parser = 1\nimport time\ntime.sleep(60)\n")
    cancelled = threading.Event()
    cancelled.set()
    report = flag_report(trainer(checkout), cancelled=cancelled)
    assert report.note is not None and "cancelled" in report.note


def test_names_of_the_probe_do_not_hide_modules_of_the_checkout(checkout: Path) -> None:
    """The probe lies in a folder with a `model.py`, as a checkout may."""
    (checkout / "model.py").write_text("FLAG = '--own_model'\n")
    text = SCRIPT.replace(
        "    return parser",
        "    import model\n    parser.add_argument(model.FLAG)\n    return parser",
    )
    (checkout / "train_network.py").write_text(text)
    assert "own_model" in known(flag_report(trainer(checkout))).names


SCRIPTS = (
    ("train_network.py", "network_dim"),
    ("sdxl_train_network.py", "cache_text_encoder_outputs"),
    ("sd3_train_network.py", "t5xxl"),
    ("flux_train_network.py", "guidance_scale"),
    ("lumina_train_network.py", "gemma2"),
    ("hunyuan_image_train_network.py", "byt5"),
    ("anima_train_network.py", "qwen3"),
    ("train_db.py", "no_token_padding"),
)


@pytest.mark.skipif("PLASMA_SD_SCRIPTS" not in os.environ, reason="no checkout of sd-scripts")
@pytest.mark.parametrize(("script", "flag"), SCRIPTS)
def test_the_real_scripts_tell_their_flags(script: str, flag: str) -> None:
    folder = Path(os.environ["PLASMA_SD_SCRIPTS"])
    python = os.environ.get("PLASMA_SD_PYTHON", sys.executable)
    if not (folder / script).exists():
        pytest.skip(f"this checkout has no {script}")
    catalog = known(flag_report(Trainer(folder, python, str(folder / script))))
    assert {flag, "output_dir", "max_train_steps", "save_every_n_steps"} <= catalog.names
    assert catalog.problem("learning_rate", "1e-4") is None
    assert catalog.problem("lr_warmup_steps", "5%") is None
    assert catalog.problem("max_train_steps", "many") is not None
    assert all(entry.help is not None and entry.dest for entry in catalog.flags)


def test_a_command_is_built_without_asking_anybody(checkout: Path) -> None:
    """Only reading plasma.toml asks; the folder of the cache stays empty otherwise."""
    file = checkout.parent / "plasma.toml"
    file.write_text(f'[trainer]\nsd_scripts = "sd-scripts"\npython = "{sys.executable}"\n')
    build_command(read_config(file, known_flags=lambda trainer: None))
    assert not flag_catalog.cache_folder().exists()
