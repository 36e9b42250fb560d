"""Rows of the catalogue that no CPU can provoke: upstream's texts inside whole logs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from runner.history.inspect import InspectReport, inspect_log
from runner.model import Outcome
from tests import failure_logs as logs
from tests.failure_logs import failed

OOM = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total "
    "capacity of 7.79 GiB of which 13.06 MiB is free. If reserved but unallocated memory is large "
    "try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)
OLD_OOM = (
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 8.00 GiB total capacity; "
    "5.46 GiB already allocated; 0 bytes free; 6.11 GiB reserved in total by PyTorch)"
)
ASYNC = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace "
    "below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with "
    "`TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)
MPS_OOM = (
    "RuntimeError: MPS backend out of memory (MPS allocated: 17.90 GiB, other allocations: 384.00 "
    "KiB, max allowed: 18.13 GiB). Tried to allocate 320.00 MiB on private pool. Use "
    "PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 to disable upper limit for memory allocations (may cause "
    "system failure)."
)
XFORMERS = (
    "NotImplementedError: No operator found for `memory_efficient_attention_forward` with inputs:\n"
    "     query       : shape=(1, 4096, 8, 40) (torch.float16)\n"
    "     attn_bias   : <class 'NoneType'>\n     p           : 0.0\n"
    "`cutlassF` is not supported because:\n    xFormers wasn't build with CUDA support\n"
    "    Operator wasn't built - see `python -m xformers.info` for more info"
)
BNB = (
    "RuntimeError: \n        CUDA Setup failed despite GPU being available. Please run the following "
    "command to get more information:\n\n        python -m bitsandbytes\n\n        Inspect the "
    "output of the command and see if you can locate CUDA libraries."
)
UNET = (
    "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n\tsize mismatch for "
)
SHAPES = (
    "{}: copying a param with shape torch.Size([{}]) from checkpoint, the shape in current model is "
    "torch.Size([{}])."
)
HUB = (
    "requests.exceptions.ConnectionError: (MaxRetryError('HTTPSConnectionPool(host=\\'huggingface.co"
    "\\', port=443): Max retries exceeded with url: /x (Caused by NameResolutionError(...))'), "
    "'(Request ID: 1)')"
)
NO_PATH = "TypeError: expected str, bytes or os.PathLike object, not NoneType"
ZIP = (
    "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory"
)


def judged(tmp_path: Path, log: str, exit_text: str = "code:1") -> InspectReport:
    path = tmp_path / "console.log"
    path.write_text(log, encoding="utf-8")
    return inspect_log(path, exit_text)


@pytest.mark.parametrize(
    ("key", "start", "last", "functions"),
    [
        ("cuda_out_of_memory", "training", OOM, ("process_batch", "forward")),
        ("cuda_out_of_memory", "training", OLD_OOM, ("backward",)),
        ("cuda_out_of_memory", "loading", OOM, ("load_target_model", "to", "convert")),
        ("cuda_out_of_memory", "caching", OOM, ("new_cache_latents", "encode", "forward")),
        (
            "cuda_out_of_memory",
            "setup",
            "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.2 GiB",
            ("prepare",),
        ),
        (
            "cuda_out_of_memory",
            "training",
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            ("forward",),
        ),
        (
            "cuda_out_of_memory",
            "training",
            "torch.AcceleratorError: CUDA error: out of memory" + ASYNC,
            ("step",),
        ),
        ("cuda_out_of_memory", "training", "torch.OutOfMemoryError: Allocation on device ", ()),
        (
            "cuda_out_of_memory",
            "training",
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2 MiB.",
            (),
        ),
        ("mps_out_of_memory", "training", MPS_OOM, ("backward",)),
        ("mps_out_of_memory", "training", "RuntimeError: Invalid buffer size: 18.00 GiB", ()),
        ("mps_watermark_ratio", "loading", "RuntimeError: invalid low watermark ratio 1.4", ()),
        ("mps_watermark_ratio", "loading", "RuntimeError: invalid high watermark ratio 3", ()),
        (
            "host_out_of_memory",
            "loading",
            "OSError: [WinError 1455] The paging file is too small for this operation to complete. "
            'Error loading "C:\\venv\\lib\\site-packages\\torch\\lib\\cublas64_11.dll"',
            (),
        ),
        (
            "host_out_of_memory",
            "loading",
            "RuntimeError: [enforce fail at C:\\cb\\pytorch\\c10\\core\\impl\\alloc_cpu.cpp:72] data. "
            "DefaultCPUAllocator: not enough memory: you tried to allocate 6553600 bytes.",
            ("load_state_dict",),
        ),
        ("host_out_of_memory", "saving", "MemoryError", ("save_weights", "save_file", "_tobytes")),
        ("host_out_of_memory", "training", "RuntimeError: std::bad_alloc", ()),
        (
            "host_out_of_memory",
            "dataset",
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 192. MiB for an array with "
            "shape (8192, 8192, 3) and data type uint8",
            ("load_image",),
        ),
        ("nan_latents", "caching", "RuntimeError: NaN detected in latents: img/03.png", ()),
        (
            "fp16_unsupported",
            "preparing",
            "ValueError: fp16 mixed precision requires a GPU (not 'mps').",
            ("prepare_accelerator", "__init__"),
        ),
        (
            "fp16_unsupported",
            "dataset",
            "ValueError: fp16 mixed precision requires a device in ('cuda', 'xpu', 'npu') (not 'cpu').",
            ("prepare_accelerator",),
        ),
        (
            "bf16_unsupported",
            "dataset",
            "ValueError: bf16 mixed precision requires PyTorch >= 1.10 and a supported device.",
            ("prepare_accelerator",),
        ),
        (
            "bf16_unsupported",
            "dataset",
            "ValueError: bf16 mixed precision with MPS device requires a Pytorch >= 2.6.0 and "
            "macOS >= 14",
            (),
        ),
        (
            "bf16_unsupported",
            "training",
            "TypeError: BFloat16 is not supported on MPS",
            ("to",),
        ),
        (
            "cuda_not_compiled",
            "training",
            "AssertionError: Torch not compiled with CUDA enabled",
            ("step", "_lazy_init"),
        ),
        (
            "cuda_not_compiled",
            "loading",
            "RuntimeError: Attempting to deserialize object on a CUDA device but "
            "torch.cuda.is_available() is False.",
            (),
        ),
        (
            "mps_operator_missing",
            "training",
            "NotImplementedError: The operator 'aten::_linalg_solve_ex.result' is not currently "
            "implemented for the MPS device. If you want this op to be added in priority, please "
            "comment on https://github.com/pytorch/pytorch/issues/77764. As a temporary fix, you can "
            "set the environment variable `PYTORCH_ENABLE_MPS_FALLBACK=1` to use the CPU.",
            (),
        ),
        (
            "mps_float64",
            "setup",
            "TypeError: Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't "
            "support float64. Please use float32 instead.",
            (),
        ),
        (
            "mps_float64",
            "training",
            "TypeError: Trying to convert Double to the MPS backend but it does not have support for "
            "that dtype.",
            (),
        ),
        (
            "dtype_mismatch",
            "training",
            "RuntimeError: expected scalar type Half but found Float",
            ("forward",),
        ),
        (
            "dtype_mismatch",
            "caching",
            "RuntimeError: Input type (torch.cuda.HalfTensor) and weight type (torch.cuda."
            "FloatTensor) should be the same",
            ("encode", "forward", "_conv_forward"),
        ),
        (
            "dtype_mismatch",
            "training",
            "RuntimeError: mat1 and mat2 must have the same dtype, but got Float and BFloat16",
            (),
        ),
        (
            "dtype_mismatch",
            "training",
            "RuntimeError: Input type (float) and bias type (c10::BFloat16) should be the same",
            (),
        ),
        (
            "dtype_mismatch",
            "training",
            "RuntimeError: \"slow_conv2d_cpu\" not implemented for 'Half'",
            (),
        ),
        (
            "fp16_unscale",
            "training",
            "ValueError: Attempting to unscale FP16 gradients.",
            ("clip_grad_norm_", "unscale_gradients", "_unscale_grads_"),
        ),
        (
            "precision_flags_conflict",
            "preparing",
            "AssertionError: full_bf16 requires mixed precision='bf16' / full_bf16を使う場合は"
            "mixed_precision='bf16'を指定してください。",
            (),
        ),
        (
            "precision_flags_conflict",
            "preparing",
            "AssertionError: fp8_base requires mixed precision='fp16' or 'bf16' / x",
            (),
        ),
        ("xformers_mismatch", "training", XFORMERS, ("forward_xformers",)),
        (
            "xformers_mismatch",
            "training",
            "RuntimeError: No such operator xformers::efficient_attention_forward_generic - did you "
            "forget to build xformers with `python setup.py develop`?",
            (),
        ),
        (
            "gpu_architecture_unsupported",
            "caching",
            "RuntimeError: CUDA error: no kernel image is available for execution on the device"
            + ASYNC,
            (),
        ),
        (
            "cuda_device_assert",
            "training",
            "RuntimeError: CUDA error: device-side assert triggered" + ASYNC,
            (),
        ),
        (
            "cuda_hardware_error",
            "training",
            "RuntimeError: CUDA error: an illegal instruction was encountered" + ASYNC,
            (),
        ),
        (
            "cuda_hardware_error",
            "training",
            "torch.AcceleratorError: CUDA error: unspecified launch failure" + ASYNC,
            (),
        ),
        (
            "cuda_hardware_error",
            "training",
            "RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
            (),
        ),
        (
            "gpu_id_invalid",
            "dataset",
            "RuntimeError: CUDA error: invalid device ordinal" + ASYNC,
            (),
        ),
        ("gpu_id_invalid", "dataset", "RuntimeError: No CUDA GPUs are available", ("_lazy_init",)),
        ("bitsandbytes_cuda_mismatch", "setup", BNB, ("get_optimizer", "<module>")),
        (
            "bitsandbytes_cuda_mismatch",
            "training",
            "AttributeError: 'NoneType' object has no attribute 'cadam32bit_grad_fp32'",
            ("step", "optimizer_update_32bit"),
        ),
        (
            "bitsandbytes_cuda_mismatch",
            "setup",
            "AttributeError: /venv/lib/libbitsandbytes_cpu.so: undefined symbol: "
            "cget_col_row_stats",
            ("get_optimizer",),
        ),
        (
            "bitsandbytes_missing",
            "setup",
            "ImportError: No bitsandbytes / bitsandbytesがインストールされていないようです",
            ("get_optimizer",),
        ),
        (
            "nccl_error",
            "setup",
            "torch.distributed.DistBackendError: NCCL error in: ../torch/csrc/distributed/c10d/"
            "ProcessGroupNCCL.cpp:1275, unhandled cuda error, NCCL version 2.14.3",
            ("prepare", "_verify_param_shape_across_processes"),
        ),
        (
            "ddp_unused_parameters",
            "training",
            "RuntimeError: Expected to have finished reduction in the prior iteration before starting "
            "a new one. This error indicates that your module has parameters that were not used in "
            "producing loss.",
            ("forward",),
        ),
        (
            "no_trainable_parameters",
            "training",
            "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn",
            ("backward",),
        ),
        (
            "numpy_abi",
            "launching",
            "ImportError: numpy.core.multiarray failed to import",
            ("<module>",),
        ),
        (
            "numpy_abi",
            "caching",
            "RuntimeError: Numpy is not available",
            ("load_image",),
        ),
        (
            "dependency_version_drift",
            "launching",
            "ImportError: cannot import name 'cached_download' from 'huggingface_hub' "
            "(/venv/huggingface_hub/__init__.py)",
            ("<module>",),
        ),
        (
            "dependency_version_drift",
            "launching",
            "ImportError: tokenizers>=0.13.3 is required for a normal functioning of this module, but "
            "found tokenizers==0.12.1.",
            (),
        ),
        (
            "wandb_missing",
            "setup",
            "wandb.errors.UsageError: api_key not configured (no-tty). call wandb.login(key=[your_api"
            "_key])",
            ("init_trackers",),
        ),
        (
            "base_model_architecture_mismatch",
            "loading",
            UNET + SHAPES.format("up_blocks.0.resnets.2.conv1.weight", "640, 960", "1280, 1920"),
            ("load_models_from_stable_diffusion_checkpoint",),
        ),
        (
            "base_model_architecture_mismatch",
            "loading",
            "KeyError: 'time_embed.0.weight'",
            ("convert_ldm_unet_checkpoint",),
        ),
        (
            "resume_accelerate_version",
            "setup",
            "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do "
            "so you have two options",
            ("resume_from_local_or_hf_if_specified", "load_state", "load_accelerator_state"),
        ),
        (
            "tokenizer_unavailable",
            "launching",
            "OSError: Can't load tokenizer for 'openai/clip-vit-large-patch14'. If you were trying to "
            "load it from 'https://huggingface.co/models', make sure",
            ("get_tokenize_strategy", "_load_tokenizer", "from_pretrained"),
        ),
        (
            "caption_missing",
            "dataset",
            "AssertionError: caption or tag is required / キャプションまたはタグは必須です: a.png",
            (),
        ),
        (
            "disk_full",
            "saving",
            "safetensors_rust.SafetensorError: Error while serializing: IoError(Os { code: 28, kind: "
            'StorageFull, message: "No space left on device" })',
            ("save_weights", "save_file"),
        ),
        (
            "disk_full",
            "saving",
            "safetensors_rust.SafetensorError: Error while serializing: I/O error: There is not "
            "enough space on the disk. (os error 112)",
            ("save_weights", "save_file"),
        ),
        (
            "output_not_writable",
            "saving",
            "PermissionError: [WinError 5] Access is denied: 'D:\\\\loras'",
            ("makedirs",),
        ),
        (
            "shared_memory_exhausted",
            "training",
            "RuntimeError: DataLoader worker (pid 4711) is killed by signal: Bus error. It is "
            "possible that dataloader's workers are out of shared memory. Please try to raise your "
            "shared memory limit.",
            ("handler",),
        ),
        (
            "shared_memory_exhausted",
            "training",
            "RuntimeError: unable to write to file </torch_4711_1>",
            (),
        ),
        (
            "dataloader_worker_killed",
            "training",
            "RuntimeError: DataLoader worker (pid(s) 4711, 4712) exited unexpectedly",
            ("_try_get_data",),
        ),
        (
            "port_in_use",
            "preparing",
            "torch.distributed.DistNetworkError: The server socket has failed to listen on any local "
            "network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: "
            "address already in use",
            ("init_process_group",),
        ),
    ],
)
def test_texts_of_the_catalogue(
    tmp_path: Path, key: str, start: str, last: str, functions: tuple[str, ...]
) -> None:
    report = judged(tmp_path, failed(start, last, *functions))
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == (key, Outcome.FAILED)
    assert last.split(":")[0] in report.cause.evidence
    assert "CalledProcess" not in report.cause.evidence


PAIRS = [
    ("tokenizer_unavailable", "launching", NO_PATH, ("get_tokenize_strategy", "_load_tokenizer")),
    ("output_dir_missing", "saving", NO_PATH, ("save_model", "makedirs")),
    (
        "sample_prompts_missing",
        "sampling",
        "TypeError: stat: path should be string, bytes, os.PathLike or integer, not NoneType",
        ("sample_images", "sample_images_common", "isfile"),
    ),
    ("model_truncated", "loading", ZIP, ("load_checkpoint_with_text_encoder_conversion", "load")),
    ("resume_state_corrupt", "setup", ZIP, ("load_state", "load_accelerator_state", "load")),
    (
        "sd_scripts_not_importable",
        "launching",
        "ModuleNotFoundError: No module named 'library'",
        (),
    ),
    (
        "sd_scripts_not_importable",
        "setup",
        "ModuleNotFoundError: No module named 'networks'",
        ("import_module",),
    ),
    (
        "network_module_missing",
        "setup",
        "ModuleNotFoundError: No module named 'networks.lroa'",
        ("import_module",),
    ),
    ("python_module_missing", "setup", "ModuleNotFoundError: No module named 'lycoris'", ()),
    (
        "resume_accelerate_version",
        "setup",
        "KeyError: 'step'",
        ("load_state", "override_attributes"),
    ),
    (
        "resume_optimizer_mismatch",
        "setup",
        "KeyError: 'exp_avg'",
        ("load_state", "load_state_dict"),
    ),
    ("resume_optimizer_mismatch", "resumed", "KeyError: 'step'", ("step", "_init_group")),
    ("resume_optimizer_mismatch", "resumed", "KeyError: 'k'", ("optimizer_step", "step")),
    ("resume_optimizer_mismatch", "resumed", "KeyError: 'exp_avg_sq'", ("step", "_update")),
    (
        "dataset_toml_missing",
        "launching",
        "FileNotFoundError: [Errno 2] No such file or directory: 'ds.toml'",
        ("load_user_config", "open"),
    ),
    (
        "model_not_found",
        "setup",
        'FileNotFoundError: No such file or directory: "loras/a.safetensors"',
        ("load_weights", "load_file"),
    ),
    (
        "resume_state_corrupt",
        "setup",
        "FileNotFoundError: [Errno 2] No such file or directory: 'out/a-state/optimizer.bin'",
        ("load_state", "load_accelerator_state", "load"),
    ),
    (
        "output_not_writable",
        "saving",
        "FileNotFoundError: [Errno 2] No such file or directory: 'Z:/loras'",
        ("save_model", "makedirs"),
    ),
    (
        "resume_shape_mismatch",
        "setup",
        "RuntimeError: Error(s) in loading state_dict for LoRANetwork:\n\tsize mismatch for lora_unet_"
        "x.lora_down.weight: " + SHAPES.format("", "4, 320", "8, 320"),
        ("load_state", "load_state_dict"),
    ),
    (
        "base_model_v2_mismatch",
        "loading",
        UNET + SHAPES.format("down_blocks.0.attn2.to_k.weight", "320, 768", "320, 1024"),
        ("load_models_from_stable_diffusion_checkpoint",),
    ),
    (
        "base_model_inpainting",
        "loading",
        UNET + SHAPES.format("conv_in.weight", "320, 9, 3, 3", "320, 4, 3, 3"),
        (),
    ),
    (
        "image_too_small_for_bucket",
        "dataset",
        "ZeroDivisionError: division by zero",
        ("select_bucket",),
    ),
    ("unknown", "training", "ZeroDivisionError: division by zero", ("process_batch", "my_loss")),
    ("tokenizer_unavailable", "launching", HUB, ("_load_tokenizer", "from_pretrained")),
    ("model_not_found", "loading", HUB, ("load_target_model", "from_pretrained")),
    ("unknown", "training", "KeyError: 'latents'", ("process_batch",)),
    ("unknown", "training", "AssertionError", ("process_batch",)),
    ("unknown", "sampling", "TypeError: 'NoneType' object is not subscriptable", ("my_sampler",)),
]


@pytest.mark.parametrize(("key", "start", "last", "functions"), PAIRS)
def test_like_words_in_another_place_mean_something_else(
    tmp_path: Path, key: str, start: str, last: str, functions: tuple[str, ...]
) -> None:
    cause = judged(tmp_path, failed(start, last, *functions)).cause
    assert cause is not None
    assert cause.key == key
    assert last.split(":")[0] in cause.evidence


@pytest.mark.parametrize(
    "before",
    [
        "failed to get image size: img/a.png, error: cannot identify image file 'img/a.png'",
    ],
)
def test_division_by_zero_after_a_bad_image_is_the_image(tmp_path: Path, before: str) -> None:
    log = logs.DATASET + logs.record(before, "WARNING")
    log += logs.traceback("ZeroDivisionError: division by zero", "make_buckets", "select_bucket")
    cause = judged(tmp_path, log + logs.LAUNCHER).cause
    assert cause is not None
    assert (cause.key, "a.png" in cause.evidence) == ("image_unreadable", True)


def test_memory_while_sampling_and_while_training_have_cures_of_their_own(tmp_path: Path) -> None:
    sampling = judged(tmp_path, failed("sampling", OOM, "sample_images", "pipeline")).cause
    training = judged(tmp_path, failed("training", OOM, "process_batch")).cause
    assert sampling is not None and training is not None
    assert sampling.key == training.key == "cuda_out_of_memory"
    assert sampling.fix == "sample_every_n_epochs=false"
    assert training.fix == "gradient_checkpointing=true"


def died(signal: str, number: int) -> str:
    return logs.LAUNCHER.replace(
        "returned non-zero exit status 1.", f"died with <Signals.{signal}: {number}>."
    )


@pytest.mark.parametrize(
    ("start", "signal", "number", "key"),
    [
        ("loading", "SIGKILL", 9, "host_out_of_memory"),
        ("training", "SIGKILL", 9, "killed_by_signal"),
        ("training", "SIGTERM", 15, "killed_by_signal"),
        ("loading", "SIGTERM", 15, "killed_by_signal"),
        ("training", "SIGSEGV", 11, "killed_by_signal"),
    ],
)
def test_a_signal_means_memory_only_while_a_model_is_loaded(
    tmp_path: Path, start: str, signal: str, number: int, key: str
) -> None:
    report = judged(tmp_path, logs.STARTS[start] + "\n" + died(signal, number))
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == (key, Outcome.KILLED)


@pytest.mark.parametrize("code", ["3221225477", "-1073741819"])
def test_windows_access_violation_is_memory(tmp_path: Path, code: str) -> None:
    words = logs.LAUNCHER.replace("status 1.", f"status {code}.").replace("/", "\\")
    report = judged(tmp_path, logs.LOADING + words)
    assert report.cause is not None and report.cause.key == "host_out_of_memory"


def test_a_workers_exception_is_told_by_its_own_words(tmp_path: Path) -> None:
    inner = (
        "RuntimeError: Caught UnidentifiedImageError in DataLoader worker process 0.\n"
        "Original Traceback (most recent call last):\n"
        '  File "/venv/torch/utils/data/_utils/worker.py", line 349, in _worker_loop\n'
        "    data = fetcher.fetch(index)\n"
        '  File "/sd-scripts/library/train_util.py", line 1201, in load_image\n'
        "    image = Image.open(image_path)\n"
        "PIL.UnidentifiedImageError: cannot identify image file 'img/a.png'\n"
    )
    report = judged(tmp_path, failed("training", inner, "_next_data", "reraise"))
    assert report.cause is not None and report.cause.key == "image_unreadable"
    assert report.cause.evidence.startswith("PIL.UnidentifiedImageError")


def test_a_workers_unknown_exception_is_shown_itself(tmp_path: Path) -> None:
    inner = (
        "ValueError: Caught ValueError in DataLoader worker process 1.\n"
        "Original Traceback (most recent call last):\n"
        '  File "/x.py", line 349, in _worker_loop\n    data = fetcher.fetch(index)\n'
        "ValueError: my own words\n"
    )
    report = judged(tmp_path, failed("training", inner, "reraise"))
    assert report.cause is not None
    assert (report.cause.key, report.cause.evidence) == ("unknown", "ValueError: my own words")


@pytest.mark.parametrize(
    "link",
    [
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ],
)
def test_of_a_chain_the_exception_that_is_known_counts(tmp_path: Path, link: str) -> None:
    log = logs.SETUP + logs.traceback(OOM, "forward") + f"\n{link}\n\n"
    log += logs.traceback("RuntimeError: the wrapper gave up", "wrapped") + logs.LAUNCHER
    cause = judged(tmp_path, log).cause
    assert cause is not None and cause.key == "cuda_out_of_memory"


def test_a_rank_of_two_tells_its_own_exception(tmp_path: Path) -> None:
    log = logs.TRAINING + "\n"
    log += logs.on_rank(logs.traceback(OOM, "process_batch"), 1)
    log += logs.on_rank(logs.traceback(OOM, "process_batch"), 0)
    log += logs.RANKS.format(code="1", why="To enable traceback see: https://pytorch.org/docs")
    cause = judged(tmp_path, log).cause
    assert cause is not None and cause.key == "cuda_out_of_memory"


def test_a_rank_that_was_killed(tmp_path: Path) -> None:
    log = (
        logs.TRAINING
        + "\n"
        + logs.RANKS.format(code="-9", why="Signal 9 (SIGKILL) received by PID 4")
    )
    report = judged(tmp_path, log)
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == ("killed_by_signal", Outcome.KILLED)


def test_a_watchdog_of_nccl_ends_the_process_without_a_traceback(tmp_path: Path) -> None:
    log = logs.TRAINING + (
        "\n[rank0]:[E ProcessGroupNCCL.cpp:563] [Rank 0] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum=8, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600410 milliseconds\n"
        "terminate called after throwing an instance of 'c10::DistBackendError'\n"
        "  what():  [PG 0 Rank 0] NCCL watchdog thread terminated with exception: [Rank 0] Watchdog "
        "caught collective operation timeout: WorkNCCL(SeqNum=8)\n"
    )
    log += logs.RANKS.format(code="-6", why="Signal 6 (SIGABRT) received by PID 4712")
    cause = judged(tmp_path, log).cause
    assert cause is not None and cause.key == "nccl_error"


def test_a_mac_that_aborts_in_metal(tmp_path: Path) -> None:
    log = logs.TRAINING + (
        "\n/AppleInternal/Library/BuildRoots/x/MPSCore/Types/MPSNDArray.mm:850: failed assertion "
        "`[MPSNDArray initWithDevice:descriptor:] Error: total bytes of NDArray > 2**32'\n"
    )
    report = judged(tmp_path, log + died("SIGABRT", 6))
    assert report.cause is not None
    assert "failed assertion" in report.cause.evidence


def test_cached_nan_and_a_loss_that_is_nan(tmp_path: Path) -> None:
    start = logs.SETUP + logs.BANNER + logs.bar(0) + "\nepoch 1/4\n"
    nan = "".join(logs.bar(n, loss="nan") for n in range(1, 5))
    end = "\nmodel saved.\n"
    cause = judged(tmp_path, start + nan + end, "code:0").cause
    assert cause is not None and cause.key == "nan_from_first_step"
    told = "NaN found in latents, replacing with zeros\n"
    cause = judged(tmp_path, start + told + nan + end, "code:0").cause
    assert cause is not None and cause.key == "nan_latents"
    late = logs.bar(1) + logs.bar(2) + logs.bar(3, loss="nan") + logs.bar(4, loss="nan")
    cause = judged(tmp_path, start + late + end, "code:0").cause
    assert cause is not None and cause.key == "nan_during_training"


@pytest.mark.parametrize(
    ("exit_text", "key", "outcome"),
    [
        ("code:3221225477", "host_out_of_memory", Outcome.FAILED),
        ("code:3221225786", "killed_by_signal", Outcome.KILLED),
        ("code:-9", "killed_by_signal", Outcome.KILLED),
        ("code:137", "killed_by_signal", Outcome.KILLED),
        ("code:7", "unknown", Outcome.FAILED),
    ],
)
def test_without_a_launcher_the_exit_code_itself_tells(
    tmp_path: Path, exit_text: str, key: str, outcome: Outcome
) -> None:
    report = judged(tmp_path, logs.TRAINING, exit_text)
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == (key, outcome)


def test_an_exception_says_more_than_an_exit_code(tmp_path: Path) -> None:
    log = logs.TRAINING + "\n" + logs.traceback(OOM)
    cause = judged(tmp_path, log, "code:3221225477").cause
    assert cause is not None and cause.key == "cuda_out_of_memory"


def box(path: str, *functions: str, edges: str = "╭─╮│╰╯❱") -> str:
    """A traceback as rich drew it in 2023, 100 columns wide."""
    left, line, right, side, low, lower, arrow = edges
    title = " Traceback (most recent call last) "
    rows = [f"{left}{title:{line}^98}{right}"]
    for number, name in enumerate(functions, start=100):
        inside = (f"{path}:{number} in {name}", "", f"  {number - 1} │   before()")
        rows += [
            f"{side} {text:<97}{side}" for text in (*inside, f"{arrow} {number} │   call()", "")
        ]
    return "\n".join([*rows, f"{low}{line * 98}{lower}"]) + "\n"


WINDOWS = "D:\\kohya_ss\\train_network.py"
BOXED_LAUNCHER = (
    box(
        "D:\\kohya_ss\\venv\\lib\\site-packages\\accelerate\\commands\\launch.py", "simple_launcher"
    )
    + "CalledProcessError: Command '['D:\\\\kohya_ss\\\\venv\\\\Scripts\\\\python.exe', \n"
    "'train_network.py', '--enable_bucket', '--output_dir=D:\\\\loras']' returned non-zero exit status 1.\n"
)


@pytest.mark.parametrize("edges", ["╭─╮│╰╯❱", "+-+|++>", "???????"])
@pytest.mark.parametrize(
    ("key", "last", "functions"),
    [
        (
            "gpu_id_invalid",
            "ValueError: torch.cuda.is_available() should be True but is False. xformers' memory "
            "efficient attention is only available for GPU",
            ("<module>", "train"),
        ),
        ("bitsandbytes_missing", "ImportError: No bitsandbytes", ("train", "get_optimizer")),
        (
            "output_dir_missing",
            "TypeError: expected str, bytes or os.PathLike object, not NoneType",
            ("train", "save_model", "makedirs"),
        ),
        (
            "base_model_v2_mismatch",
            "RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n        size "
            "mismatch for a.to_k.weight: copying a param with shape torch.Size([320, 768]) from "
            "checkpoint, the shape in current model is torch.Size([320, 1024]).",
            ("load_models_from_stable_diffusion_checkpoint", "load_state_dict"),
        ),
        ("unknown", "RuntimeError: my own words", ("train",)),
    ],
)
def test_boxes_of_2023_on_windows(
    tmp_path: Path, key: str, last: str, functions: tuple[str, ...], edges: str
) -> None:
    wrapped = "".join(
        f"{piece}\n"
        for line in last.split("\n")
        for piece in textwrap.wrap(line, 100, drop_whitespace=False)
    )
    log = logs.SETUP + box(WINDOWS, *functions, edges=edges) + wrapped + BOXED_LAUNCHER
    report = judged(tmp_path, log.replace("\n", "\r\n"))
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == (key, Outcome.FAILED)
    assert "CalledProcess" not in report.cause.evidence
    assert report.unknown_lines == 0


def test_with_the_log_in_a_file_the_exit_code_and_the_last_file_tell_the_end(
    tmp_path: Path,
) -> None:
    log = logs.TRAINING + "".join(map(logs.bar, range(4, 9)))
    saved = log + "\nsaving checkpoint: out/spyke-step00000008.safetensors\n"
    assert judged(tmp_path, saved, "code:0").outcome is Outcome.FAILED
    saved += "\nsaving checkpoint: out/spyke.safetensors\n" + logs.bar(8) + "\n"
    assert judged(tmp_path, saved, "code:0").outcome is Outcome.SUCCEEDED
    assert judged(tmp_path, saved, "code:1").outcome is Outcome.FAILED


def test_leaving_in_peace_before_a_model_was_asked_for_means_no_data(tmp_path: Path) -> None:
    report = judged(tmp_path, logs.LAUNCHING, "code:0")
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == ("no_data", Outcome.NOTHING_TRAINED)


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("python_module_missing", "/venv/bin/python3: No module named accelerate.commands"),
        (
            "python_module_missing",
            "D:\\venv\\Scripts\\python.exe: Error while finding module specification for "
            "'accelerate.commands.launch' (ModuleNotFoundError: No module named 'accelerate')",
        ),
        ("submodule_missing", "/usr/bin/python3.10: can't find '__main__' module in '/sd-scripts'"),
        (
            "submodule_missing",
            "python: can't open file '/k/sd-scripts/train_network.py': [Errno 2] No such file or "
            "directory",
        ),
    ],
)
def test_last_words_of_python_itself(tmp_path: Path, key: str, line: str) -> None:
    report = judged(tmp_path, line + "\n", "code:1")
    assert report.cause is not None
    assert (report.cause.key, report.unknown_lines) == (key, 0)


def test_a_cut_off_ckpt_and_a_cut_off_state_under_a_new_torch(tmp_path: Path) -> None:
    last = "OSError: [Errno 22] Invalid argument"
    through = ("load_models_from_stable_diffusion_checkpoint", "load", "_open_zipfile_reader")
    model = judged(tmp_path, failed("loading", last, *through)).cause
    assert model is not None and model.key == "model_truncated"
    state = judged(tmp_path, failed("setup", last, "load_state", "load_accelerator_state")).cause
    assert state is not None and state.key == "resume_state_corrupt"


def test_a_quiet_launcher_says_nothing_of_a_child_that_was_killed(tmp_path: Path) -> None:
    report = judged(tmp_path, logs.TRAINING, "code:1")
    assert report.cause is not None
    assert (report.cause.key, report.outcome) == ("killed_by_signal", Outcome.KILLED)
    assert "output stops in the middle" in report.cause.evidence
    started = judged(tmp_path, logs.SETUP, "code:1")
    assert started.outcome is Outcome.FAILED
