"""Notebooks and Python programs: what their values make of the commands and configurations in them."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from runner.trainers.sd_scripts.importers.dialects import as_shell
from runner.trainers.sd_scripts.importers.model import Imported, ImportRefused
from tests.unit.trainers.importers.import_context import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    (home / "sd-scripts").mkdir()
    (home / "sd-scripts" / "train_network.py").write_text("x = 1\n")
    return Desk(home, project, {})


def notebook(*cells: str) -> str:
    return json.dumps(
        {
            "cells": [
                {"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells
            ]
        }
    )


def flags(desk: Desk, made: Imported) -> dict[str, Any]:
    here = f"{desk.project}/"
    train = desk.config(made).train
    return {n: v.removeprefix(here) if isinstance(v, str) else v for n, v in train.items()}


RUN = "python /sd/train_network.py"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 3\na += 1\nos.system(f'RUN --seed={a} --lr={a / 8:.2f}')", "--seed=4 --lr=0.50"),
        ("c = {'seed': 1, 'xformers': True, 'vae': None}\nw = ['python', '/sd/train_network.py']\n"
         "for k, v in c.items():\n  if v is True:\n    w.append(f'--{k}')\n  elif v is not None:\n"
         "    w += [f'--{k}', str(v)]\nsubprocess.run(w, check=True)", "--seed 1 --xformers"),
        ("w = 'RUN'.split() + [f'--{k}={v}' for k, v in {'a': 1, 'b': 2}.items() if v > 1]\ncall(w)",
         "--b=2"),
        ("p = Path('/data') / 'out'\nsubprocess.run('RUN --output_dir=' + str(p / 'x'), shell=True)",
         "--output_dir=/data/out/x"),
        ("p = os.path.join('/d', os.path.basename('/x/n'))\nc = ' '.join(['RUN', '--a', p])\nos.system(c)",
         "--a /d/n"),
        ("def go(name, dim=4, *, seed=1):\n  return subprocess.run(['python', '/sd/train_network.py',\n"
         "    f'--n={name}', f'--d={dim}', f'--s={seed}'])\nif __name__ == '__main__':\n go('x', seed=7)",
         "--n=x --d=4 --s=7"),
        ("p = ArgumentParser()\np.add_argument('--name', default='n')\np.add_argument('--dim')\n"
         "a = p.parse_args()\nos.system(f'RUN --n={a.name} --d={a.dim}')", "--n=n --d=$(argument dim)"),
        ("class C:\n dim = 8\n def go(self):\n  os.system(f'RUN --d={C.dim} --n={self.n}')",
         "--d=8 --n=$(self.n)"),
        ("class A:\n  lr = 1\nclass T(A):\n  def __init__(self, dim=8):\n    self.dim = dim\n  def run(self):\n"
         "    os.system(f'RUN --d={self.dim} --lr={self.lr}')\nT(dim=16).run()", "--d=16 --lr=1"),
        ("@dataclass\nclass C:\n  name: str\n  dim: int = 4\n  def words(self):\n"
         "    return ['--n', self.name, '--d', str(self.dim)]\n"
         "call(['python', '/sd/train_network.py', *C('y').words()])",
         "--n y --d 4"),
        ("a = {'s': 1, 'x': True}\nw = sum([[f'--{k}'] if v is True else [f'--{k}', str(v)]"
         " for k, v in a.items()], [])\n"
         "call(['python', '/sd/train_network.py', *w])", "--s 1 --x"),
        ("w = ['python', '/sd/train_network.py']\nif os.path.exists('/x'):\n  w.append('--x')\n"
         "w.append('--y')\nsubprocess.run(w)", '"$(if os.path.exists x)" --y'),
        ("a = ''\nif f():\n  a += '--v 1 '\nelif g():\n  a += '--w '\na += '--s=1'\nos.system(f'RUN {a}')",
         "$(if f) --s=1"),
        ("n = 'a'\nif torch.cuda.is_available():\n  n = 'b'\nelse:\n  n = 'c'\nos.system(f'RUN --n={n} --s=1')",
         "--n=$(if torch.cuda.is_available) --s=1"),
        ("if input():\n  cmd = 'RUN --s=1'\nelse:\n  cmd = 'RUN --s=2'\nos.system(cmd)", "--s=1"),
        ("d = os.environ.get('D', '/data')\nos.system('RUN --d=%s --s=%d' % (d, 3))", "--d=/data --s=3"),
        ("subprocess.run([sys.executable, '/sd/train_network.py', *['--a', 'b c']])", "--a 'b c'"),
        ("t = 'RUN --n={} --s={}'.format('x', 2)\nawait asyncio.create_subprocess_shell(t)", "--n=x --s=2"),
    ],
)  # fmt: skip
def test_a_program(text: str, words: str) -> None:
    kind = ".ipynb" if text.startswith("t = ") else ".py"
    source = notebook(text.replace("RUN", RUN)) if kind == ".ipynb" else text.replace("RUN", RUN)
    lines = as_shell(source, kind, "x").text.splitlines()
    assert next(line for line in lines if ".py" in line) == f"{RUN} {words}"


def test_folder_and_environment_of_a_program(desk: Desk) -> None:
    made = desk.imported(
        "os.environ['A_B'] = '1'\nsubprocess.run(['python', 'train_network.py', '--output_dir=o'],"
        " cwd='/sd', env={**os.environ, 'C': 2})\n",
        "t.py",
    )
    config = desk.config(made)
    assert config.train["output_dir"] == "/sd/o"
    assert dict(config.trainer.env) == {"A_B": "1", "C": "2"}
    assert config.trainer.sd_scripts == Path("/sd")


CONFIG = '''import toml, os
name = "girl"  #@param {type:"string"}
root = "/content"
config_file = os.path.join(root, "config.toml")
dataset_file = f"{root}/dataset.toml"
rate = 3e-4
def create():
  global config_file
  config = {
    "network_arguments": {"network_module": "networks.lora", "network_dim": 8, "vae": None,
                          "unet_lr": rate, "max_train_steps": steps()},
    "saving": {"output_name": name, "output_dir": "/content/out", "v2": False},
  }
  for key in config:
    config[key] = {k: v for k, v in config[key].items() if v is not None}
  with open(config_file, "w") as f:
    f.write(toml.dumps(config))
  with open(dataset_file, "w") as f:
    subset = {"image_dir": "/i", "x": None}
    toml.dump({"general": {"caption_dropout_rate": 0.05}, "datasets": [{"subsets": [subset]}]}, f)
'''  # fmt: skip
START = "%cd /sd\ncreate()\n!accelerate launch sdxl_train_network.py --config_file={config_file} --seed=1"


def test_the_configuration_that_a_notebook_writes_is_in_its_plasma_toml(desk: Desk) -> None:
    made = desk.imported(notebook(CONFIG, f"{START} --dataset_config=$dataset_file\n"), "n.ipynb")
    assert flags(desk, made) == {
        "network_module": "networks.lora", "network_dim": 8, "unet_lr": "0.0003", "output_name": "girl",
        "output_dir": "/content/out", "seed": 1, "dataset_config": "/content/dataset.toml",
    }  # fmt: skip
    config = desk.config(made)
    assert config.dataset == {
        "general": {"caption_dropout_rate": 0.05}, "datasets": [{"subsets": [{"image_dir": "/i"}]}]
    }  # fmt: skip
    assert made.unmapped == ("max_train_steps: its value follows only when the program runs",)
    assert Path(config.trainer.script).name == "sdxl_train_network.py"
    assert "config.toml is written by the script; its flags are in [train]" in made.notes


def test_a_notebook_without_a_start_gives_its_configuration(desk: Desk) -> None:
    made = desk.imported(notebook(CONFIG, "create()\n# sdxl_train_network.py"), "n.ipynb")
    assert flags(desk, made)["output_name"] == "girl"
    assert Path(desk.config(made).trainer.script).name == "sdxl_train_network.py"
    assert any(
        note.startswith("it starts no training with the values in it") for note in made.notes
    )
    with pytest.raises(ImportRefused, match="no training command"):
        desk.imported(notebook("print({'a': 1})"), "n.ipynb")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["%%writefile /c.toml\noutput_name = 'x'\nunet_lr = 1e-4\n", "!RUN --config_file=/c.toml"],
         {"output_name": "x", "unet_lr": "1e-4"}),
        (["%%bash\nA=3\nRUN \\\n --seed=$A\n"], {"seed": 3}),
        (["%env B=2\n", "s = 'it is not: valid\n", "n = 4\n!RUN --seed={n} --output_name=a$B --vae={{x}}\n)"],
         {"seed": 4, "output_name": "a2", "vae": "{x}"}),
        (["n = ('%d'\n  % 3)\n", "!RUN --seed={n}"], {"seed": 3}),
        (["S = ''\n!RUN $S --seed=2 {S}"], {"seed": 2}),
        (["a = !ls\nf = '''\n!RUN --seed=9\n'''\n!RUN --seed=1 {'--v2' if f else ''} {'--x' if not f else ''}"],
         {"seed": 1, "v2": True}),
        (["open('t.sh', 'w').write('RUN --seed=5')\n!chmod +x t.sh\n!./t.sh"], {"seed": 5}),
        (["if True:\n  %cd /sd\n  get_ipython().system('python train_network.py --seed=6')"], {"seed": 6}),
        (["!echo 'broken\nos.system('echo \"x')\n!RUN --seed=7 # a note\nx = 1\n!echo done.py\n"], {"seed": 7}),
    ],
)  # fmt: skip
def test_cells_as_ipython_reads_them(desk: Desk, cells: list[str], told: dict[str, object]) -> None:
    made = desk.imported(notebook(*(cell.replace("RUN", RUN) for cell in cells)), "n.ipynb")
    assert flags(desk, made) == told


@pytest.mark.parametrize(
    "text",
    [
        "a = 'x' * 10**9\nb = [0] * 10**9\nc = 9**9**9\nd = range(10**9)\ne = '%099999999d' % 1\n",
        "a = 'x'\n" + "a = a + a\n" * 60,
        "a = ['x']\n" + "a = a + a\n" * 60,
        "def f(n):\n  g(n)\n  g(n)\ndef g(n):\n  f(n)\n  f(n)\nf(1)\n",
        "while True:\n  pass\n",
        "for i in range(4000):\n  for j in range(4000):\n    pass\n",
        "x = " + "(" * 150 + "1" + ")" * 150 + "\n",
        "x = " + "-" * 3000 + "1\n",
        "x = a" + ".b" * 3000 + "\n",
        "a = '{:>999999999}'.format(1)\nb = f'{1:>999999999}'\nc = 'a'.zfill(10**9)\nd = 'a'.ljust(10**9)\n",
        "a = []\na.append(a)\nb = str(a)\nd = {}\nd[1] = d\nc = f'{d}'\n",
        "import os\nos.remove('/x')\nopen('/tmp/x', 'w')\n__import__('os').system('touch /tmp/y')\n",
    ],
)
def test_no_program_takes_long_or_is_run(desk: Desk, text: str) -> None:
    begun = time.monotonic()
    with contextlib.suppress(ImportRefused):
        desk.imported(f"{text}\nos.system('{RUN} --seed=1')\n", "t.py")
    assert time.monotonic() - begun < 8
