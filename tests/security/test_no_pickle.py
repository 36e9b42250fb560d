"""No pickle is ever loaded: one in every place where a file is read calls nothing."""

from __future__ import annotations

import ast
import io
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.checkpoints.verify import verify
from runner.history.imported_runs.from_log import run_of_log
from runner.history.imported_runs.log_bytes import NoLog
from runner.history.imported_runs.trainings import look_for_trainings
from runner.preflight.checks.base_model import inspect
from runner.preflight.npz import NotNpz, read_npz
from tests import ROOT
from tests.unit.trainers.dataset.dataset_images import write_png
from tui.images.decode import NoPicture, decode

#: whoever imports one of these, or gives numpy and torch a free hand, can run what a file says
FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ENDINGS = (
    ".safetensors",
    ".ckpt",
    ".pt",
    ".pth",
    ".bin",
    ".pkl",
    ".npz",
    ".npy",
    ".png",
    ".log",
    "",
)


TRAIN_ONCE = "import sys; from runner.embedded.__main__ import main; main(sys.argv[1:])"
END_OF_FLAGS, NEXT_STATE = "--", "=== the next state ==="
#: in one process: importing torch takes seconds
RESUME_EACH = f"""
import sys, traceback
from runner.embedded.__main__ import main
at = sys.argv.index({END_OF_FLAGS!r})
for state in sys.argv[at + 1:]:
    print({NEXT_STATE!r}, file=sys.stderr, flush=True)
    try:
        main([*sys.argv[1:at], "--resume", state])
    except Exception:
        traceback.print_exc()
"""


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """Must not exist in the end."""
    found = tmp_path / "executed"
    yield found
    assert not found.exists()


def raw(mark: Path) -> bytes:
    return pickle.dumps({"lora": Evil(mark)}, protocol=2)


def of_torch(mark: Path) -> bytes:
    """As torch.save writes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x/data.pkl", raw(mark))
        archive.writestr("x/version", "3\n")
        archive.writestr("x/byteorder", "little")
    return out.getvalue()


def of_numpy(mark: Path) -> bytes:
    """numpy.savez of an array of objects."""
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        member = b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + raw(mark)
        archive.writestr("latents.npy", member)
    return out.getvalue()


FORMS = {"raw": raw, "torch": of_torch, "numpy": of_numpy}


def test_such_a_pickle_really_executes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pickle.loads(raw(tmp_path / "no" / "parent"))


@pytest.mark.parametrize("form", FORMS)
def test_what_reads_files_executes_nothing(
    tmp_path: Path, mark: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "files"
    for name in ("x", "x-state"):
        (folder / name).mkdir(parents=True)
    data = FORMS[form](mark)
    files = [folder / f"x{ending}" for ending in ENDINGS]
    files[-1] = folder / "x" / "plain"
    state = ("optimizer.bin", "scheduler.bin", "random_states_0.pkl", "pytorch_model.bin")
    for path in (*files, *(folder / "x-state" / name for name in state)):
        path.write_bytes(data)
    for path in files:
        verify(path)
        inspect(path)
        with pytest.raises(NoPicture):
            decode(path)
        try:
            read_npz(path)
        except NotNpz:
            pass
        try:
            run_of_log(path, root=tmp_path / "runs")
        except NoLog:
            pass
    verify(folder / "x-state")
    look_for_trainings(folder)


@pytest.mark.parametrize("form", ["raw", "torch"])
@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin"])
def test_the_built_in_trainer_takes_only_tensors_from_a_lora(
    tmp_path: Path, mark: Path, form: str, suffix: str
) -> None:
    pytest.importorskip("torch")
    from runner.embedded.lora import read_weights

    file = tmp_path / f"lora{suffix}"
    file.write_bytes(FORMS[form](mark))
    with pytest.raises(pickle.UnpicklingError):
        read_weights(str(file))


def test_the_built_in_trainer_still_reads_a_lora_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from runner.embedded.lora import read_weights

    file = tmp_path / "lora.pt"
    torch.save({"a": torch.ones(2)}, file)
    assert read_weights(str(file))["a"].sum() == 2


@pytest.mark.slow
@pytest.mark.torch
def test_a_state_with_a_pickle_is_not_resumed_from(tmp_path: Path, mark: Path) -> None:
    pytest.importorskip("torch")
    write_png(tmp_path / "train" / "1_x" / "a.png")
    flags = [
        "--train_data_dir", "train", "--resolution", "64", "--network_module", "networks.lora", "--seed", "1",
        "--output_dir", "out", "--output_name", "x", "--pretrained_model_name_or_path", "builtin",
        "--max_data_loader_n_workers", "0",
    ]  # fmt: skip

    def train(code: str, *more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *flags, *more], cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    first = train(TRAIN_ONCE, "--max_train_steps", "2", "--save_state_on_train_end")
    state = tmp_path / "out" / "x-state"
    assert state.is_dir(), first
    names = [path.name for path in sorted(state.iterdir()) if path.suffix in (".bin", ".pkl")]
    assert {"optimizer.bin", "random_states_0.pkl", "scheduler.bin"} <= set(names)
    poisoned = []
    for name in names:
        for form in (raw, of_torch):
            poisoned.append(tmp_path / f"{name}-{form.__name__}")
            shutil.copytree(state, poisoned[-1])
            (poisoned[-1] / name).write_bytes(form(mark))
    printed = train(RESUME_EACH, "--max_train_steps", "4", END_OF_FLAGS, *map(str, poisoned))
    parts = printed.split(NEXT_STATE)[1:]
    assert len(parts) == len(poisoned), printed
    for part in parts:
        assert "weights_only" in part or "Weights only" in part or "random" in part, part


# --------------------------------------------------------------------------- the source


def sources() -> list[Path]:
    return [path for folder in ("runner", "tui") for path in sorted((ROOT / folder).rglob("*.py"))]


def calls(tree: ast.AST) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {one.arg: one.value for one in node.keywords if one.arg}


def test_no_module_imports_a_reader_of_pickles() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, path


def test_torch_and_numpy_are_never_given_a_free_hand() -> None:
    found = 0
    for path in sources():
        for name, keywords in calls(ast.parse(path.read_text(encoding="utf-8"))):
            if name in ("torch.load", "torch.jit.load"):
                found += 1
                assert ast.unparse(keywords.get("weights_only", ast.Constant(None))) == "True", path
            assert name not in ("np.load", "numpy.load", "yaml.unsafe_load", "yaml.full_load"), path
            assert "allow_pickle" not in keywords, path
            if name == "yaml.load":
                assert path.name == "safe_yaml.py"
    assert found == 1
