"""The script is imported once in the trainer's Python, as it will be launched. Real processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from runner.preflight import import_probe
from runner.preflight.facts import Facts
from runner.preflight.import_probe import try_import
from runner.preflight.model import Finding
from runner.preflight.registry import BY_NAME
from runner.trainers.sd_scripts.packages import ALWAYS
from tests.unit.preflight.preflight_project import Project

SCRIPT = "import torchvision\nfrom library import train_util\ndef setup_parser(): pass\n"
MAIN = 'if __name__ == "__main__":\n    raise SystemExit("main ran")\n'


def look(facts: Facts, name: str) -> Finding:
    return BY_NAME[name].look(facts)


class Site:
    """A checkout and a folder of stand-in packages on the trainer's PYTHONPATH."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.packages = project.root / "site"
        for name in (*ALWAYS, "tensorboard"):
            self.package(name, "")
        self.package("torch/optim", "class AdamW: pass\nclass Optimizer: pass\n")
        self.script(SCRIPT + MAIN)

    def package(self, name: str, source: str) -> None:
        file = self.packages / name / "__init__.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)

    def script(self, source: str) -> None:
        (self.project.root / "sd/train_network.py").write_text(source)

    def facts(self, train: str = "") -> Facts:
        trainer = f'sd_scripts = "sd"\npython = "{sys.executable}"\nenv = {{ PYTHONPATH = "{self.packages}" }}'
        return Facts(self.project.config(trainer=trainer, train=train))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    project = Project(tmp_path)
    project.add_images("train", 1, "x")
    project.write_dataset()
    project.checkout()
    return Site(project)


def test_a_script_that_imports_passes_and_its_main_does_not_run(site: Site) -> None:
    found = look(site.facts(), "imports")
    assert (found.status, found.evidence) == ("pass", "imported"), found.detail


def test_a_broken_package_that_is_found_fails_with_the_true_error(site: Site) -> None:
    site.package("torchvision", 'raise RuntimeError("operator torchvision::nms does not exist")\n')
    site.package("transformers", "")
    site.script(
        "try:\n    import torchvision\nexcept RuntimeError as error:\n"
        '    raise ImportError("Could not import module PreTrainedModel") from error\n' + MAIN
    )
    facts = site.facts()
    assert look(facts, "packages").status == "pass"
    found = look(facts, "imports")
    assert found.status == "fail"
    assert "ImportError: Could not import module PreTrainedModel" in found.detail
    assert "RuntimeError: operator torchvision::nms does not exist" in found.detail
    assert f"{site.packages}/torchvision/__init__.py:1" in found.detail
    assert "are incompatible" in found.advice


def test_a_module_that_only_a_flag_brings_in_is_imported_too(site: Site) -> None:
    (site.project.root / "sd/networks/lora.py").write_text("import absent_package\n")
    found = look(site.facts('network_module = "networks.lora"'), "imports")
    assert found.status == "fail"
    assert "Importing networks.lora fails with ModuleNotFoundError" in found.detail
    assert "absent_package" in found.detail
    assert found.advice.endswith("-c 'import networks.lora'")


def test_a_script_without_a_guard_has_only_its_imports_executed(site: Site) -> None:
    mark = site.project.root / "it ran"
    site.script(f"import torchvision\nopen({str(mark)!r}, 'w')\n")
    assert look(site.facts(), "imports").status == "pass"
    assert not mark.exists()
    site.package("torchvision", "raise OSError('libcudart.so.12: cannot open')\n")
    assert look(site.facts(), "imports").status == "fail"


def test_a_script_beside_the_checkout_may_prepare_its_modules_in_main(site: Site) -> None:
    """What its main imports after that is not known, so it is not imported here."""
    (site.project.root / "sd/networks/lora.py").write_text("import absent_package\n")
    (site.project.root / "own.py").write_text("import os\n" + MAIN)
    facts = site.facts('network_module = "networks.lora"')
    trainer = (
        f'sd_scripts = "sd"\npython = "{sys.executable}"\nscript = "{site.project.root}/own.py"\n'
        f'env = {{ PYTHONPATH = "{site.packages}" }}'
    )
    facts = Facts(site.project.config(trainer=trainer, train='network_module = "networks.lora"'))
    assert look(facts, "imports").status == "pass"


def test_it_sees_the_path_that_the_launch_has(site: Site) -> None:
    """A file beside the script hides a package of that name, as it will for the trainer."""
    (site.project.root / "sd/einops.py").write_text("raise ImportError('the wrong einops')\n")
    site.script("import os, sys\nassert os.getcwd() == sys.path[0]\nimport einops\n" + MAIN)
    found = look(site.facts(), "imports")
    assert found.status == "fail"
    assert "the wrong einops" in found.detail


def test_a_crash_of_the_interpreter_is_told_with_its_signal(site: Site) -> None:
    site.package("torchvision", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    found = look(site.facts(), "imports")
    assert found.status == "fail"
    assert "SIGSEGV: Python crashed" in found.detail
    assert "torchvision/__init__.py" in found.detail


def test_a_module_that_ends_the_process_is_told(site: Site) -> None:
    site.package("torchvision", "import os\nos._exit(3)\n")
    assert "exit code 3" in look(site.facts(), "imports").detail


def test_an_import_that_hangs_is_a_warning_and_nothing_of_it_lives_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = site.project.root / "pid"
    site.package(
        "torchvision",
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n",
    )
    monkeypatch.setattr(import_probe, "TIMEOUT_S", 1.5)
    found = look(site.facts(), "imports")
    assert (found.status, found.evidence) == ("warn", "no answer")
    assert not os.path.exists(f"/proc/{pid.read_text()}")


def test_it_can_be_broken_off(site: Site) -> None:
    site.package("torchvision", "import time\ntime.sleep(600)\n")
    facts = site.facts()
    assert not facts.interpreter().problem
    threading.Timer(0.3, facts.cancelled.set).start()
    begin = time.monotonic()
    assert look(facts, "imports").evidence == "cancelled"
    assert time.monotonic() - begin < 10


def test_a_success_is_remembered_and_a_failure_is_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(*given: object) -> import_probe.Imported:
        asked.append(1)
        return try_import(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(import_probe, "try_import", counted)
    assert look(site.facts(), "imports").status == "pass"
    assert look(site.facts(), "imports").status == "pass"
    assert len(asked) == 1
    (site.project.root / "sd/library/train_util.py").write_text("import absent_package\n")
    assert look(site.facts(), "imports").status == "fail"
    (site.project.root / "sd/library/train_util.py").write_text("\n")
    assert look(site.facts(), "imports").status == "pass"


GET_OPTIMIZER = """
def get_optimizer(args, trainable_params):
    optimizer_type = args.optimizer_type.lower()
    if optimizer_type == "Lion".lower():
        pass
    elif optimizer_type.endswith("8bit".lower()):
        if optimizer_type == "AdamW8bit".lower():
            pass
    elif optimizer_type == "Adafactor".lower():
        pass
    elif optimizer_type == "AdamW".lower():
        pass


def after(optimizer_type):
    return optimizer_type == "Elsewhere"
"""


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("adafactor", "pass", "of this trainer"),
        ("NAdam", "pass", "of torch.optim"),
        ("AdaFactr", "fail", 'optimizer_type = "Adafactor"'),
        ("nadam", "fail", 'optimizer_type = "NAdam"'),
        ("Elsewhere", "fail", "set optimizer_type to one of these"),
        ("Prodigyy", "fail", "Lion, AdamW8bit, Adafactor, AdamW"),
        ("einops.Own", "pass", "can be imported"),
        ("einops.Absent", "fail", "einops has no Absent"),
    ],
)
def test_an_optimizer_is_one_of_the_scripts_or_of_torch_or_can_be_imported(
    site: Site, name: str, status: str, said: str
) -> None:
    site.package("torch/optim", "class AdamW: pass\nclass NAdam: pass\nclass Optimizer: pass\n")
    site.package("einops", "class Own: pass\n")
    (site.project.root / "sd/library/train_util.py").write_text(GET_OPTIMIZER)
    found = look(site.facts(f'optimizer_type = "{name}"'), "optimizer")
    assert found.status == status, found
    assert said in f"{found.detail} {found.advice}"


def test_the_nearest_optimizer_is_offered_as_a_cure(site: Site) -> None:
    site.package("torch/optim", "class AdamW: pass\n")
    (site.project.root / "sd/library/train_util.py").write_text(GET_OPTIMIZER)
    found = look(site.facts('optimizer_type = "Adafctor"'), "optimizer")
    assert found.cures[0].title == "use Adafactor"
    assert not look(site.facts('optimizer_type = "Whatever"'), "optimizer").cures


def test_where_torch_cannot_be_asked_an_unknown_optimizer_is_a_warning(site: Site) -> None:
    site.package("torch/optim", "raise ImportError('broken')\n")
    (site.project.root / "sd/library/train_util.py").write_text(GET_OPTIMIZER)
    assert look(site.facts('optimizer_type = "RAdam"'), "optimizer").status == "pass"
    assert look(site.facts('optimizer_type = "Newer"'), "optimizer").status == "warn"
