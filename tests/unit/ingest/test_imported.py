"""Forms of logs from public threads, rewritten and shortened: what is read from each."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from runner.history.imported_runs.log_bytes import copy_log
from runner.history.imported_runs.log_reading import read_log
from runner.history.inspect import InspectReport, inspect_log
from runner.ingest.console.imported import ImportedLog
from runner.ingest.console.parser import ConsoleParser
from runner.model.events import StepShown, WarningSeen

BANNER = """running training / 学習開始
  num train images * repeats / 学習画像の数×繰り返し回数: 112
  num reg images / 正則化画像の数: 0
  num batches per epoch / 1epochのバッチ数: 112
  num epochs / epoch数: 16
  batch size per device / バッチサイズ: 1
  gradient accumulation steps / 勾配を合計するステップ数 = 1
  total optimization steps / 学習ステップ数: 1792
"""
NAN = "steps:   0%|          | {n}/1792 [00:05<28:00:00,  5.04s/it, avr_loss=nan]"
#: fluxgym (#8 #45 #288 #336 #441): each line stripped and behind a time, but not the states of a bar
FLUXGYM = "[2025-07-23 05:34:12] [INFO] "
FLAT = (
    r"""Running E:\fluxgym\train.bat
INFO     set image size from cache       train_util.py:1995
files: 0/14
INFO     found directory                 train_util.py:2019
C:\Users\someone\Documents\Com
fyUI\lora_training\fluxgym\data
sets\asya contains 14 image
files
read caption:   0%|          | 0/14 [00:00<?, ?it/s]
#read caption: 100%|██████████| 14/14 [00:00<00:00, 459.77it/s]
INFO     112 train images with repeats.  train_util.py:2116
WARNING  no regularization images /      train_util.py:2125
正則化画像が見つかりませんでし
た
WARNING  neither caption file nor class  train_util.py:2130
tokens are found: a.png
INFO     [Dataset 0]                     config_util.py:580
batch_size: 1
resolution: (512, 512)

[Subset 0 of Dataset 0]
image_dir:
"C:\Users\someone\Docume
nts\data"
image_count: 14
num_repeats: 8
caption_dropout_every_n_epo
chs: 0
is_reg: False
class_tokens: asya
INFO     preparing accelerator         train_network.py:345
accelerator device: cuda
"""
    + BANNER.replace("\n  ", "\n")
    + """steps:   0%|          | 0/1792 [00:00<?, ?it/s]2025-07-23 05:34:40 INFO     unet dtype:                  train_network.py:1046
torch.float8_e4m3fn, device:
cuda:0

epoch 1/16
"""  # noqa: E501
    + "#".join(f"{NAN.replace('nan', '0.34').format(n=n)}\n" for n in range(1, 50))
    + """Traceback (most recent call last):
File "x.py", line 3, in train
loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 80.00 MiB.
"""
)


def fluxgym() -> str:
    lines = FLAT.splitlines()
    return "".join(f"{line[1:] if line[:1] == '#' else FLUXGYM + line}\n" for line in lines)


def report_of(text: str, folder: Path) -> InspectReport:
    log = folder / "some.log"
    log.write_text(text, "utf-8")
    return inspect_log(log)


@pytest.mark.parametrize("quote", ["", "> "])
def test_fluxgym(quote: str, tmp_path: Path) -> None:
    text = "".join(f"{quote}{line}\n" for line in fluxgym().splitlines())
    report = report_of(text, tmp_path)
    assert (report.steps_seen, report.total_steps, report.epochs) == (49, 1792, 16)
    assert (report.images, report.device, report.batches_per_epoch) == (14, "cuda", 112)
    assert report.cause is not None
    assert report.cause.key == "cuda_out_of_memory"
    assert report.unknown_lines <= 2
    assert report.lines > 40


def test_further_lines_of_a_record_without_their_indent() -> None:
    parser = ImportedLog()
    found = parser.feed(fluxgym().encode()) + parser.finish()
    warnings = [one.text for one in found if isinstance(one, WarningSeen)]
    assert warnings == ["neither caption file nor class tokens are found: a.png"]


def test_comfyui_flux_trainer(tmp_path: Path) -> None:
    lines = (
        f"{' ' * 20} INFO     move CLIP-L back to cpu             flux_train_network_comfy.py:267\n"
        "2024-12-04 15:03:26 INFO     move t5XXL back to cpu      flux_train_network_comfy.py:269\n"
        f"{BANNER}{NAN.format(n=1)}\n"
    ).splitlines()
    text = "".join(f"2024-12-04T15:03:25.{n:06} - {line}\n" for n, line in enumerate(lines))
    report = report_of(text, tmp_path)
    assert (report.steps_seen, report.total_steps, report.first_nonfinite_step) == (1, 1792, 1)
    assert report.unknown_lines == 0


def test_the_window_of_kohya_ss_before_its_trainer(tmp_path: Path) -> None:
    text = f"""11:55:54-437606 INFO     Kohya_ss GUI version: v24.1.7
11:55:54-439515 ERROR    Error during Git operation: Command '['git', 'submodule',
                         '--quiet']' returned non-zero exit status 128.
11:55:54-441396 INFO     Validating F:/x.safetensors existence...
                         SUCCESS
2024-12-30 20:41:01 INFO     prepare images.                             train_util.py:1956
                    INFO     found directory F:/img/1_x contains 41 image files train_util.py:1866
{BANNER}{NAN.format(n=4)}
11:57:54-441396 INFO     Training has ended.
"""
    report = report_of(text, tmp_path)
    assert (report.images, report.steps_seen, report.unknown_lines) == (41, 4, 0)


def test_musubi_tuner_prints_the_same(tmp_path: Path) -> None:
    text = f"""INFO:dataset.image_video_dataset:glob images in /d
INFO:hv_train_network:Load dataset config from d.toml
running training / 学習開始
  num train items / 学習画像、動画数: 220
  num batches per epoch / 1epochのバッチ数: 220
  total optimization steps / 学習ステップ数: 1792
{NAN.format(n=440)}
saving checkpoint: D:/M/Output\\P_2-000002.safetensors

epoch 3/15
INFO:dataset.image_video_dataset:epoch is incremented. current_epoch: 2, epoch: 3
"""
    report = report_of(text, tmp_path)
    assert (report.steps_seen, report.epochs, report.unknown_lines) == (440, 15, 0)
    assert report.checkpoints == ("P_2-000002.safetensors",)


OTHERS = {
    "diffusers": """06/12/2024 10:11:12 - INFO - __main__ - Distributed environment: NO
Num processes: 1
06/12/2024 10:11:32 - INFO - __main__ - ***** Running training *****
06/12/2024 10:11:32 - INFO - __main__ -   Num examples = 20
06/12/2024 10:11:32 - INFO - __main__ -   Num Epochs = 25
06/12/2024 10:11:32 - INFO - __main__ -   Total optimization steps = 500
Steps:  10%|█         | 50/500 [00:50<07:30,  1.00s/it, loss=0.0123, lr=0.0001]
Model weights saved in out/pytorch_lora_weights.safetensors
""",
    "ai-toolkit": """Running 1 job
# Running job: my_flux_lora
Loading Flux model
create LoRA network. base dim (rank): 16, alpha: 16
create LoRA for U-Net: 494 modules.
Dataset: /data/img
  -  Found 14 images
Caching latents to disk: 100%|██████████| 14/14 [00:03<00:00, 4.77it/s]
my_flux_lora:  12%|█▏        | 250/2000 [12:00<1:20:00,  2.9s/it, lr: 1.0e-04 loss: 3.2e-01]
Saving at step 250
Saved to output/my_flux_lora/my_flux_lora_000000250.safetensors
Result:
 - 1 completed job
""",
    "OneTrainer": """activating venv
Serving TensorBoard on localhost; to expose to the network, use a proxy or pass --bind_all
enumerating sample paths: 100%|██████████| 1/1 [00:00<00:00, 10230.01it/s]
epoch:   0%|          | 0/100 [00:00<?, ?it/s]
step:  50%|█████     | 10/20 [00:10<00:10,  1.0it/s, loss=0.12, smooth loss=0.13]
Saving models/last.safetensors
""",
    "SimpleTuner": """2024-08-23 17:51:47,784 [INFO] (DataBackendFactory) (id=x) Collecting captions.
2024-08-23 17:52:48,639 [INFO] (Trainer)
***** Running training *****
-  Num batches = 500
-  Total optimization steps = 10000
Epoch 38/65, Steps:  57%|█████▋    | 5750/10000 [18:09<12:43,  5.57it/s, lr=1.04e-5, step_loss=0.434]
""",
}


@pytest.mark.parametrize("trainer", OTHERS)
def test_the_log_of_another_trainer_has_no_verdict(trainer: str, tmp_path: Path) -> None:
    report = report_of(OTHERS[trainer], tmp_path)
    assert (report.outcome, report.cause) == (None, None)
    assert (report.steps_seen, report.total_steps, report.epochs) == (0, None, None)


# --------------------------------------------------------------------- bars


def steps(text: str) -> list[tuple[int, int | None, str]]:
    def all_of() -> Iterator[tuple[int, int | None, str]]:
        parser = ImportedLog()
        for one in parser.feed(text.encode()) + parser.finish():
            if isinstance(one, StepShown):
                yield one.shown_step, one.total, str(one.average)

    return list(all_of())


@pytest.mark.parametrize(
    "bar",
    [
        "steps:  25% 250/1000 [00:10<00:30,  1.20it/s, loss=nan]",
        "steps:  25% 250/1000 [00:10<00:30,  1.20it/s, Average key norm=0.5, avr_loss=nan]",
        "steps:  25%|##5       | 250/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|?????     | 250/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|â–ˆâ–ˆâ–Œ   | 250/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|鈻堚枅鈻坾 250/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|██▌       | 250/1000 [00:10<00:30,  1.20it/s, \navr_loss=nan]",
        "steps:  25%|██▌       | 250/1000 [00:10<00:30,  1.20it/s,\navr_loss=nan]",
        "steps:  25%|██▌       | 250/10\n00 [00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|██▌     \n  | 250/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|██▌       | 250/1000\n[00:10<00:30,  1.20it/s, avr_loss=nan]",
        "steps:  25%|█████████\n█████\n████ | 250/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]",
    ],
)
def test_the_forms_of_a_bar(bar: str) -> None:
    assert steps(f"epoch 1/4\n{bar}\nepoch 2/4\n")[-1] == (250, 1000, "nan")
    assert steps(f"epoch 1/4\r\n{bar.replace(chr(10), chr(13) + chr(10))}\r\n")[-1][0] == 250


def test_a_bar_that_is_cut_off_takes_nothing_of_the_next_line() -> None:
    cut = "steps:  25%|██▌       | 250/1000 [00:10<00:3"
    assert steps(f"{cut}\n[Dataset 0]\n{cut}\nepoch 1/4 [x]\n") == [(250, 1000, "None")] * 2


# --------------------------------------------------------------------- bytes


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "gz"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    text = fluxgym().replace("\n", "\r\n")
    source, plain = tmp_path / "a.log", tmp_path / "b.log"
    source.write_bytes(gzip.compress(text.encode()) if encoding == "gz" else text.encode(encoding))
    copy_log(source, plain)
    report = inspect_log(plain)
    assert (report.steps_seen, report.images, report.device) == (49, 14, "cuda")


def test_powershell_around_the_first_line_of_stderr(tmp_path: Path) -> None:
    text = f"""python.exe : prepare tokenizer
At line:1 char:1
+ python.exe train_network.py 2>&1 > log.txt
+ ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    + CategoryInfo          : NotSpecified: (prepare tokenizer:String) [], RemoteException
    + FullyQualifiedErrorId : NativeCommandError

{BANNER}{NAN.format(n=3)}
"""
    assert report_of(text, tmp_path).unknown_lines == 0


def test_colours_as_a_windows_console_shows_them(tmp_path: Path) -> None:
    text = "←[33mprepare tokenizer←[0m\n←[32mfound directory C:\\a contains 15 image files\n"
    assert report_of(text + "found\xa0directory b contains 2 image files\n", tmp_path).images == 17


# --------------------------------------------------------------------- times


def test_the_times_in_front_of_the_lines_are_those_of_the_log(tmp_path: Path) -> None:
    """sd-scripts itself prints none with each step, and since v0.10 a frozen elapsed time."""
    lines = [*BANNER.splitlines(), "epoch 1/16"]
    lines += [NAN.replace("nan", "0.1").format(n=n) for n in range(1, 6)]
    text = "".join(f"2024-01-01T00:00:{4 * n:02}.5Z {line}\n" for n, line in enumerate(lines))
    log = tmp_path / "docker.log"
    log.write_text(text, "utf-8")
    parsed = read_log(log, None, 0.0)
    assert parsed.began_at == 1704067200.5
    assert parsed.ended_at == 1704067200.5 + 4 * (len(lines) - 1)
    times = [row.at for _, row in parsed.rows]
    assert None not in times
    assert [b - a for a, b in pairwise(times)] == [4.0] * 4  # type: ignore[operator]


def test_times_without_a_day_end_before_the_log_was_written(tmp_path: Path) -> None:
    text = "".join(
        f"[{clock}] [STDERR] {line}\n"
        for clock, line in (
            ("23:59:50", "running training / 学習開始"),
            ("23:59:55", NAN.format(n=1)),
            ("00:00:05", NAN.format(n=2)),
            ("00:10:00", "model saved."),
        )
    )
    log = tmp_path / "some.log"
    log.write_text(text, "utf-8")
    written_at = time.mktime((2026, 11, 30, 0, 12, 0, 0, 0, -1))
    parsed = read_log(log, None, written_at)
    assert parsed.began_at == written_at - 730
    assert parsed.ended_at == written_at - 120


def test_a_broken_bar_reads_the_same_at_every_split() -> None:
    data = (
        "epoch 1/4\nsteps:  25%|██▌       | 250/10\n00 [00:10<00:30,  1.20it/s, avr_loss=0.1]\n"
        "steps:  26%|█████████\n█████\n████ | 260/1000 [00:10<00:30,  1.20it/s, avr_loss=nan]\n"
        "steps:  27% 270/1000 [00:10<00:30,  1.20it/s, loss=nan]\nepoch 2/4\n"
    ).encode()
    parser = ConsoleParser()
    expected = repr(parser.feed(data) + parser.finish())
    assert expected.count("StepShown") == 4
    for point in range(1, len(data)):
        split = ConsoleParser()
        found = split.feed(data[:point]) + split.feed(data[point:]) + split.finish()
        assert repr(found) == expected, point
