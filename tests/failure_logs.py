"""Console logs of failed trainings, put together as the trainer, Python and the launcher print them."""

from __future__ import annotations

COMMAND = (
    "Command '['/home/me/venv/bin/python', 'train_network.py', '--network_module=networks.lora', "
    "'--sample_prompts=p.txt', '--optimizer_type=AdamW8bit', '--xformers']' returned non-zero exit "
    "status 1."
)
LAUNCHER = f"""Traceback (most recent call last):
  File "/home/me/venv/bin/accelerate", line 8, in <module>
    sys.exit(main())
  File "/home/me/venv/lib/python3.10/site-packages/accelerate/commands/accelerate_cli.py", line 50, in main
    args.func(args)
  File "/home/me/venv/lib/python3.10/site-packages/accelerate/commands/launch.py", line 1198, in launch_command
    simple_launcher(args)
  File "/home/me/venv/lib/python3.10/site-packages/accelerate/commands/launch.py", line 785, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: {COMMAND}
"""
RANKS = """W1121 14:03:11.000000 4711 api.py:900] Sending process 4713 closing signal SIGTERM
E1121 14:03:12.000000 4711 api.py:874] failed (exitcode: {code}) local_rank: 0 (pid: 4712) of binary: python
Traceback (most recent call last):
  File "/home/me/venv/bin/accelerate", line 8, in <module>
    sys.exit(main())
  File "/home/me/venv/lib/python3.10/site-packages/accelerate/commands/launch.py", line 1190, in launch_command
    multi_gpu_launcher(args)
  File "/home/me/venv/lib/python3.10/site-packages/torch/distributed/launcher/api.py", line 264, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train_network.py FAILED
------------------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-21_14:03:12
  host      : box
  rank      : 0 (local_rank: 0)
  exitcode  : {code} (pid: 4712)
  error_file: <N/A>
  traceback : {why}
============================================================
"""


def record(text: str, level: str = "INFO") -> str:
    """One line of the trainer's log, as wide as `COLUMNS=400` makes it."""
    line = f"2026-11-21 14:00:00 {level:<8} {text}"
    return f"{line:<370} train_util.py:2112\n"


def bar(step: int, total: int = 920, loss: str = "0.123") -> str:
    """One state of the progress bar."""
    percent = 100 * step // total
    return (
        f"\rsteps: {percent:3}%|{'#' * (percent // 10):<10}| {step}/{total} "
        f"[00:{step % 60:02}<10:00,  1.01it/s, avr_loss={loss}]"
    )


BANNER = (
    "running training / 学習開始\n"
    "  num train images * repeats / 学習画像の数×繰り返し回数: 230\n"
    "  num batches per epoch / 1epochのバッチ数: 230\n"
    "  num epochs / epoch数: 4\n"
    "  total optimization steps / 学習ステップ数: 920\n"
)
LAUNCHING = (
    "The following values were not passed to `accelerate launch` and had defaults used instead:\n"
    "\t`--num_processes` was set to a value of `0`\n"
)
DATASET = (
    LAUNCHING
    + record("Using v1 tokenizer")
    + record("Using DreamBooth method.")
    + record("prepare images.")
    + record("found directory img/10_spyke contains 23 image files")
)
PREPARING = DATASET + record("preparing accelerator") + "accelerator device: {device}\n"
LOADING = PREPARING + record("loading model for process 0/1")
CACHING = LOADING + record("caching latents with caching strategy.") + record("caching latents...")
SETUP = CACHING + "import network module: networks.lora\nprepare optimizer, data loader etc.\n"
TRAINING = SETUP + BANNER + bar(0) + "\nepoch 1/4\n" + bar(1) + bar(2) + bar(3)
SAMPLING = (
    TRAINING
    + "\n"
    + record("generating sample images at step / サンプル画像生成 ステップ: 3")
    + record("prompt: a cat")
)
SAVING = TRAINING + "\nsaving checkpoint: out/spyke-step00000003.safetensors\n"
RESUMED = TRAINING.replace(
    BANNER, record("resume training from local state: out/spyke-state") + BANNER
)
STARTS = {
    "launching": LAUNCHING,
    "dataset": DATASET,
    "preparing": PREPARING,
    "loading": LOADING,
    "caching": CACHING,
    "setup": SETUP,
    "training": TRAINING,
    "sampling": SAMPLING,
    "saving": SAVING,
    "resumed": RESUMED,
}


def traceback(last: str, *functions: str) -> str:
    """`last`: `Name: message`; `functions`: through which it went, the outermost first."""
    frames = "".join(
        f'  File "/home/me/sd-scripts/library/train_util.py", line {100 + i}, in {name}\n'
        f"    {name}(args)\n"
        for i, name in enumerate(("<module>", "train", *functions))
    )
    return f"Traceback (most recent call last):\n{frames}{last}\n"


def failed(start: str, last: str, *functions: str, device: str = "cuda") -> str:
    """A log that breaks off in phase `start` with an exception, under `accelerate launch`."""
    before = STARTS[start].replace("{device}", device)
    return f"{before}\n{traceback(last, *functions)}{bar(3) if start in _LOOP else ''}\n{LAUNCHER}"


_LOOP = ("training", "sampling", "saving", "resumed")


def on_rank(text: str, rank: int = 0) -> str:
    """The same text as a rank of several prints it."""
    return "".join(f"[rank{rank}]: {line}\n" for line in text.splitlines())
