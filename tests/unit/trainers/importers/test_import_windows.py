"""Scripts of Windows as people write them: what they would start, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.trainers.sd_scripts.importers.dialects import as_shell
from tests.unit.trainers.importers.import_context import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    home, project = tmp_path / "home", tmp_path / "home" / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    return Desk(home, project, {})


def started(text: str, kind: str) -> str:
    """The command with `train_network.py` in it, with the folder before it."""
    shell = as_shell(text, kind, "x").text
    return next((part for part in shell.replace("\n", "; ").split("; ") if ".py" in part), shell)


RUN = "python train_network.py "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("@echo off\nsetlocal EnableDelayedExpansion\nset A=1\nRUN --seed=!A! --x=%a%", "--seed=1 --x=1"),
        ("set \"ARGS=--seed=1 --vae=C:\\v.pt\"\nRUN %ARGS%", "--seed=1 '--vae=C:\\v.pt'"),
        ("set D=%~dp0\nRUN --output_dir=\"%D%out\\a b\"", "'--output_dir=./out/a b'"),
        ("set A=x\nif \"%A%\"==\"x\" (\n set B=2\n) else (\n set B=3\n)\nRUN --seed=%B%", "--seed=2"),
        ("set A=x\nif /i not \"%A%\"==\"X\" (set B=2) else set B=3\nRUN --seed=%B%", "--seed=3"),
        ("set A=5\nif %A% GEQ 4 set B=9\nRUN --seed=%B%", "--seed=9"),
        ("if exist v (\n call v\\Scripts\\activate.bat\n)\nRUN --seed=1 2>&1 | tee log", "--seed=1"),
        ("if exist v set B=2\nRUN --seed=%B%", '--seed="$(if exist v)"'),
        ("RUN --seed=1 > log.txt 2>nul && echo done", "--seed=1"),
        ("cd /d %~dp0\\sd & RUN --seed=1", "--seed=1"),
        ("start \"my title\" /wait RUN --seed=1", "--seed=1"),
        ("cmd /c \"RUN --seed=1\"", "--seed=1"),
        ("RUN ^\n  --seed=1 ^\n  --x=a^&b\n\npause", "--seed=1 '--x=a&b'"),
        ("set A=a-b\nRUN --x=%A:-=_% --y=%NOT_SET%", '--x=a_b --y="${NOT_SET}"'),
        ("RUN --seed=1 ^\n  %*", '--seed=1 "$(argument)"'),
        ("rem RUN --seed=2\n:: RUN --seed=3\n:start\nRUN --seed=1\ngoto start", "--seed=1"),
        ("set /p N=Name:\nRUN --output_name=%N%", '--output_name="$(set N)"'),
    ],
)  # fmt: skip
def test_a_script_of_cmd(text: str, words: str) -> None:
    assert started(text.replace("RUN", RUN.strip()), ".bat") == RUN + words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$a = 3\n$A += 1\nRUN --seed=$a", "--seed=4"),
        ("$n = \"x\"; RUN --output_name=\"$($n)_v1\" --log_prefix=$n.a", "--output_name=x_v1 --log_prefix=x.a"),
        ("$o = @{ seed = 1; vae = \"a.pt\" }\nRUN --seed=$($o.seed) --vae=$($o['vae'])", "--seed=1 --vae=a.pt"),
        ("$x = @('--seed=1', # one\n  '--xformers'\n)\n$x += \"--vae=$($x.Count)\"\nRUN @x",
         "--seed=1 --xformers --vae=2"),
        ("$l = New-Object System.Collections.ArrayList\n$l.Add('--seed=1') | Out-Null\n$null = $l.Add('--v2')\n"
         "$l.AddRange(@('--a', '--b'))\n& python train_network.py $l.ToArray()", "--seed=1 --v2 --a --b"),
        ("param([string]$Name = \"n\", [int]$Dim)\nRUN --output_name=$Name --network_dim=$Dim",
         '--output_name=n --network_dim="$(parameter Dim)"'),
        ("function Go($n, $s = 2) {\n RUN --output_name=$n --seed=$s\n}\nGo \"a\"", "--output_name=a --seed=2"),
        ("function Go {\n param($n)\n RUN --output_name=$n\n}\nGo -n b", "--output_name=b"),
        ("$d = if (1 -eq 2) { 'a' } else { 'b' }\n$e = $d -eq 'b' ? 5 : 6\nRUN --x=$d --y=$e", "--x=b --y=5"),
        ("if ($false) {\n $s = 1\n} elseif (\"a\" -like \"A*\" -and -not $x) {\n $s = 2\n} else {\n $s = 3\n}\n"
         "RUN --seed=$s", "--seed=2"),
        ("if (Test-Path v) { $s = 1 }\nRUN --seed=$s", '--seed="$(if Test Path v )"'),
        ("$p = Join-Path $PSScriptRoot \"out\"\nRUN --output_dir=$p --logging_dir=\"$p\\logs\"",
         "--output_dir=./out --logging_dir=./out/logs"),
        ("$c = \"python train_network.py --seed=1\"\nInvoke-Expression $c", "--seed=1"),
        ("$c = @\"\npython train_network.py --seed=1\n\"@\niex $c", "--seed=1"),
        ("Start-Process -FilePath python -ArgumentList 'train_network.py', '--seed=1' -Wait", "--seed=1"),
        ("try {\n RUN --seed=1 2>&1 | Tee-Object log\n} catch { Write-Host x }", "--seed=1"),
        ("[int]$m = [Math]::Ceiling(7 / 2) * 10\nRUN --seed=$m --x={0}", "--seed=40 '--x={0}'"),
        ("$n = '{0}_{1}' -f 'a', 2\n$m = ('a','b' -join '+')\nRUN --x=$n --y=$m", "--x=a_2 --y=a+b"),
        ("<# RUN --seed=2 #> # x\nRUN `\n  --seed=1 ` \n  --x=`$a  # end", "--seed=1 '--x=$a'"),
        ("RUN --a=$env:NOT_SET --b=${env:NOT_SET}x", '--a="${NOT_SET}" --b="${NOT_SET}"x'),
        ("$s = Get-Date\nRUN --seed=$s --x=$(Get-Date -Format yyyy)",
         '--seed="$(Get Date)" --x="$( Get Date Format yyyy )"'),
    ],
)  # fmt: skip
def test_a_script_of_powershell(text: str, words: str) -> None:
    assert started(text.replace("RUN", RUN.strip()), ".ps1") == RUN + words.replace(
        "$( Get", "$(Get"
    ).replace("yyyy )", "yyyy)").replace("v )", "v)")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            ".md",
            "# Train\n\n```bat\npython train_network.py ^\n  --seed=1 ^\n  --x\n```\n```bash\nls\n```\n",
        ),
        ("", "Run this:\n```powershell\n$s = 1\npython train_network.py `\n  --seed=$s --x\n```\n"),
        (".md", "```python\n# x\n!python train_network.py \\\n  --seed=1 --x\nprint('x')\n```\n"),
        (".sh", "python train_network.py ^\n--seed=1 ^\n--x\n"),
        (".txt", "~~~\npython train_network.py \\\n --seed=1   --x\n~~~\n"),
    ],
)
def test_code_in_a_text_and_carets_in_a_shell_script(name: str, text: str) -> None:
    words = as_shell(text, name, "x").text.replace("\\\n", " ").split()
    assert words == ["python", "train_network.py", "--seed=1", "--x"]


def test_a_dataset_config_that_powershell_writes() -> None:
    read = as_shell(
        '$r = (Resolve-Path (Join-Path $PSScriptRoot "..")).Path\n$f = Join-Path $r "t\\d.toml"\n'
        '$i = "a\\b".Replace("\\", "/")\n@"\n[[datasets]]\nx = "$i"\n"@ | Set-Content -LiteralPath $f\n'
        "& (Resolve-Path $P) train_network.py --dataset_config $f --c (Join-Path $r c.toml)\n",
        ".ps1", "x",
    )  # fmt: skip
    assert dict(read.written) == {"./../t/d.toml": '[[datasets]]\nx = "a/b"'}
    assert read.text.strip().endswith(
        "train_network.py --dataset_config ./../t/d.toml --c ./../c.toml"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.ps1", "$o = Join-Path $PSScriptRoot out\ncd /sd\npython train_network.py --output_dir=$o\n"),
        ("t.bat", "set O=%~dp0out\ncd /sd\npython train_network.py --output_dir=%O%\n"),
        ("t.py", "o = Path(__file__).parent / 'out'\nos.chdir('/sd')\n"
         "os.system(f'python train_network.py --output_dir={o}')\n"),
    ],
)  # fmt: skip
def test_paths_of_the_scripts_own_folder(desk: Desk, name: str, text: str) -> None:
    config = desk.config(desk.imported(text, name))
    assert config.train["output_dir"] == str(desk.project / "out")
    assert config.trainer.sd_scripts == Path("/sd")


def test_an_own_variable_is_not_one_of_the_environment(desk: Desk) -> None:
    text = "set PYTHON_EXE=x\nset PYTHONUTF8=1\nset CUDA_VISIBLE_DEVICES=1\n"
    made = desk.imported(f"{text}python /sd/train_network.py --seed=1\n", "t.bat")
    env = dict(desk.config(made).trainer.env)
    assert env == {"PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": "1"}


def test_what_is_not_followed_is_said() -> None:
    text = "switch ($x) { 1 { $a = 2 } }\nfor ($i = 0; $i -lt 3; $i++) {\n python train_network.py --x=$i\n}\n"
    read = as_shell(text, ".ps1", "x")
    assert "train_network.py" in read.text
    assert list(read.notes[1:]) == [
        "line 1: PowerShell: `switch` is not followed",
        "line 2: PowerShell: `for` is not followed",
    ]
    notes = as_shell("for %%i in (1 2) do (\n echo %%i\n)\ncall :sub\ngoto x\n", ".bat", "x").notes
    assert list(notes[1:]) == [
        "line 1: `for` of cmd is not followed", "line 4: `call :sub` of cmd is not followed",
        "line 5: `goto` of cmd is not followed",
    ]  # fmt: skip
    text = "if ($env:X -eq 1) {\n python train_network.py --seed=1\n}\n"
    assert (
        "line 2: `if ($env:X -eq 1)` is unknown; read as if true"
        in as_shell(text, ".ps1", "x").notes
    )


def test_folders_of_windows_are_not_folders_of_this_machine() -> None:
    read = as_shell(
        "cd D:\\kohya\nD:\\kohya\\venv\\Scripts\\python.exe D:\\kohya\\train_network.py --seed=1",
        ".bat",
        "x",
    )
    assert read.text.strip() == "'D:\\kohya\\venv\\bin\\python' train_network.py --seed=1"
    assert [note.partition(" is ")[0] for note in read.notes[1:]] == [
        "line 1: D:\\kohya", "line 2: D:\\kohya\\train_network.py",
    ]  # fmt: skip


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    text = "# x\n$a = @(\n 1,\n 2\n)\nif ($a.Count -eq 2) {\n\n  python train_network.py `\n   --x\n}\n"
    text += "python train_db.py\n"
    shell = as_shell(text, ".ps1", "x").text.split("\n")
    assert (shell[7], shell[10]) == ("python train_network.py --x", "python train_db.py")
    text = "@echo off\n\nif 1==1 (\n  rem\n  python train_network.py ^\n   --x\n)\npython train_db.py\n"
    shell = as_shell(text, ".bat", "x").text.split("\n")
    assert (shell[4], shell[7]) == ("python train_network.py --x", "python train_db.py")
