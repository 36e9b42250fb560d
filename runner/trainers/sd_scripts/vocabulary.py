"""Console sentences of sd-scripts and their meaning, by their English beginning, as data.

Most sentences continue with ` / ` and Japanese, which forks drop; source names and line numbers moved
in v0.11. So only the beginnings count. Wordings of v0.6 to v0.11 and of all its scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from runner.model import Phase
from runner.model.events import (
    BannerSeen,
    CheckpointRemoved,
    CheckpointSaving,
    ConsoleEvent,
    DeviceSeen,
    EpochStarted,
    ModelSaved,
    NothingToTrain,
    ResumeSeen,
    SampleStarted,
    StateRemoved,
    StateSaved,
    StateSaving,
    SubsetSeen,
    WarningSeen,
)
from runner.trainers.console import Reader, Sentence, Vocabulary, english
from runner.trainers.sd_scripts.parts import missing_keys

_LAST_NUMBER = re.compile(r"[:=] *(\d{1,18})(?:, *\d+)*\s*$")


def _after(start: str, make: Callable[[int, str], ConsoleEvent]) -> Reader:
    def read(text: str, end: int) -> ConsoleEvent | None:
        value = text[len(start) :].strip()
        return make(end, value) if value else None

    return read


def _like(pattern: str, make: Callable[[int, re.Match[str]], ConsoleEvent]) -> Reader:
    known = re.compile(pattern)

    def read(text: str, end: int) -> ConsoleEvent | None:
        match = known.match(text)
        return make(end, match) if match else None

    return read


def _banner(name: str) -> Reader:
    def read(text: str, end: int) -> ConsoleEvent | None:
        match = _LAST_NUMBER.search(text)
        return BannerSeen(end, name, int(match[1])) if match else None

    return read


def _sample(text: str, end: int) -> ConsoleEvent | None:
    match = _LAST_NUMBER.search(text)
    return SampleStarted(end, int(match[1]) if match else None)


def _train_state(end: int, match: re.Match[str]) -> ConsoleEvent:
    numbers = dict(re.findall(r"'(\w+)': *(-?\d{1,18})\b", match[2]))
    step, epoch = (
        int(numbers[name]) if name in numbers else None
        for name in ("current_step", "current_epoch")
    )
    return ResumeSeen(end, state_path=match[1], state_step=step, state_epoch=epoch)


def _resuming(text: str, end: int) -> ConsoleEvent | None:
    path = text.partition(":")[2].strip()
    return ResumeSeen(end, state_path=path) if path else None


_EPOCH = _like(
    r"epoch (\d{1,18})/(\d{1,18})$", lambda end, m: EpochStarted(end, int(m[1]), int(m[2]))
)
_STATE_SAVED = _like(
    r"Random states saved in (.+)[/\\]\s*random_states_0\.pkl$",
    lambda end, m: StateSaved(end, m[1]),
)
_TRAIN_STATE = _like(
    r"load train state from (.+?)[/\\]\s*train_state\.json\s*: *\{(.*)\}", _train_state
)
_SKIPPING = _like(
    r"skipping (\d{1,18}) steps", lambda end, m: ResumeSeen(end, skip_steps=int(m[1]))
)
_FOUND = _like(
    r"found directory (.+) contains (\d{1,18}) image files",
    lambda end, m: SubsetSeen(end, m[1], int(m[2])),
)


def _unloaded(text: str, end: int) -> ConsoleEvent | None:
    """A part of the base model or network without its weights: sd-scripts prints the result of
    load_state_dict, and trains on. Keys that are only unexpected are harmless."""
    missing = missing_keys(text)
    return WarningSeen(end, "WARNING", english(text)[:400]) if missing else None


def _untrained(text: str, end: int) -> ConsoleEvent:
    return WarningSeen(end, "WARNING", f"{english(text).rstrip('.')}: nothing of it is trained")


def _saving(start: str) -> Sentence:
    return Sentence(start, Phase.SAVING, _after(start, CheckpointSaving))


def _phase(phase: Phase, *starts: str) -> list[Sentence]:
    return [Sentence(start, phase) for start in starts]


def _warning(*starts: str) -> list[Sentence]:
    return [Sentence(start, warns=True) for start in starts]


SENTENCES: tuple[Sentence, ...] = (
    # --- with facts
    Sentence("accelerator device:", Phase.PREPARING, _after("accelerator device:", DeviceSeen)),
    Sentence("epoch ", None, _EPOCH),
    _saving("saving checkpoint:"),
    _saving("saving model:"),
    _saving("save trained model as StableDiffusion checkpoint to"),
    _saving("save trained model as Diffusers to"),
    _saving("save trained model to"),
    Sentence(
        "Saving current state to", Phase.SAVING, _after("Saving current state to", StateSaving)
    ),
    Sentence("Random states saved in", None, _STATE_SAVED),
    Sentence(
        "removing old checkpoint:", None, _after("removing old checkpoint:", CheckpointRemoved)
    ),
    Sentence("removing old model:", None, _after("removing old model:", CheckpointRemoved)),
    Sentence("removing old state:", None, _after("removing old state:", StateRemoved)),
    Sentence("generating sample images at step", Phase.SAMPLING, _sample),
    Sentence("resume training from", Phase.PREPARING, _resuming),
    Sentence("load train state from", None, _TRAIN_STATE),
    Sentence("skipping epoch"),
    Sentence("skipping ", None, _SKIPPING),
    Sentence("found directory", Phase.DATASET, _FOUND),
    Sentence(
        "No data found", None, lambda text, end: NothingToTrain(end, english(text).rstrip(" /"))
    ),
    Sentence("model saved.", Phase.FINISHED, lambda _, end: ModelSaved(end)),
    # --- printed as information, but a part that silently did not load (networks/*.py)
    *(
        Sentence(f"create {network} for {part}: 0 modules", None, _untrained)
        for network in ("LoRA", "LyCORIS", "OFT")
        for part in (
            *("U-Net", "FLUX all blocks", "Flux", "SD3 MMDiT", "Lumina blocks", "Anima DiT"),
            *("HunyuanImage-2.1", "U-Net/DiT"),  # the last one: musubi-tuner
        )
    ),
    *(
        Sentence(start, None, _unloaded)
        for start in (
            *("Loaded ", "U-Net:", "VAE:", "loading vae:", "loading text encoder", "text encoder"),
            *("load network weights from", "BYT5 text encoder"),
        )
    ),
    Sentence("loading u-net", Phase.LOADING, _unloaded),
    # only printed for a text encoder that is to be trained (networks/lora*.py, apply_to)
    Sentence("enable LoRA for text encoder: 0 modules", None, _untrained),
    # --- the banner
    Sentence("running training", Phase.PREPARING),
    Sentence("num train images", None, _banner("train_images")),
    Sentence("num examples", None, _banner("train_images")),
    Sentence("num train items"),  # musubi-tuner: images and videos
    Sentence("num validation images", None, _banner("validation_images")),
    Sentence("num reg images", None, _banner("reg_images")),
    Sentence("num batches per epoch", None, _banner("batches_per_epoch")),
    Sentence("num epochs", None, _banner("epochs")),
    Sentence("batch size per device", None, _banner("batch_size")),
    Sentence("gradient accumulation steps", None, _banner("accumulation")),
    Sentence("gradient ccumulation steps", None, _banner("accumulation")),
    Sentence("total optimization steps", None, _banner("total_steps")),
    Sentence("total train batch size"),
    # --- phases
    *_phase(
        Phase.DATASET,
        *("Loading dataset config", "Load dataset config", "Using DreamBooth", "Use DreamBooth"),
        *("Training with captions", "Train with captions", "prepare images", "make buckets"),
        *("get image size from", "set image size from", "loading image sizes", "prepare dataset"),
        *("loading existing metadata", "metadata has"),
    ),
    *_phase(
        Phase.LOADING,
        *("loading model for process", "load StableDiffusion", "load Diffusers pretrained"),
        *("building U-Net", "Building ", "Loading Qwen", "Loading Gemma"),
    ),
    *_phase(
        Phase.CACHING,
        *("caching latents", "checking cache validity", "caching Text Encoder outputs"),
        *("cache Text Encoder outputs", "Caching latents", "Caching text encoder"),
    ),
    *_phase(
        Phase.PREPARING,
        *("preparing accelerator", "prepare accelerator", "import network module"),
        *("create LoRA network", "prepare optimizer", "Loading states from"),
    ),
    *_phase(Phase.SAVING, "saving state at", "saving last state"),
    # --- worth reporting even without a printed level (--console_log_simple, versions up to v0.8.3)
    *_warning(
        *("ignore directory without repeats", "ignore subset with", "ignore duplicated subset"),
        *("not directory:", "No caption file found", "neither caption file nor class tokens"),
        *("NaN found in latents", "failed to get image size", "No prompt file", "illegal char in"),
        *("some of reg images are not used", "ignoring the following options", "Invalid user"),
        *("Error on parsing", "scale_weight_norms is specified", "steps from the state is ignored"),
        *("Error loading file",),
    ),
)

#: Printed without a level, and harmless; lower case. The last line is what PowerShell puts around the first
#: line of stderr.
HARMLESS_STARTS = tuple(
    """the following values were not passed|`--|to avoid this warning pass|more than one gpu was found
if this was unintended|loading settings from|using v1 tokenizer|using v2 tokenizer|prepare tokenizer
load tokenizer|save tokenizer|update token length|number of images (including|bucket |mean ar error
[subset |[prepare |[dataset |no regularization images|enable |loading |loaded |load |additional vae
unet2dconditionmodel:|u-net:|text encoder|vae:|move |no text encoder outputs|merging |all weights
neuron dropout|create |use |using |override steps|train unet|text_encoder |unet dtype|number of m
number of trainable|all model weights|all optimizer|all scheduler|all dataloader|could not load
epoch is |model weights saved|optimizer state saved|scheduler state saved|sampler state|save train
gradient scaler|saving |prompt:|negative_prompt:|height:|width:|sample_steps:|scale:|seed:
embedded guidance|cfg scale:|sample_sampler:|fatal: not a git repository|crossattn|downblock
upblock|unetmidblock|t5xxl|clip|apply |steps:|wandb: |tensorboard|downloading|fetching
a matching triton|no module named 'triton'|to enable the following instructions|====|----|bin /
welcome to bitsandbytes|bug report|cuda setup: |accelerate configuration|root cause|failures:
<no_other_failures>|couldn't connect to the hub|retrying in |'(maxretryerror
error: unexpected |will try to load from local|stop text encoder
learning rate|recommend option|constant_with_warmup will|process |detected kernel|all keys
casting |converting |import |resume |total train|removing |noise_offset|adaptive_noise
at line:|+ |python.exe : |accelerate.exe : |accelerate : """.replace("\n", "|").split("|")
)

#: Records of level WARNING and above that every good run may print; lower case.
HARMLESS_WARNINGS = (
    "no regularization images",
    "epoch is not incremented",
    "could not load random states",
    "a matching triton",
    "no module named 'triton'",
    "none of the inputs have requires_grad",
    "prompt was truncated",
    "learning rate is used as initial_lr",
    # printed if --initial_step is passed with --resume, as our own resumes do on purpose
    "steps from the state is ignored",
)


VOCABULARY = Vocabulary(SENTENCES, HARMLESS_STARTS, HARMLESS_WARNINGS)
