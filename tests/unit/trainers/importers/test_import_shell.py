"""Shell scripts and pasted commands: what of them ends up in the command that plasma.toml gives."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from runner.config.catalog import Catalog, Flag
from runner.trainers.sd_scripts.importers.model import ImportRefused
from tests import DATA
from tests.unit.trainers.importers.import_context import Desk, arguments

DATA = DATA / "import"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "lora project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return Desk(home, project, {"USER": "someone", "FROM_HERE": "512"})


def flags(desk: Desk, command: str) -> list[str]:
    """What the script would get."""
    return arguments(desk.command(desk.pasted(command)))


def run(flags: str) -> str:
    return f"accelerate launch /sd/train_network.py {flags}"


def test_both_commands_of_the_scenario_come_out_as_they_went_in(desk: Desk) -> None:
    made = desk.imported((DATA / "scenario.sh").read_text())
    kohya, project = desk.home / "tools/kohya_ss", desk.project
    learning = [
        "--learning_rate=1e-4", "--network_module=networks.lora", "--network_dim=32",
        "--network_alpha=16", "--mixed_precision=no", "--save_precision=float",
        "--optimizer_type=AdamW", "--no_half_vae", "--gradient_checkpointing", "--seed=42",
    ]  # fmt: skip
    common = [
        f"--pretrained_model_name_or_path={desk.home}/tools/ComfyUI/models/checkpoints/base.safetensors",
        f"--dataset_config={project}/spyke_lora_dataset.toml",
        f"--output_dir={project}/output/loras/spyke",
        "--save_model_as=safetensors",
    ]
    command = desk.command(made)
    assert arguments(command) == [
        *common, "--output_name=spyke_plasma_v1", *learning, "--save_every_n_steps=200",
        "--max_train_epochs=4", "--unet_lr=1e-4", "--text_encoder_lr=5e-5",
        "--lr_scheduler=cosine", "--lr_warmup_steps=0", "--clip_skip=2", "--prior_loss_weight=1.0",
        "--max_data_loader_n_workers=1", "--persistent_data_loader_workers",
    ]  # fmt: skip
    launch = command.argv[: -len(arguments(command))]
    assert launch == (
        f"{kohya}/venv/bin/python", "-m", "accelerate.commands.launch", "--num_processes=1",
        "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no",
        "--num_cpu_threads_per_process=4", f"{kohya}/sd-scripts/train_network.py",
    )  # fmt: skip
    assert command.env["PYTORCH_ENABLE_MPS_FALLBACK"] == "1"
    assert command.cwd == f"{kohya}/sd-scripts"
    smoke = arguments(desk.command(made, smoke=True))
    assert smoke == [*common, "--output_name=smoke_test", *learning, "--max_train_steps=5"]
    assert made.unmapped == ()
    assert any("line 16" not in note and "smoke test" in note for note in made.notes)
    assert 'learning_rate = "1e-4"' in made.config_text
    assert "seed = 42" in made.config_text


def test_a_script_of_settings_is_read_with_its_conditions(desk: Desk) -> None:
    (desk.project / "sd-scripts").mkdir()
    (desk.project / "sd-scripts" / "train_network.py").write_text("x = 1\n")
    made = desk.imported((DATA / "settings.sh").read_text())
    assert made.unmapped == ()
    command = desk.command(made)
    assert arguments(command) == [
        "--enable_bucket", f"--pretrained_model_name_or_path={desk.project}/models/base.safetensors",
        f"--train_data_dir={desk.project}/train/my set", f"--output_dir={desk.project}/output",
        "--resolution=512,512", "--network_module=networks.lora",
        "--network_args", "conv_dim=4", "conv_alpha=1", "--learning_rate=1e-4",
        "--mixed_precision=fp16", "--output_name=my lora", "--flip_aug",
    ]  # fmt: skip
    assert "--num_cpu_threads_per_process=8" in command.argv
    assert not any("multi_gpu" in word for word in command.argv)
    assert command.cwd == f"{desk.project}/sd-scripts"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("--seed 42", ["--seed=42"]),
        ("--seed=042 --network_dim=4_0", ["--seed=042", "--network_dim=4_0"]),
        ("--learning_rate 1e-4 --unet_lr=5E-05", ["--learning_rate=1e-4", "--unet_lr=5E-05"]),
        ("--cache_latents --seed 1", ["--cache_latents", "--seed=1"]),
        ("--noise_offset -0.1", ["--noise_offset=-0.1"]),
        ("--comment=-x", ["--comment=-x"]),
        ("--comment ''", ["--comment="]),
        ("--comment=\"\"", ["--comment="]),
        ("--a-b=1", ["--a_b=1"]),
        ('--t="a b"\'c d\'e\\ f', ["--t=a bc de f"]),
        ('--t="\\$x \\"y\\" \\z"', ['--t=$x "y" \\z']),
        ("--t='it'\\''s'", ["--t=it's"]),
        ("--t=$'a\\tb'", ["--t=a\tb"]),
        ("--t=a#b # a comment", ["--t=a#b"]),
        ("--t=ä日本", ["--t=ä日本"]),
        ("--network_args a=1", ["--network_args=a=1"]),
        ("--network_args 'a=1 2' b=3 --x", ["--network_args", "a=1 2", "b=3", "--x"]),
        ("--seed 1 --seed 2", ["--seed=2"]),
        ("--t=a \\\n  --u=b \\\r\n --v", ["--t=a", "--u=b", "--v"]),
        ("--t=a \\   \n  --u=b", ["--t=a", "--u=b"]),
        ("--t=a ^\n  --u=b `\n --v", ["--t=a", "--u=b", "--v"]),
        ("--t=a --u 1 \\", ["--t=a", "--u=1"]),
        ("--t=a --u 1 \\  ", ["--t=a", "--u=1"]),
        ("--t=a > log 2>&1 --u=b", ["--t=a", "--u=b"]),
        ("--t=a && echo --u=b", ["--t=a"]),
        ("--size=$FROM_HERE --who=${USER}", ["--size=512", "--who=someone"]),
        ("--config_file=x.toml", ["--config_file={cwd}/x.toml"]),
        ("--vae=runwayml/vae", ["--vae=runwayml/vae"]),
        ("--vae=runwayml/vae.pt", ["--vae={cwd}/runwayml/vae.pt"]),
        ("--output_dir=~/out --logging_dir ~/log", ["--output_dir={home}/out", "--logging_dir={home}/log"]),
        ("--output_dir='~x'", ["--output_dir={cwd}/~x"]),
        ("--output_name=123", ["--output_name=123"]),
    ],
)  # fmt: skip
def test_words_of_a_command(desk: Desk, written: str, told: list[str]) -> None:
    filled = [
        one.replace("{cwd}", str(desk.project)).replace("{home}", str(desk.home)) for one in told
    ]
    assert flags(desk, run(written)) == filled


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("A=1\nB=$A.5\n{run} --t=$B", ["--t=1.5"]),
        ('A="--x 1 --y"\n{run} $A --z', ["--x=1", "--y", "--z"]),
        ('A="a b"\n{run} --t "$A" --u=$A', ["--t=a b", "--u=a"]),
        ("A=(--x 1\n # no\n '--y=a b')\nA+=(--z)\n{run} \"${A[@]}\" -- ", ["--x=1", "--y=a b", "--z"]),
        ("A=x\nA+=y\n{run} --t=$A", ["--t=xy"]),
        ("{run} --t=${NO:-a b} --u=${NO-c} --v=${NO:+d}", ["--t=a", "--u=c", "--v="]),
        ("F=/a/b.tar.gz\n{run} --t=${F##*/} --u=${F%.*} --v=${F%%.*}",
         ["--t=b.tar.gz", "--u=/a/b.tar", "--v=/a/b"]),
        ("F=x/y.toml\n{run} --t=$(basename $F .toml) --u=`dirname $F`", ["--t=y", "--u=x"]),
        ("export T=1 U='2 3'\n{run} --t=$T --u=\"$U\"", ["--t=1", "--u=2 3"]),
        ("for lr in 1e-4 5e-5; do\n{run} --t=$lr\ndone", ["--t=1e-4"]),
        ("if [ -d /no/such ]; then A=1; elif [[ x == x && -z '' ]]; then A=2; else A=3; fi\n"
         "{run} --t=$A", ["--t=2"]),
        ("[ 3 -gt 2 ] && A=yes || A=no\n{run} --t=$A", ["--t=yes"]),
        ("false_one() {\n echo hi\n}\nmain() {\n {run} --t=1 \"$@\"\n}\nmain \"$@\"", ["--t=1"]),
        ("cat > f.toml <<'EOF'\nan 'unclosed quote\nEOF\n{run} --t=1", ["--t=1"]),
        ("pip install x\npython setup.py build\n{run} --t=1\necho done; exit 0\n{run} --t=2", ["--t=1"]),
        ("$ cd /tmp\n$ {run} --t=1", ["--t=1"]),
        ("CUDA_VISIBLE_DEVICES=1 nohup {run} --t=1 &", ["--t=1"]),
        ("die() { echo $1; exit 1; }\n[ -d /no/such ] || die no\n{run} --t=1", ["--t=1"]),
        ("f() {\n local a=$1 b=${2:-3}\n {run} --t=$a --u=$b\n}\na=9\nf 1\n: $a", ["--t=1", "--u=3"]),
        ("f() { local a=1; g; }\ng() { local b=2; }\na=7\nf\n{run} --t=$a", ["--t=7"]),
        ("(A=1; cd /tmp; exit)\n{run} --t=${A:-2}", ["--t=2"]),
        ("A=()\n{run} \"${A[@]}\" --t=${#A[@]}", ["--t=0"]),
        ("x=\nif [[ $x ]]; then A=1; fi\nif [ $x ]; then A=2; fi\n{run} --t=${A:-3}", ["--t=3"]),
        ("case a.b in x|*.b) A=1;; *) A=2;; esac\n{run} --t=$A", ["--t=1"]),
        ("while [[ $# -gt 0 ]]; do A=$1; shift; done\n{run} --t=${A:-none}", ["--t=none"]),
        (": ${A:=1}\nB=Ab\n{run} --t=$A --u=${B,,} --v=${B/b/c}", ["--t=1", "--u=ab", "--v=Ac"]),
        ("A=3\n{run} --t=$((A * 100 + 1)) --u=$(($A/2))", ["--t=301", "--u=1"]),
        ("set -- 1 2\nshift\n{run} --t=$1", ["--t=2"]),
        ("A=\"{run} --t='a b'\"\nA=\"$A --u\"\neval $A", ["--t=a b", "--u"]),
        ("bash -c \"cd /x && {run} --t=1\" > log", ["--t=1"]),
        ("sbatch <<EOF\n#!/bin/bash\n{run} --t=1\nEOF", ["--t=1"]),
        ("exec > >(tee log) 2>&1\n{run} --t=1", ["--t=1"]),
        ("if [ 1 = 2 ]\nthen\n{run} --t=0\nelse {run} --t=1; fi", ["--t=1"]),
    ],
)  # fmt: skip
def test_what_stands_around_a_command(desk: Desk, script: str, told: list[str]) -> None:
    text = script.replace("{run}", "accelerate launch /sd/train_network.py")
    assert flags(desk, text) == told


@pytest.mark.parametrize(
    ("written", "launcher", "options"),
    [
        ("accelerate launch --mixed_precision fp16 --multi_gpu T", "accelerate",
         {"mixed_precision": "fp16", "multi_gpu": True}),
        ("accelerate launch --num-processes=2 --gpu_ids 0,1 T", "accelerate",
         {"num_processes": 2, "gpu_ids": "0,1"}),
        ("python -m accelerate.commands.launch --num_processes=2 T", "accelerate", {"num_processes": 2}),
        ("python3 -m accelerate.commands.accelerate_cli launch -q T", "accelerate", {"quiet": True}),
        ("accelerate-launch T", "accelerate", {}),
        ("python -u T", "python", {}),
        ("python3.10 -X utf8 T", "python", {}),
        ("T", "python", {}),
        ("env A=1 nice -n 5 python T", "python", {}),
        ("uv run accelerate launch --num_processes 1 T", "accelerate", {"num_processes": 1}),
        ("torchrun --nproc_per_node 2 T", "accelerate", {"num_processes": 2, "multi_gpu": True}),
    ],
)  # fmt: skip
def test_the_launcher_and_its_own_flags(
    desk: Desk, written: str, launcher: str, options: dict[str, object]
) -> None:
    made = desk.pasted(written.replace("T", "/sd/train_network.py") + " --seed=1")
    config = desk.config(made)
    assert config.trainer.launcher == launcher
    assert config.accelerate == options
    assert config.trainer.script == "/sd/train_network.py"
    assert arguments(desk.command(made)) == ["--seed=1"]


def test_the_configuration_of_accelerate_is_found_where_the_command_runs(desk: Desk) -> None:
    made = desk.pasted(
        "cd /sd && accelerate launch --config_file acc.yaml train_network.py --seed=1"
    )
    assert desk.config(made).accelerate == {"config_file": "/sd/acc.yaml"}


@pytest.mark.parametrize(
    ("script", "python", "env"),
    [
        ("source /v/bin/activate\nR", "/v/bin/python", {}),
        (". ./venv/bin/activate && R", "{cwd}/venv/bin/python", {}),
        ("/v/bin/accelerate launch /sd/train_network.py --seed=1", "/v/bin/python", {}),
        ("/v/bin/python3 /sd/train_network.py --seed=1", "/v/bin/python3", {}),
        ("conda activate /envs/lora\nR", "/envs/lora/bin/python", {}),
        ("source /v/bin/activate\nexport A=1 B\nC=2\nB=3\nD=4 R", "/v/bin/python",
         {"A": "1", "B": "3", "D": "4"}),
        ("source /v/bin/activate\nexport PATH=/x:$PATH PYTHONPATH=/y:$PYTHONPATH\nR",
         "/v/bin/python", {"PYTHONPATH": "/y:"}),
    ],
)  # fmt: skip
def test_interpreter_and_environment(
    desk: Desk, script: str, python: str, env: dict[str, str]
) -> None:
    made = desk.pasted(script.replace("R", "accelerate launch /sd/train_network.py --seed=1"))
    config = desk.config(made)
    assert config.trainer.python == python.replace("{cwd}", str(desk.project))
    assert config.trainer.env == env


def test_relative_paths_start_where_the_command_runs(desk: Desk) -> None:
    made = desk.pasted("cd /data/x/..\ncd y\npython /sd/train_network.py --output_dir=out")
    assert arguments(desk.command(made)) == ["--output_dir=/data/y/out"]


def test_a_command_without_a_folder_is_read_as_if_started_in_the_checkout(desk: Desk) -> None:
    checkout = desk.home / "kohya_ss" / "sd-scripts"
    (desk.home / "kohya_ss" / "venv" / "bin").mkdir(parents=True)
    (desk.home / "kohya_ss" / "venv" / "bin" / "python").touch()
    checkout.mkdir()
    (checkout / "train_network.py").write_text("x = 1\n")
    made = desk.pasted("accelerate launch train_network.py --output_dir out")
    config = desk.config(made)
    assert config.trainer.sd_scripts == checkout
    assert config.trainer.python == str(desk.home / "kohya_ss/venv/bin/python")
    assert config.train == {"output_dir": str(checkout / "out")}
    assert any(f"as if started in {checkout}" in note for note in made.notes)
    assert 'sd_scripts = "~/kohya_ss/sd-scripts"' in made.config_text


def test_a_script_of_ones_own_keeps_its_path_and_names_its_checkout(desk: Desk) -> None:
    (desk.project / "sd" / "library").mkdir(parents=True)
    made = desk.pasted("SD_SCRIPTS=sd python my/tiny_train.py --seed=1")
    config = desk.config(made)
    assert config.trainer.script == str(desk.project / "my/tiny_train.py")
    assert config.trainer.sd_scripts == desk.project / "sd"


def test_without_any_checkout_the_file_says_what_is_missing(desk: Desk) -> None:
    made = desk.pasted("accelerate launch train_network.py --seed=1")
    assert '# sd_scripts = "..."  # missing: the folder of train_network.py' in made.config_text
    # by its name: the checkout that will be named there has it
    assert 'script = "train_network.py"' in made.config_text
    assert '# python = "..."  # missing: python of the venv of sd-scripts' in made.config_text


@pytest.mark.parametrize(
    ("script", "unmapped"),
    [
        ("R --seed=1 --output_name=x_$(date +%s)",
         "--output_name=x_${date +%s}: $(date +%s) would have to be run"),
        ("R --seed=1 --t=$NOBODY", "--t=${NOBODY}: $NOBODY is set neither in the file nor in this shell"),
        ("R --seed=1 $NOBODY",
         "${NOBODY}: $NOBODY is set neither in the file nor in this shell"),
        ("N=$(date)\nR --seed=1 --t=$N", "--t=${N}: $(date) would have to be run"),
        ("while read lr; do\nR --seed=1 --t=$lr\ndone",
         "--t=${lr}: $lr is set neither in the file nor in this shell"),
        ("R stray --seed=1", "stray: it belongs to no flag"),
        ("R --seed=1 --output_dir=''", "--output_dir: the path is empty"),
        ("V=\nR --seed=1 --vae=$V", "--vae: the path is empty"),
        ("R --seed=1 --t a '-b'", "-b: an unknown short flag"),
        ("R --seed=1 \\\n # --no \\\n --t=2", "line 3: --t=2: is on its own; the command before it had ended"),
        ("accelerate launch stray --quiet x=1 /sd/train_network.py --seed=1",
         "accelerate launch: stray: it belongs to no flag"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over_is_listed(desk: Desk, script: str, unmapped: str) -> None:
    made = desk.pasted(script.replace("R", "python /sd/train_network.py"))
    assert unmapped in made.unmapped
    assert f"#   {unmapped}\n" in made.config_text
    assert "--seed=1" in arguments(desk.command(made))


def test_one_unknown_element_of_a_list_loses_only_itself(desk: Desk) -> None:
    made = desk.pasted("A=(--x=1 --y=$(date) --z=3)\npython /sd/train_network.py ${A[@]}")
    assert arguments(desk.command(made)) == ["--x=1", "--z=3"]
    assert made.unmapped == ("--y=${date}: $(date) would have to be run",)


@pytest.mark.parametrize(
    ("script", "note"),
    [
        ("R --size=$FROM_HERE", "not set in the pasted text, taken from this shell: FROM_HERE"),
        ("R --seed=1 --seed=2", "--seed is given twice; the last one counts"),
        ("R --seed=1 | tee log", "output redirection is left out; the console of every run is kept"),
        ("nohup R --seed=1", "`nohup` is left out; plasma-tui detaches the run itself"),
        ("f() {\nR --seed=1\n}", "line 1: f is never called; read as if it were"),
        ("(( x > 5 )) && R --seed=1", "line 1: unknown condition; read as if true"),
        ("for s in 1 2; do R --seed=$s; done", "it is in a loop over 1 2; using 1"),
        ("source other.sh\nR --seed=1", "line 1: other.sh is not read; add its variables to [trainer] env"),
        ("if some_tool; then R --seed=1; fi",
         "line 1: unknown condition of `if`; read as if true"),
        ("R --t=a \\ \n --u=b", "line 1: spaces after the backslash; a shell would end the command there"),
        ("R --t=a \\  # why\n --u=b",
         "line 1: a comment after the backslash; a shell would end the command there"),
        ("case $x in a) Y=1;; b|c) Y=2;; esac\nR --seed=$Y",
         "line 1: `case`: $x is set neither in the file nor in this shell; using its first branch "
         "(a), not b|c"),
    ],
)  # fmt: skip
def test_what_was_read_with_a_grain_of_salt_is_told(desk: Desk, script: str, note: str) -> None:
    made = desk.pasted(script.replace("R ", "python /sd/train_network.py "))
    assert note in made.notes


def test_of_several_trainings_the_long_lora_is_taken(desk: Desk) -> None:
    made = desk.pasted(
        "python /sd/train_db.py --output_name=full\n"
        "python /sd/train_network.py --output_name=one --max_train_steps=5\n"
        "python /sd/train_network.py --output_name=two --max_train_steps=900\n"
        "python /sd/train_network.py --output_name=three --max_train_steps=900\n"
    )
    assert made.source == "the pasted text, line 3"
    assert arguments(desk.command(made)) == ["--output_name=two", "--max_train_steps=900"]
    smoke = arguments(desk.command(made, smoke=True))
    assert sorted(smoke) == ["--max_train_steps=5", "--output_name=one"]
    assert [note for note in made.notes if "another" in note] == [
        "the command of line 1 (output_name full) is another training; it is left out",
        "the command of line 4 (output_name three) is another training; it is left out",
    ]


@pytest.mark.parametrize("smoke", ["--max_train_epochs=1 --seed=3", "--seed=2 --cache_latents"])
def test_any_smoke_test_is_expressed_as_a_difference(desk: Desk, smoke: str) -> None:
    made = desk.pasted(
        "python /sd/train_network.py --output_name=x --max_train_epochs=4 --seed=2 --flip_aug\n"
        f"python /sd/train_network.py --output_name=x_smoke {smoke}"
    )
    told = arguments(desk.command(made, smoke=True))
    assert sorted(told) == sorted(["--output_name=x_smoke", *smoke.split()])


def test_flags_that_the_trainer_does_not_know_are_listed_and_short_ones_made_whole(
    desk: Desk,
) -> None:
    names = ("learning_rate", "seed", "max_train_steps")
    catalog = Catalog((*map(Flag, names), Flag("text_lr", nargs="*")))
    known = Desk(desk.home, desk.project, {}, catalog)
    (desk.project / "train_network.py").write_text("x = 1\n")
    made = known.pasted("/v/bin/python train_network.py --learn 1e-4 --sed 1 --text_lr 0.5")
    assert arguments(known.command(made)) == ["--learning_rate=1e-4", "--text_lr=0.5"]
    assert made.unmapped == ("sed = 1: not a flag of this trainer; did you mean seed?",)
    assert "--learn is short for --learning_rate" in made.notes
    assert "text_lr = [0.5]" in made.config_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo hello\n", "has no training command; use a file with `accelerate launch"),
        ("echo accelerate launch train_network.py --seed=1", "has no training command"),
        ("pip install accelerate\npython tag_images.py", "has no training command"),
        ("", "is empty"),
        ("  \n# nothing\n", "has no training command"),
        ("python train_network.py --t='open", "train.sh:1: the quote ' is not closed; add the second '"),
        ('\npython train_network.py --t="open', 'train.sh:2: the quote " is not closed'),
        ("A=(1 2\npython x", "train.sh:1: the bracket of A=( is not closed; add )"),
        ("python train_network.py --t=${A", "train.sh:1: the bracket ${ is not closed; add }"),
        ("A=xx\n" + "A=$A$A\n" * 40, "train.sh:18: a variable grows beyond the limit of a command"),
        ("A=(x y)\n" + 'A=("${A[@]}" "${A[@]}")\n' * 40, "grows beyond"),
        ("python train_network.py \\\n --vae=<a file>", "train.sh:2: <a file> is a placeholder"),
        ("A=" + "$(echo " * 500 + ")" * 500, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_training_is_refused_in_one_sentence(desk: Desk, text: str, said: str) -> None:
    with pytest.raises(ImportRefused) as caught:
        desk.imported(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(desk.project / "train.sh") in str(caught.value)


def test_nothing_of_a_script_is_run(desk: Desk) -> None:
    mark = desk.project / "ran"
    made = desk.imported(
        f"touch '{mark}'\nA=$(touch '{mark}')\n`touch '{mark}'`\n[ -n \"$(touch '{mark}')\" ]\n"
        "python /sd/train_network.py --seed=1\n"
    )
    assert not mark.exists()
    assert made.config_text


def test_functions_that_call_each_other_without_end_are_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.trainers.sd_scripts.importers.shell.texts.MOST_SECONDS", 0.2)
    names = "fghijklmnopqrstuvw"
    pairs = pairwise(names)
    script = "".join(f"{a}() {{ {b}; {b}; {b}; }}\n" for a, b in pairs)
    with pytest.raises(ImportRefused, match="s to read from here on"):
        desk.imported(f"{script}w() {{ A=$(echo 1); }}\nf\npython train_network.py\n")
    assert desk.imported("f() { f; }\nf\npython /sd/train_network.py\n").config_text
