"""Every recorded failure gets its labelled cause; other wordings of the catalogue get theirs."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest

from runner.analysis.diagnosis.catalogue import entries, entry_of, keys
from runner.analysis.diagnosis.matcher import diagnose, tidy
from runner.history.inspect import inspect_log
from runner.ingest.console.parser import ConsoleParser
from runner.model import Outcome
from runner.state.evidence import Evidence, EvidenceCollector
from tests import DATA
from tests.failure_logs import RANKS

FAILURES = DATA / "failures"


def labelled(table: str) -> list[dict[str, str]]:
    with (FAILURES / table).open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


LABELS = labelled("labels.tsv")
MORE = labelled("more.tsv")
#: what people report in public threads, and what only looks like it
THREADS = tomllib.loads((FAILURES / "threads.toml").read_text("utf-8"))

KEYS = [
    "cuda_out_of_memory",
    "mps_out_of_memory",
    "mps_watermark_ratio",
    "host_out_of_memory",
    "nan_latents",
    "nan_from_first_step",
    "nan_during_training",
    "fp16_unsupported",
    "bf16_unsupported",
    "wrong_device",
    "cuda_not_compiled",
    "mps_operator_missing",
    "mps_float64",
    "dtype_mismatch",
    "fp16_unscale",
    "precision_flags_conflict",
    "submodule_missing",
    "sd_scripts_not_importable",
    "python_module_missing",
    "numpy_abi",
    "dependency_version_drift",
    "unknown_flag",
    "bad_flag_value",
    "config_file_missing",
    "output_config_exists",
    "no_data",
    "caption_missing",
    "caption_empty",
    "caption_encoding",
    "image_unreadable",
    "image_size_without_buckets",
    "image_too_small_for_bucket",
    "dataset_toml_invalid",
    "dataset_toml_syntax",
    "dataset_toml_missing",
    "resolution_missing",
    "bucket_resolution",
    "bucket_reso_steps",
    "cache_latents_augmentation",
    "cache_text_encoder_conflict",
    "bitsandbytes_missing",
    "bitsandbytes_cuda_mismatch",
    "xformers_missing",
    "xformers_mismatch",
    "gpu_architecture_unsupported",
    "cuda_device_assert",
    "cuda_hardware_error",
    "gpu_id_invalid",
    "tokenizer_unavailable",
    "output_dir_missing",
    "model_not_found",
    "model_truncated",
    "model_not_safetensors",
    "base_model_v2_mismatch",
    "base_model_inpainting",
    "base_model_architecture_mismatch",
    "resume_shape_mismatch",
    "resume_optimizer_mismatch",
    "resume_state_missing",
    "resume_already_finished",
    "resume_state_corrupt",
    "resume_accelerate_version",
    "disk_full",
    "output_not_writable",
    "persistent_workers_without_workers",
    "shared_memory_exhausted",
    "dataloader_worker_killed",
    "stalled",
    "port_in_use",
    "ddp_unused_parameters",
    "accelerate_arguments",
    "nccl_error",
    "no_trainable_parameters",
    "network_module_missing",
    "sample_prompts_missing",
    "logging_dir_missing",
    "wandb_missing",
    "flag_combination_invalid",
    "killed_by_signal",
    "loss_never_changes",
    "unknown",
    # of public threads
    "cache_invalid",
    "cuda_driver",
    "device_mismatch",
    "environment_moved",
    "file_not_utf8",
    "launcher_not_found",
    "model_not_loaded",
    "network_module_mismatch",
    "permission_denied",
    "python_too_new",
    "python_too_old",
    "sampling_failed",
    "storage_failed",
    "system_library_missing",
    "too_many_open_files",
    "torch_compile_failed",
    # of jobs
    "slurm_cancelled",
    "slurm_job_failed",
    "slurm_job_gone",
    "slurm_node_failed",
    "slurm_not_submitted",
    "slurm_out_of_memory",
    "slurm_preempted",
    "slurm_requeued",
    "slurm_time_limit",
]


def test_the_catalogue_has_every_key_and_advice_for_each() -> None:
    assert keys() == set(KEYS)
    for entry in entries():
        assert entry.advice.endswith(".")
        assert len(entry.advice) < 260
        assert all("=" in change for one in entry.fixes for change in one.changes)
    judged = {
        one.key
        for one in entries()
        if not (one.said or one.raised or one.warned or one.when_raised)
    }
    assert judged == {
        *("nan_from_first_step", "nan_during_training", "wrong_device"),
        *("killed_by_signal", "loss_never_changes", "stalled", "unknown"),
        *(key for key in KEYS if key.startswith("slurm_")),
    }


@pytest.mark.parametrize("label", LABELS, ids=lambda row: row["file"])
@pytest.mark.parametrize("known_exit", [True, False])
def test_recorded_failures(label: dict[str, str], known_exit: bool) -> None:
    report = inspect_log(FAILURES / label["file"], label["exit"] if known_exit else None)
    assert report.cause is not None
    assert (report.cause.key, str(report.outcome)) == (label["cause"], label["outcome"])
    assert report.cause.evidence
    assert "\n" not in report.cause.evidence


@pytest.mark.parametrize("label", MORE, ids=lambda row: row["file"])
def test_more_recorded_endings(label: dict[str, str]) -> None:
    """Other ways to fail, other versions, 80 columns, two processes, a terminal, another language."""
    report = inspect_log(FAILURES / label["file"], label["exit"])
    cause = report.cause
    assert (cause.key if cause else "", str(report.outcome)) == (label["cause"], label["outcome"])
    assert label["evidence"] in (cause.evidence if cause else "")
    assert cause is None or "CalledProcessError" not in cause.evidence
    assert report.unknown_lines == 0


def test_every_recorded_ending_is_labelled() -> None:
    files = {path.name for path in FAILURES.glob("*.log")}
    assert files == {label["file"] for label in (*LABELS, *MORE)}


@pytest.mark.parametrize("thread", THREADS["thread"], ids=lambda row: row["source"])
def test_a_failure_of_a_public_thread(thread: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(thread["log"], "utf-8")
    cause = inspect_log(log, thread.get("exit")).cause
    assert cause is not None
    assert cause.key == thread["key"]
    assert thread.get("advice", "").lower() in cause.advice.lower()
    assert cause.fix == thread.get("fix", cause.fix)


@pytest.mark.parametrize("other", THREADS["other"], ids=lambda row: row["source"])
def test_what_only_looks_like_a_cause(other: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(other["log"], "utf-8")
    cause = inspect_log(log, "code:1").cause
    assert cause is not None
    assert cause.key != other["not"]


@pytest.mark.parametrize(
    ("log", "evidence"),
    [
        ("bad_image.log", "failed to get image size: bad/img/10_x/a.png"),
        ("empty_caption.log", "AssertionError: caption file is empty: bad/emptycap/10_x/000.txt"),
        ("toml_syntax.log", "(line 2 column 1 char 10)"),
        ("child_sigkill.log", "died with <Signals.SIGKILL: 9>"),
        ("resume_missing.log", "Tried to find out/nope-state but folder does not exist"),
    ],
)
def test_evidence_is_the_line_that_says_it(log: str, evidence: str) -> None:
    cause = inspect_log(FAILURES / log, "code:1").cause
    assert cause is not None and evidence in cause.evidence


def collected(log: str) -> Evidence:
    collector = EvidenceCollector()
    parser = ConsoleParser()
    for event in [*parser.feed(log.encode()), *parser.finish()]:
        collector.on(event)
    return collector.evidence()


def traceback(last: str, *functions: str) -> str:
    frames = "".join(
        f'  File "a.py", line 1, in {name}\n    call()\n' for name in functions or ("f",)
    )
    return f"Traceback (most recent call last):\n{frames}{last}\n"


def cause_key(log: str) -> str | None:
    cause = diagnose(collected(log))
    return cause.key if cause else None


NO_PATH = "TypeError: expected str, bytes or os.PathLike object, not NoneType"
ZIP = (
    "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory"
)
HUB = (
    "requests.exceptions.ConnectionError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co',"
    ' port=443): Max retries exceeded"))'
)
STATE_DICT = "RuntimeError: Error(s) in loading state_dict for"
UNET = (
    f"{STATE_DICT} UNet2DConditionModel:\n\tsize mismatch for x.weight: copying a param with shape "
)


def mismatch(saved: str, wanted: str) -> str:
    return (
        f"{UNET}torch.Size([{saved}]) from checkpoint, the shape in current model is "
        f"torch.Size([{wanted}])."
    )


@pytest.mark.parametrize(
    ("key", "last"),
    [
        (
            "cuda_out_of_memory",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 MiB.",
        ),
        (
            "cuda_out_of_memory",
            "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate",
        ),
        ("cuda_out_of_memory", "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("cuda_out_of_memory", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"),
        ("cuda_out_of_memory", "RuntimeError: CUDA error: out of memory"),
        ("mps_out_of_memory", "RuntimeError: MPS backend out of memory (MPS allocated: 9.05 GB)."),
        ("mps_watermark_ratio", "RuntimeError: invalid low watermark ratio 1.4"),
        ("host_out_of_memory", "MemoryError"),
        ("host_out_of_memory", "OSError: [Errno 12] Cannot allocate memory"),
        ("host_out_of_memory", "OSError: [WinError 1455] The paging file is too small"),
        (
            "host_out_of_memory",
            "RuntimeError: [enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough "
            "memory: you tried to allocate 58982400 bytes.",
        ),
        ("nan_latents", "RuntimeError: NaN detected in latents: /data/a.png"),
        ("fp16_unsupported", "ValueError: fp16 mixed precision requires a GPU (not 'mps')."),
        (
            "fp16_unsupported",
            "ValueError: fp16 mixed precision requires a device in ('cuda', 'xpu') (not 'cpu').",
        ),
        (
            "fp16_unsupported",
            "ValueError: fp16 mixed precision with MPS device requires a Pytorch >= 2.5.0",
        ),
        (
            "bf16_unsupported",
            "ValueError: bf16 mixed precision requires PyTorch >= 1.10 and a supported device.",
        ),
        (
            "bf16_unsupported",
            "ValueError: bf16 mixed precision with MPS device requires a Pytorch >= 2.6.0",
        ),
        ("cuda_not_compiled", "AssertionError: Torch not compiled with CUDA enabled"),
        (
            "mps_operator_missing",
            "NotImplementedError: The operator 'aten::_linalg_solve_ex.result' is not currently "
            "implemented for the MPS device.",
        ),
        (
            "mps_float64",
            "TypeError: Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't "
            "support float64. Please use float32 instead.",
        ),
        ("dtype_mismatch", "RuntimeError: expected scalar type Half but found Float"),
        (
            "dtype_mismatch",
            "RuntimeError: Input type (c10::Half) and bias type (float) should be the same",
        ),
        ("dtype_mismatch", "RuntimeError: \"LayerNormKernelImpl\" not implemented for 'Half'"),
        ("fp16_unscale", "ValueError: Attempting to unscale FP16 gradients."),
        (
            "precision_flags_conflict",
            "AssertionError: full_fp16 requires mixed precision='fp16' / x",
        ),
        ("precision_flags_conflict", "AssertionError: full_bf16 requires mixed precision='bf16'"),
        ("sd_scripts_not_importable", "ModuleNotFoundError: No module named 'library'"),
        (
            "sd_scripts_not_importable",
            "ModuleNotFoundError: No module named 'library.device_utils'",
        ),
        ("python_module_missing", "ModuleNotFoundError: No module named 'voluptuous'"),
        ("python_module_missing", "ModuleNotFoundError: No module named 'lycoris'"),
        ("numpy_abi", "ImportError: numpy.core.multiarray failed to import"),
        (
            "dependency_version_drift",
            "ImportError: cannot import name 'cached_download' from 'huggingface_hub' (/x.py)",
        ),
        (
            "no_data",
            "ValueError: num_samples should be a positive integer value, but got num_samples=0",
        ),
        ("caption_missing", "AssertionError: caption or tag is required / キャプション: a.png"),
        ("image_unreadable", "PIL.UnidentifiedImageError: cannot identify image file 'a.png'"),
        ("image_unreadable", "OSError: image file is truncated (3 bytes not processed)"),
        (
            "image_size_without_buckets",
            "AssertionError: image too large, but cropping and bucketing are",
        ),
        ("image_size_without_buckets", "AssertionError: image size is small / 画像: a.png"),
        (
            "dataset_toml_invalid",
            "voluptuous.error.MultipleInvalid: expected int for dictionary value @ "
            "data['datasets'][0]['subsets'][0]['num_repeats']",
        ),
        ("dataset_toml_missing", "ValueError: not supported config file format / x: a.yaml"),
        ("resolution_missing", "AssertionError: resolution is required / resolution"),
        (
            "bucket_resolution",
            "AssertionError: max_bucket_reso must be equal or greater than resolution",
        ),
        (
            "bucket_reso_steps",
            "AssertionError: bucket_reso_steps is 50. it must be divisible by 64.",
        ),
        (
            "cache_text_encoder_conflict",
            "AssertionError: when caching Text Encoder output, either caption_dropout_rate, shuffle",
        ),
        (
            "cache_text_encoder_conflict",
            "AssertionError: network for Text Encoder cannot be trained with caching Text Encoder "
            "outputs / Text Encoder",
        ),
        (
            "bitsandbytes_cuda_mismatch",
            "RuntimeError:\n        CUDA Setup failed despite GPU being there.",
        ),
        (
            "bitsandbytes_cuda_mismatch",
            "AttributeError: 'NoneType' object has no attribute 'cget_managed_ptr'",
        ),
        ("xformers_missing", "ImportError: No xformers / xformers"),
        (
            "xformers_mismatch",
            "NotImplementedError: No operator found for `memory_efficient_attention_forward` with "
            "inputs:\n     query       : shape=(1, 4096, 8, 40) (torch.float32)",
        ),
        (
            "gpu_architecture_unsupported",
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        ),
        ("cuda_device_assert", "RuntimeError: CUDA error: device-side assert triggered"),
        (
            "cuda_hardware_error",
            "RuntimeError: CUDA error: an illegal memory access was encountered",
        ),
        ("cuda_hardware_error", "torch.AcceleratorError: CUDA error: unspecified launch failure"),
        (
            "gpu_id_invalid",
            "ValueError: torch.cuda.is_available() should be True but is False. xformers' memory "
            "efficient attention is only available for GPU",
        ),
        ("gpu_id_invalid", "RuntimeError: CUDA error: invalid device ordinal"),
        (
            "tokenizer_unavailable",
            "OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'.",
        ),
        (
            "model_not_found",
            "OSError: nope is not a local folder and is not a valid model identifier",
        ),
        (
            "model_truncated",
            "safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, "
            "file not fully covered",
        ),
        (
            "model_not_safetensors",
            "safetensors_rust.SafetensorError: Error while deserializing header: header too large",
        ),
        (
            "model_not_safetensors",
            "safetensors_rust.SafetensorError: Error while deserializing header: "
            "InvalidHeaderDeserialization",
        ),
        ("base_model_v2_mismatch", mismatch("320, 1024", "320, 768")),
        ("base_model_inpainting", mismatch("320, 9, 3, 3", "320, 4, 3, 3")),
        ("base_model_architecture_mismatch", mismatch("640", "1280")),
        (
            "base_model_architecture_mismatch",
            f"{STATE_DICT} SdxlUNet2DConditionModel:\n\tMissing key(s) in state_dict: "
            '"input_blocks.4.1.transformer_blocks.9.norm1.weight".',
        ),
        (
            "resume_shape_mismatch",
            f"{STATE_DICT} LoRANetwork:\n\tsize mismatch for lora_te_x: copying a param",
        ),
        (
            "resume_optimizer_mismatch",
            "ValueError: loaded state dict contains a parameter group that doesn't match the size of "
            "optimizer's group",
        ),
        (
            "disk_full",
            "safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: "
            'StorageFull, message: "No space left on device" })',
        ),
        ("disk_full", "OSError: [Errno 28] No space left on device: 'out/x'"),
        (
            "disk_full",
            "SafetensorError: Error while serializing: I/O error: No space left on device (os error 28)",
        ),
        ("output_not_writable", "PermissionError: [Errno 13] Permission denied: 'out'"),
        ("output_not_writable", "OSError: [Errno 30] Read-only file system: 'out'"),
        (
            "persistent_workers_without_workers",
            "ValueError: persistent_workers option needs num_workers > 0",
        ),
        (
            "shared_memory_exhausted",
            "RuntimeError: DataLoader worker (pid 9) is killed by signal: Bus error. It is possible "
            "that dataloader's workers are out of shared memory.",
        ),
        (
            "dataloader_worker_killed",
            "RuntimeError: DataLoader worker (pid(s) 9) exited unexpectedly",
        ),
        (
            "port_in_use",
            "ConnectionError: Tried to launch distributed communication on port `29500`, but another "
            "process is utilizing it.",
        ),
        (
            "port_in_use",
            "torch.distributed.DistNetworkError: The server socket has failed to listen on any local "
            "network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE",
        ),
        (
            "ddp_unused_parameters",
            "RuntimeError: Expected to have finished reduction in the prior iteration before starting",
        ),
        (
            "ddp_unused_parameters",
            "RuntimeError: DistributedDataParallel is not needed when a module doesn't have any",
        ),
        (
            "accelerate_arguments",
            "ValueError: You need to use at least 2 processes to use `--multi_gpu`.",
        ),
        (
            "accelerate_arguments",
            "ValueError: The passed configuration file `a.yaml` does not exist. Please pass an",
        ),
        ("nccl_error", "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc"),
        ("no_trainable_parameters", "ValueError: optimizer got an empty parameter list"),
        (
            "no_trainable_parameters",
            "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn",
        ),
        (
            "logging_dir_missing",
            "ValueError: logging_dir is required when log_with is tensorboard / x",
        ),
        ("wandb_missing", "ImportError: No wandb / wandb"),
        ("wandb_missing", "wandb.errors.errors.UsageError: api_key not configured (no-tty)."),
        ("flag_combination_invalid", "ValueError: adaptive_noise_scale requires noise_offset / x"),
        (
            "flag_combination_invalid",
            "ValueError: constant does not require `num_warmup_steps`. Set None or 0.",
        ),
        (
            "flag_combination_invalid",
            "AssertionError: adafactor scheduler must be used with Adafactor optimizer / x",
        ),
    ],
)
def test_wordings_of_exceptions(key: str, last: str) -> None:
    assert cause_key(traceback(last)) == key
    assert cause_key("[rank0]: " + traceback(last).rstrip().replace("\n", "\n[rank0]: ")) == key


@pytest.mark.parametrize(
    ("key", "last", "functions"),
    [
        ("tokenizer_unavailable", NO_PATH, ("train", "_load_tokenizer", "__init__")),
        ("tokenizer_unavailable", HUB, ("train", "_load_tokenizer", "from_pretrained", "send")),
        ("output_dir_missing", NO_PATH, ("train", "save_model", "makedirs")),
        ("resume_state_corrupt", ZIP, ("load_state", "load_accelerator_state", "load")),
        ("model_truncated", ZIP, ("train", "load_models_from_stable_diffusion_checkpoint")),
        ("image_too_small_for_bucket", "ZeroDivisionError: division by zero", ("select_bucket",)),
        ("resume_optimizer_mismatch", "KeyError: 'momentum'", ("load_state", "step")),
        ("resume_accelerate_version", "KeyError: 'step'", ("load_state", "load_accelerator_state")),
        (
            "resume_accelerate_version",
            "_pickle.UnpicklingError: Weights only load failed. This file",
            ("load_state", "load_accelerator_state"),
        ),
        (
            "base_model_architecture_mismatch",
            "KeyError: 'time_embed.0.weight'",
            ("train", "convert_ldm_unet_checkpoint"),
        ),
        (
            "network_module_missing",
            "AttributeError: 'NoneType' object has no attribute 'startswith'",
            ("train", "import_module"),
        ),
        (
            "sample_prompts_missing",
            "TypeError: stat: path should be string, bytes, os.PathLike or integer, not NoneType",
            ("train", "sample_images", "sample_images_common"),
        ),
        ("bad_flag_value", "ValueError: Unknown optimizer type: Foo", ("train", "get_optimizer")),
        (
            "dataset_toml_syntax",
            "json.decoder.JSONDecodeError: Expecting value",
            ("load_user_config",),
        ),
    ],
)
def test_wordings_that_mean_something_only_where_they_happen(
    key: str, last: str, functions: tuple[str, ...]
) -> None:
    assert cause_key(traceback(last, *functions)) == key


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (
            "submodule_missing",
            "python: can't open file '/x/train_network.py': [Errno 2] No such file",
        ),
        ("unknown_flag", "train_network.py: error: unrecognized arguments: --no_such_flag"),
        ("unknown_flag", "runner.embedded: error: unrecognized arguments: --no_such_flag"),
        (
            "bad_flag_value",
            "train_network.py: error: argument --mixed_precision: invalid choice: 'x' (choose from 'no')",
        ),
        ("bad_flag_value", "sdxl_train_network.py: error: argument --seed: invalid int value: 'x'"),
        (
            "config_file_missing",
            " " * 20 + "INFO     bad/nocfg.toml not found.     a.py:1",
        ),
        ("output_config_exists", "Config file already exists. Aborting... / 出力先: x.toml"),
        ("host_out_of_memory", "slurmstepd: error: Detected 1 oom_kill event in StepId=3.0."),
        ("cuda_hardware_error", "  what():  CUDA error: an illegal memory access was encountered"),
        (
            "nccl_error",
            "  what():  [Rank 0] Watchdog caught collective operation timeout: WorkNCCL",
        ),
    ],
)
def test_last_words_without_a_traceback(key: str, line: str) -> None:
    assert cause_key(line + "\n") == key


def test_the_last_of_a_chain_of_exceptions_counts() -> None:
    log = (
        traceback("ModuleNotFoundError: No module named 'bitsandbytes'")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + traceback("ImportError: No bitsandbytes / x", "train", "get_optimizer")
        + traceback("subprocess.CalledProcessError: Command '[]' returned non-zero exit status 1.")
    )
    assert cause_key(log) == "bitsandbytes_missing"


def test_an_unknown_last_exception_gives_way_to_the_one_it_came_from() -> None:
    log = traceback("RuntimeError: CUDA out of memory.") + traceback("FooError: while cleaning up")
    assert cause_key(log) == "cuda_out_of_memory"


def test_inside_a_worker_the_original_exception_counts() -> None:
    log = traceback(
        "RuntimeError: Caught AssertionError in DataLoader worker process 0.\n"
        "Original Traceback (most recent call last):\n"
        '  File "b.py", line 3, in __getitem__\n'
        "    x()\n"
        "AssertionError: image too large, but cropping and bucketing are disabled / a.png"
    )
    assert cause_key(log) == "image_size_without_buckets"


def test_a_traceback_drawn_as_a_box() -> None:
    log = (
        "╭─────────────────────────────── Traceback (most recent call last) ─────────────────────╮\n"
        "│ /home/me/kohya_ss/train_network.py:773 in <module>                                    │\n"
        "│ ❱ 773 │   train(args)                                                                 │\n"
        "╰───────────────────────────────────────────────────────────────────────────────────────╯\n"
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 8.00 GiB total \n"
        "capacity; 7.22 GiB already allocated)\n"
        "steps:   0%|          | 0/100 [00:01<?, ?it/s]\n"
    )
    cause = diagnose(collected(log))
    assert cause is not None and cause.key == "cuda_out_of_memory"
    assert "7.22 GiB already allocated" in cause.evidence


def test_a_box_with_a_path_that_rich_wrapped() -> None:
    row = "│ {:<76} │\n".format
    path = f"C:\\Program Files\\kohya_ss\\{'venv' * 10}\\library\\train_util.py"
    log = (
        "╭───────────────────── Traceback (most recent call last) ──────────────────────╮\n"
        + row(path[:76])
        + row(f"{path[76:]}:3854 in")
        + row("get_optimizer")
        + row("")
        + row("  3853 │   before()")
        + row("❱ 3854 │   call()")
        + "╰──────────────────────────────────────────────────────────────────────────────╯\n"
        "FooError: odd\n"
    )
    (seen,) = collected(log).exceptions
    assert seen.frames == (f"{path.replace(chr(92), '/')}:get_optimizer",)


def test_a_traceback_that_lost_its_indentation() -> None:
    log = (
        'Traceback (most recent call last):\nFile "/k/a.py", line 7, in\nreturn\n'
        'File "/k/library/train_util.py", line 9, in get_optimizer\nraise\n^^^^^\n'
        "zipfile.BadZipFile: odd\n"
    )
    (seen,) = collected(log).exceptions
    assert seen.name == "zipfile.BadZipFile"
    assert seen.frames == ("/k/a.py:", "/k/library/train_util.py:get_optimizer")


def test_a_traceback_that_begins_within_a_records_line() -> None:
    """The record's stream and the traceback's are two."""
    record = "2025-04-06 09:17:44 INFO     Using DreamBooth method.       sdxl_train.py:342"
    log = record + traceback("TypeError: 'type' object is not subscriptable", "train")
    (seen,) = collected(log).exceptions
    assert seen.frames == ("a.py:train",)
    caught = traceback("RuntimeError: Error(s) in loading state_dict for LoRANetwork:") + (
        "size mismatch for lora_unet_x: copying a param\nsteps are not part of it\n"
    )
    (seen,) = collected(caught).exceptions
    assert seen.message.endswith("\nsize mismatch for lora_unet_x: copying a param")


def test_where_nothing_is_known_the_last_unread_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    child = "subprocess.CalledProcessError: Command '[]' returned non-zero exit status 1."
    lines = "loading model for process 0/1\nthe frobnicator is full\nplease empty it\n"
    log.write_text(lines + traceback(child))
    cause = inspect_log(log, "code:1").cause
    assert cause is not None
    assert (cause.key, cause.evidence) == ("unknown", "the frobnicator is full | please empty it")


@pytest.mark.parametrize(
    "said",
    [
        "Command '['python', 'train_network.py']' returned non-zero exit status 3221225477.",
        "Command exited with code 3221225477",
        RANKS.format(code="3221225477", why="<N/A>"),
        "--- training process finished with errors or non-zero exit code (3221225477). ---",
    ],
)
def test_a_launcher_that_reports_its_child_without_a_traceback(said: str) -> None:
    assert cause_key(f"loading model for process 0/1\n{said}\n") == "host_out_of_memory"


def test_the_script_of_a_foreign_log_decides_the_fix(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for script, module in (("flux_train_network.py", "lora_flux"), ("train_network.py", "lora")):
        lines = traceback("AttributeError: 'LoRANetwork' object has no attribute 'x'", "train")
        log.write_text(lines.replace("a.py", f"C:\\k\\{script}"))
        cause = inspect_log(log, "code:1").cause
        assert cause is not None and cause.fix == f"network_module=networks.{module}"


def test_parts_without_weights_or_modules_are_warned_about() -> None:
    log = (
        "create LoRA for U-Net: 0 modules.\ncreate LoRA for Text Encoder: 0 modules.\n"
        "loading text encoder: _IncompatibleKeys(missing_keys=[], unexpected_keys=['a'])\n"
        "Loaded Flux: _IncompatibleKeys(missing_keys=['img_in.weight'], unexpected_keys=[])\n"
    )
    assert [text.split(":")[0] for text in collected(log).warnings] == [
        "create LoRA for U-Net",
        "Loaded Flux",
    ]


def test_harmless_tracebacks_explain_nothing() -> None:
    log = "A matching Triton is not available, some optimizations will not be enabled\n"
    log += traceback("ModuleNotFoundError: No module named 'triton'")
    log += "Exception ignored in: <function A.__del__ at 0x7f>\n" + traceback("ValueError: closed")
    assert collected(log).exceptions == ()
    assert cause_key(log) is None


def test_an_exception_that_training_survived_is_forgotten() -> None:
    bar = "steps:  {n}%|#         | {n}/100 [00:12<03:40,  1.01it/s, avr_loss=0.1]\r"
    log = bar.format(n=1) + "\n" + traceback("ValueError: CUDA out of memory") + bar.format(n=2)
    # the bar of a trainer that dies shows once more, with the step that was under way
    assert len(collected(log).exceptions) == 1
    assert collected(log + bar.format(n=3)).exceptions == ()
    said = "Could not locate zlibwapi.dll. Please make sure it is in your library path!\n"
    assert collected(said + bar.format(n=1)).fatals != ()
    assert collected(said + bar.format(n=1) + bar.format(n=2)).fatals == ()


def test_memory_that_ran_out_while_sampling_says_so() -> None:
    log = "generating sample images at step / サンプル: 3\n" + traceback(
        "RuntimeError: CUDA out of memory"
    )
    cause = diagnose(collected(log))
    assert cause is not None and cause.key == "cuda_out_of_memory"
    assert "sample" in cause.advice
    assert entry_of("cuda_out_of_memory").advice != cause.advice


def test_evidence_is_one_short_english_line() -> None:
    assert tidy("x: a / 日本語です: b.txt\n\tmore") == "x: a: b.txt more"
    assert len(tidy("y" * 5000)) == 300


def test_nothing_known_is_no_cause() -> None:
    assert diagnose(Evidence()) is None
    assert cause_key(traceback("FooError: never heard of")) is None


def test_report_of_an_unknown_failure_shows_the_last_real_exception(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(
        traceback("FooError: never heard of")
        + traceback("subprocess.CalledProcessError: Command '[]' returned non-zero exit status 1.")
    )
    report = inspect_log(log, "code:1")
    assert report.outcome is Outcome.FAILED
    assert report.cause is not None
    assert (report.cause.key, report.cause.evidence) == ("unknown", "FooError: never heard of")
