"""Scripts whose programs were recorded by bash 5.2 with stand-ins that only print their words: the reader must
find the same words in the same order. `tests/data/import/bash.txt` holds them; `#->` is what bash started."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.trainers.sd_scripts.importers.model import ImportRefused
from runner.trainers.sd_scripts.importers.shell.reader import ScriptReader
from runner.trainers.sd_scripts.importers.shell.scope import Scope
from runner.trainers.sd_scripts.importers.shell.tree import parse
from tests import DATA
from tests.unit.trainers.importers.import_context import Desk, arguments

#: programs that bash had stand-ins for
RECORDED = re.compile(r"python\d?|accelerate|nohup|srun|env|time")
RUN = "python /sd/train_network.py"


def recorded() -> list[object]:
    text = (DATA / "import" / "bash.txt").read_text("utf-8")
    found = []
    for part in text.split("#== ")[1:]:
        title, _, rest = part.partition("\n")
        script, *started = rest.split("#-> ")
        words = [json.loads(one) for one in started if one.strip()]
        found.append(pytest.param(script, words, id=title))
    return found


@pytest.mark.parametrize(("script", "words"), recorded())
def test_the_words_of_every_program_are_those_of_bash(
    script: str, words: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder = tmp_path / "home", tmp_path / "work"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    scope = Scope({"USER": "u"}, str(home), script=str(folder / "train.sh"), cwd=folder)
    reader = ScriptReader(scope)
    reader.read(parse(f"\n{script}")[0])
    found = [
        [field.text for field in one.fields]
        for one in reader.found
        if RECORDED.fullmatch(one.fields[0].text)
    ]
    for one in words:
        one[:] = [w.replace("{cwd}", str(folder)).replace("{home}", str(home)) for w in one]
    assert found == words


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return Desk(home, project, {})


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("[ -d /no/such ] || exit 1\n@", "line 1: /no/such does not exist here; the script would"),
        ("if [ ! -f /no/such ]; then exit 1; fi\n@", "line 1: /no/such does not exist here; the script would"),
        ("if [ -f /no/such ]; then A=1; fi\n@", "line 1: /no/such does not exist here; read as the script"),
        ("if [ $# -lt 1 ]; then exit 1; fi\n@", "line 1: the script is called without arguments; the"),
        ("M=\nif [ -z \"$M\" ]; then exit 1; fi\n@", "line 2: the script would stop, but is read on"),
        ("case ${1:-help} in help) exit 0;; go) @;; esac", "using branch 2 (go), not help"),
        ("if [ \"$MODE\" = train ]; then\n@\nfi", "line 1: this condition does not hold; read as if it did"),
        ("cat > go.sh <<E\n@\nE", "go.sh is written, and not started; read as if it were"),
        ("docker run --rm img bash -c 'cd /app && @'", "line 1: the command runs in a container; its"),
        ("ssh host 'cd /app && @'", "line 1: the command runs on another machine; its paths are those there"),
        ("cd $SLURM_SUBMIT_DIR\n@", "SLURM_SUBMIT_DIR is read as "),
        ("for i in {1..30}; do @ --seed=$i; done", "it is in a loop over 1 2 3 4 5 6 7 8 9 10 and 20 more;"),
        ("while read a; do @ --seed=$a; done <<E\n1\n2\nE", "it is in a loop of 2 rounds; using the first"),
        ("cd $NOWHERE\n@ --output_dir=o", "line 1: the folder of `cd` is unknown: $NOWHERE is set"),
        ("cd $NOWHERE\n@ --output_dir=o", "relative paths are read as if they start in"),
        ("t() { @ --seed=$1; }\nt 1; t 2; t 3; t 4; t 5; t 6; t 7; t 8", "2 more trainings are left out"),
        ("if [[ $(x) =~ ^(a+)+$ ]]; then @; fi", "line 1: unknown condition of `if`; read as if true"),
    ],
)  # fmt: skip
def test_what_the_machine_or_the_caller_decides_is_reported(
    desk: Desk, script: str, note: str
) -> None:
    made = desk.imported(script.replace("@", RUN))
    assert any(note in one for one in made.notes), made.notes


@pytest.mark.parametrize(
    ("script", "told", "unmapped"),
    [
        # a text of several flags loses only the unknown one
        ("A=\"--a=1 --b=$(date) --c=3\"\nR $A", ["--a=1", "--c=3"],
         ["--b=${date}: $(date) would have to be run"]),
        ("R --seed=$SLURM_JOB_ID --a", ["--a"], ["--seed=${SLURM_JOB_ID}: $SLURM_JOB_ID is set by Slurm"]),
        ("for f in *.toml; do R --a=$f --b; done", ["--b"],
         ["--a=${f}: $f is one of the files *.toml, which are not looked up"]),
        ("for f in \"$@\"; do R --a=$f --b; done", ["--b"], ["--a=${f}: $f is set by a loop"]),
        ("R --a=${x@Q} --b", ["--b"], ["--a=${x@Q}: $x is set neither in the file nor in this shell"]),
        # usage with a placeholder refuses nothing
        ("usage() { cat <<E\nuse: --model <path>\nE\n}\necho '--m <path>' # --m <path>\nR --a", ["--a"], []),
        ("x=1; [ \"$x\" = 2 ] && { R --a; exit; }; R --b", ["--b"], []),
        ("PY=$(which python3)\n$PY /sd/train_network.py --a", ["--a"], []),
        ("set -a\nA=1\nset +a\nexport \"B$A=x\" $(cat .env)\nR --a=$B1", ["--a=x"], []),
        ("while [ ! -f /no/such ]; do sleep 1; done\nR --a", ["--a"], []),
        ("if ! R --a; then exit 1; fi\nR --b", ["--a"], []),
        ("(venv) me@pod:/workspace# cd /x\n(venv) me@pod:/x# R --a", ["--a"], []),
        ("read -r -d '' A <<'E'\n--a=1\n--b\nE\nR $A", ["--a=1", "--b"], []),
        ("if [ $? -ne 0 ]; then exit 1; fi\nR --a", ["--a"], []),
        ("[[ GPUS -gt 1 ]] && M=--multi || M=\nR --a $M", ["--a"], []),
        ("sync() { while true; do sleep 9; done; }\nsync &\nR --a", ["--a"], []),
        ("D=\ncd \"$D\"\nR --a", ["--a"], []),
        ("timeout 3h R --a", ["--a"], []),
        ("docker run --gpus all img R --a", ["--a"], []),
        ("deepspeed --num_gpus 2 /sd/train_network.py --a", ["--a"], []),
    ],
)  # fmt: skip
def test_flags_around_what_is_unknown_are_kept(
    desk: Desk, script: str, told: list[str], unmapped: list[str]
) -> None:
    made = desk.imported(script.replace("R ", f"{RUN} "))
    assert arguments(desk.command(made)) == told
    assert list(made.unmapped) == unmapped


def test_files_beside_the_script_are_read_and_no_others(desk: Desk) -> None:
    (desk.project / "env.sh").write_text("export LR=1e-4\nDIM=8\n")
    (desk.project / "inner.sh").write_text(
        f"{RUN} --seed=$1 --learning_rate=$LR --x=${{DIM:-0}} --y=$2\n"
    )
    (desk.project / "seed.txt").write_text("7\n")
    (desk.home / "secret.sh").write_text("LR=2\n")
    made = desk.imported(
        ". ./env.sh\nsource ../secret.sh\nbash inner.sh $(cat seed.txt) $(< seed.txt)\n"
    )
    assert arguments(desk.command(made)) == ["--seed=7", "--learning_rate=1e-4", "--x=0", "--y=7"]
    assert any("../secret.sh is not read" in note for note in made.notes)
    assert made.source.endswith("line 1 of inner.sh")


def test_a_script_that_starts_itself_ends(desk: Desk) -> None:
    made = desk.imported(f"bash train.sh\nsource train.sh\n{RUN} --seed=1\n")
    assert arguments(desk.command(made)) == ["--seed=1"]


TOML = '[[datasets]]\nresolution = 512\n[[datasets.subsets]]\nimage_dir = "img/$N"\n'


def test_a_dataset_config_that_the_script_writes_is_the_dataset(desk: Desk) -> None:
    made = desk.imported(
        f"N=cats\ncat > ds.toml <<EOF\n{TOML}EOF\ncd /sd\n{RUN} --dataset_config $OLDPWD/x "
        '--dataset_config "$(dirname $0)/ds.toml"\n'
    )
    config = desk.config(made)
    assert config.dataset is not None
    assert config.dataset["datasets"][0]["subsets"] == [{"image_dir": "/sd/img/cats"}]
    assert config.train["dataset_config"] == str(desk.project / "ds.toml")


def test_a_temporary_file_of_the_script_gets_a_name_in_the_project(desk: Desk) -> None:
    made = desk.imported(
        f"C=$(mktemp --suffix .toml)\ncat > \"$C\" <<'EOF'\n{TOML}EOF\n{RUN} --dataset_config $C\n"
    )
    config = desk.config(made)
    assert config.train["dataset_config"] == str(desk.project / "dataset.toml")
    assert config.dataset is not None


def test_flags_of_a_config_file_that_the_script_writes_are_imported(desk: Desk) -> None:
    made = desk.imported(
        "cat > c.toml <<EOF\n[network]\nnetwork_dim = 16\nlearning_rate = 1e-4\noutput_dir = 'out'\n"
        f"cache_latents = true\nflip_aug = false\nEOF\n{RUN} --config_file c.toml --network_dim=8\n"
    )
    train = desk.config(made).train
    assert train == {
        "learning_rate": "1e-4", "output_dir": str(desk.project / "out"), "cache_latents": True,
        "network_dim": 8,
    }  # fmt: skip


def test_prompts_that_the_script_writes_are_a_file_beside_plasma_toml(desk: Desk) -> None:
    made = desk.imported(
        f'mkdir -p out\nfor t in cat dog; do\n echo "a $t --w 512" >> out/p.txt\ndone\n'
        f"{RUN} --sample_prompts=out/p.txt\n"
    )
    assert desk.config(made).train["sample_prompts"] == str(desk.project / "p.txt")
    assert (desk.project / "p.txt").read_text() == "a cat --w 512\na dog --w 512\n"


def test_only_the_unknown_parts_of_a_written_file_are_lost(desk: Desk) -> None:
    made = desk.imported(
        f'cat > c.toml <<EOF\noutput_name = "$NOBODY"\nseed = 3\nEOF\n'
        f"cat > d.toml <<EOF\n{TOML}EOF\necho a $N > p.txt\n"
        f"{RUN} --config_file c.toml --dataset_config d.toml --sample_prompts p.txt --a\n"
    )
    config = desk.config(made)
    assert config.train == {
        "seed": 3,
        "dataset_config": str(desk.project / "d.toml"),
        "sample_prompts": str(desk.project / "p.txt"),
        "a": True,
    }
    assert config.dataset is not None
    assert config.dataset["datasets"][0]["subsets"][0]["image_dir"].endswith("img/${N}")
    assert (desk.project / "p.txt").read_text() == "a ${N}\n"
    nowhere = "set neither in the file nor in this shell"
    assert made.unmapped == (f"output_name = ${{NOBODY}}: $NOBODY is {nowhere}",)
    for name, shown in (("c.toml", "NOBODY"), ("d.toml", "N"), ("p.txt", "N")):
        assert f"replace ${{{shown}}} from {name}: ${shown} is {nowhere}" in made.notes


@pytest.mark.parametrize(
    ("change", "folder", "note"),
    [
        ("sed 's|DIR|/img/a|g' t.toml > d.toml", "/img/a", "d.toml is written by the script"),
        ("cp -f t.toml d.toml; sed -i -e \"s#DIR#/img/b#\" d.toml", "/img/b", "it is [dataset]"),
        ("cat t.toml > d.toml; sed -i 's/^.*$/x/' d.toml", "{here}/DIR", "`sed s/^.*$/x/` is not followed"),
    ],
)  # fmt: skip
def test_a_template_filled_in_by_sed_is_read(
    desk: Desk, change: str, folder: str, note: str
) -> None:
    (desk.project / "t.toml").write_text(TOML.replace("img/$N", "DIR"))
    made = desk.imported(f"{change}\n{RUN} --dataset_config d.toml\n")
    config = desk.config(made)
    assert config.dataset is not None
    subset = config.dataset["datasets"][0]["subsets"][0]
    assert subset["image_dir"] == folder.replace("{here}", str(desk.project))
    assert any(note in one for one in made.notes), made.notes


def test_a_temporary_file_that_cannot_be_read_is_listed(desk: Desk) -> None:
    made = desk.imported(f"C=$(mktemp)\nenvsubst > $C\n{RUN} --dataset_config $C --a\n")
    assert desk.config(made).train == {"a": True}
    assert made.unmapped == ("--dataset_config: the file that the script writes",)


def test_relative_paths_in_named_files_start_where_the_command_runs(desk: Desk) -> None:
    (desk.project / "c.toml").write_text('train_data_dir = "./img"\noutput_name = "x"\n')
    (desk.project / "d.toml").write_text(TOML)
    (desk.home / "sd-scripts").mkdir()
    (desk.home / "sd-scripts" / "train_network.py").write_text("x = 1\n")
    made = desk.imported(f"cd {desk.project}\n{RUN} --config_file c.toml --dataset_config d.toml\n")
    config = desk.config(made)
    assert config.train == {
        "config_file": str(desk.project / "c.toml"),
        "dataset_config": str(desk.project / "dataset.toml"),
        "train_data_dir": str(desk.project / "img"),
    }
    assert config.dataset is not None
    subset = config.dataset["datasets"][0]["subsets"][0]
    assert subset == {"image_dir": str(desk.project / "img" / "$N")}


def test_a_job_of_slurm_starts_in_its_own_folder(desk: Desk) -> None:
    made = desk.imported(f"#!/bin/bash\n#SBATCH --chdir=/data/x\n{RUN} --output_dir=out\n")
    assert arguments(desk.command(made)) == ["--output_dir=/data/x/out"]


@pytest.mark.parametrize(
    "text",
    [
        "while true; do A=$A; done\n",
        "for ((;;)); do A=1; done\n",
        "A={1..999999999}\n",
        "echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}\n",
        'x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n[[ $x =~ ^(a+)+b$ ]]\necho "${x//a*a*a*a*b/c}"\n',
        "printf '%999999999d' 1\nprintf '%%' 1 2 3\n",
        "A=$((9**9**9**9))\nA=$((1<<99999999999))\n",
        "seq 1 999999999\nfor i in $(seq 999999999); do :; done\n",
        "f() { echo $(f)$(f); }\nA=$(f)\n",
        "cat <<A\n" * 3000,
        "x=$(" + "cat <<A\n" * 2000 + ")\n",
        "A="
        + "x" * 100_000
        + "\nwhile [ 1 = 1 ]; do for i in {1..500}; do echo $A; python x.py $A; done; done\n",
        "A=" + "x" * 100_000 + "\nB=$(for i in {1..500}; do echo $A; done)\n",
        "echo x > a\n" + "cat a a > b\ncat b b > a\n" * 30,
        "case x in " + "a) ;; " * 3000 + "esac\n",
    ],
)
def test_the_reading_of_hostile_scripts_ends(desk: Desk, text: str) -> None:
    try:
        desk.imported(text + f"{RUN} --seed=1\n")
    except ImportRefused as error:
        assert "\n" not in str(error)
