"""Causes of a failure: title, evidence, advice and the one recommended key. Pure."""

from __future__ import annotations

from runner.model import Cause, Outcome, RunSnapshot, RunState
from runner.model.lean import dataclass
from tui.text import clean
from tui.words.questions import GUARD

# ---------------------------------------------------------------------------
# The causes of the catalogue in plain words, as the title of their card.

_TITLES = {
    "cuda_out_of_memory": "The graphics memory ran out",
    "mps_out_of_memory": "The Mac's GPU memory ran out",
    "mps_watermark_ratio": "A memory limit of PyTorch is set wrongly",
    "host_out_of_memory": "The machine's memory ran out",
    "nan_latents": "The VAE made numbers that are not finite",
    "nan_from_first_step": "The loss was not finite from the first step",
    "nan_during_training": "The loss became not finite on the way",
    "fp16_unsupported": "This device cannot train in fp16",
    "bf16_unsupported": "This device cannot train in bf16",
    "wrong_device": "It trained on another device than wanted",
    "cuda_not_compiled": "This PyTorch was built without CUDA",
    "mps_operator_missing": "The Mac's GPU lacks an operation",
    "mps_float64": "The Mac's GPU has no 64-bit numbers",
    "dtype_mismatch": "Two precisions met in one operation",
    "fp16_unscale": "fp16 gradients cannot be scaled",
    "precision_flags_conflict": "Precision flags contradict each other",
    "submodule_missing": "sd-scripts is not there: an empty submodule",
    "sd_scripts_not_importable": "sd-scripts' own modules are not found",
    "python_module_missing": "A Python package is missing",
    "numpy_abi": "numpy does not fit the other packages",
    "dependency_version_drift": "A package has another version than needed",
    "unknown_flag": "The script does not know a flag",
    "bad_flag_value": "A flag has a value that it cannot take",
    "config_file_missing": "A configuration file is not there",
    "output_config_exists": "The configuration to write exists already",
    "no_data": "No images were found",
    "caption_missing": "Captions are missing",
    "caption_empty": "Captions are empty",
    "caption_encoding": "A caption is not UTF-8",
    "image_unreadable": "An image cannot be read",
    "image_size_without_buckets": "Images differ in size, and buckets are off",
    "image_too_small_for_bucket": "An image is too small for its bucket",
    "dataset_toml_invalid": "The dataset file holds something wrong",
    "dataset_toml_syntax": "The dataset file is not valid TOML",
    "dataset_toml_missing": "The dataset file is not there",
    "resolution_missing": "No resolution is set",
    "bucket_resolution": "The bucket limits do not fit the resolution",
    "bucket_reso_steps": "The bucket step does not fit the model",
    "cache_latents_augmentation": "Cached latents exclude this augmentation",
    "cache_text_encoder_conflict": "Cached text excludes another setting",
    "bitsandbytes_missing": "bitsandbytes is missing",
    "bitsandbytes_cuda_mismatch": "bitsandbytes does not fit this CUDA",
    "xformers_missing": "xformers is missing",
    "xformers_mismatch": "xformers does not fit this PyTorch",
    "gpu_architecture_unsupported": "This PyTorch does not know this GPU",
    "cuda_device_assert": "A check on the GPU failed",
    "cuda_hardware_error": "The GPU or its driver failed",
    "gpu_id_invalid": "There is no GPU of that number",
    "tokenizer_unavailable": "The tokenizer cannot be loaded",
    "output_dir_missing": "The output folder is not there",
    "model_not_found": "The base model is not there",
    "model_truncated": "The base model's file is cut off",
    "model_not_safetensors": "The base model's file is of another kind",
    "base_model_v2_mismatch": "SD 1 and SD 2 are mixed up",
    "base_model_inpainting": "The base model is one for inpainting",
    "base_model_architecture_mismatch": "The base model is of another architecture",
    "resume_shape_mismatch": "The state does not fit the network",
    "resume_optimizer_mismatch": "The state is of another optimizer",
    "resume_state_missing": "The state to resume from is not there",
    "resume_already_finished": "The state is of a finished training",
    "resume_state_corrupt": "The state to resume from is damaged",
    "resume_accelerate_version": "The state is of another accelerate",
    "disk_full": "The disk is full",
    "output_not_writable": "The output folder cannot be written to",
    "persistent_workers_without_workers": "Persistent workers need workers",
    "shared_memory_exhausted": "The shared memory ran out",
    "dataloader_worker_killed": "A worker that loads images was killed",
    "stalled": "The training stood still",
    "port_in_use": "A port is taken by another process",
    "ddp_unused_parameters": "Several GPUs: parameters without gradient",
    "accelerate_arguments": "accelerate did not take its arguments",
    "nccl_error": "The GPUs could not talk to each other",
    "no_trainable_parameters": "Nothing is left to train",
    "network_module_missing": "The network module is not found",
    "sample_prompts_missing": "The sample prompts are not there",
    "logging_dir_missing": "A logging folder is missing",
    "wandb_missing": "wandb is missing",
    "flag_combination_invalid": "Two flags exclude each other",
    "killed_by_signal": "A signal from outside ended it",
    "unknown": "The cause is not known",
}


def cause_title(key: str) -> str:
    """A key that is not in the table (of a newer supervisor) in its own words."""
    if key in _TITLES:
        return _TITLES[key]
    words = clean(key, 80).replace("_", " ")
    return words[:1].upper() + words[1:]


# ---------------------------------------------------------------------------
# The cause card: why a run ended as it did, what helps, and whether a key applies it.

#: causes that prove nothing
UNKNOWN, KILLED = "unknown", "killed_by_signal"


@dataclass(frozen=True, slots=True)
class CauseCard:
    """`changes`: what would help, a line each; `curable`: a key can apply it; `resume_step`: to resume there
    is recommended. `trained`: steps were made,
    so that there is a loss to see."""

    title: str
    evidence: str
    advice: str
    changes: tuple[str, ...] = ()
    curable: bool = False
    trained: bool = True
    resume_step: int = 0


def cause_of(snapshot: RunSnapshot | None) -> Cause | None:
    """The cause that a person needs to see: not of what still runs, ended well, or was stopped by a
    person's own order."""
    if snapshot is None or snapshot.status is None or snapshot.state is not RunState.ENDED:
        return None
    outcome = snapshot.outcome or snapshot.status.outcome
    if outcome is Outcome.SUCCEEDED:
        return None
    if outcome is Outcome.STOPPED and snapshot.status.stop_by != GUARD:
        return None
    return snapshot.status.cause


def cure_of(cause: Cause) -> tuple[str, ...]:
    """What `retry` would apply."""
    return tuple(text for text in (clean(change, 120) for change in cause.changes) if text)


def recommended(snapshot: RunSnapshot) -> str:
    """The action that a person should take after this end: retry where the cause is proven and a setting cures
    it, else resume where a state is saved. Empty: none."""
    cause, status = cause_of(snapshot), snapshot.status
    outcome = snapshot.outcome or (status.outcome if status is not None else None)
    over = snapshot.state in (RunState.ENDED, RunState.LOST) and outcome is not Outcome.SUCCEEDED
    if status is None or not over or (outcome is None and snapshot.state is RunState.ENDED):
        return ""
    curable = cause is not None and bool(cure_of(cause))
    proven = cause is not None and cause.key not in (UNKNOWN, KILLED)
    if curable and (proven or not status.safe_step):
        return "retry"
    return "resume" if status.safe_step and outcome is not Outcome.DIVERGED else ""


def cause_card(snapshot: RunSnapshot | None) -> CauseCard | None:
    cause = cause_of(snapshot)
    if cause is None or snapshot is None or snapshot.status is None:
        return None
    cure = cure_of(cause)
    helps = cure or ((clean(cause.fix, 120),) if cause.fix else ())
    return CauseCard(
        cause_title(cause.key),
        clean(cause.evidence, 600),
        clean(cause.advice, 600),
        tuple(map(setting_words, helps)),
        curable=bool(cure),
        trained=bool(snapshot.status.step or snapshot.loss.rows),
        resume_step=snapshot.status.safe_step if recommended(snapshot) == "resume" else 0,
    )


def setting_words(change: str) -> str:
    """`cache_latents=true` as it is read; where it belongs to, if it is no flag of the script."""
    name, sign, value = change.partition("=")
    shown = named_place(name)
    if not sign:
        return shown
    if shown == name and value in ("true", "false"):
        return f"{name} {'on' if value == 'true' else 'off'}"
    return f"{shown} = {value}"


def named_place(name: str) -> str:
    """`env.X` and `accelerate.X` with their place as a word."""
    for prefix, place in (("env.", "environment: "), ("accelerate.", "accelerate: ")):
        if name.startswith(prefix):
            return place + name.removeprefix(prefix)
    return name
