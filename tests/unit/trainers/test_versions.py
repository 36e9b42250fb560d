"""Versions of a trainer, read from the names of what is installed."""

from pathlib import Path

from runner.trainers.checkout import changed_versions, trainer_versions


def test_commit_and_packages(tmp_path: Path) -> None:
    packages = tmp_path / "venv" / "lib" / "python3.10" / "site-packages"
    for name in ("torch-2.7.1+cu128", "accelerate-1.6.0", "torch_fidelity-0.3", "torch-extra-1.0"):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    (tmp_path / "sd" / ".git").mkdir(parents=True)
    (tmp_path / "sd" / ".git" / "HEAD").write_text("0" * 40 + "\n")
    found = trainer_versions(str(tmp_path / "venv" / "bin" / "python"), tmp_path / "sd")
    assert found == {"sd_scripts": "0" * 40, "torch": "2.7.1+cu128", "accelerate": "1.6.0"}


def test_what_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    assert trainer_versions("python3", None) == {}
    assert trainer_versions(str(tmp_path / "bin" / "python"), tmp_path) == {}


def test_only_what_is_known_both_times_can_have_changed() -> None:
    before, now = {"torch": "2.6", "accelerate": "1.6.0"}, {"torch": "2.7", "diffusers": "0.32"}
    assert changed_versions(before, now) == (("torch", "2.6", "2.7"),)
