"""Causes that lie in base models, tokenizers, networks and saved states."""

from __future__ import annotations

from runner.analysis.diagnosis.cure_sets import ONE_PROCESS, PLAIN_LORA
from runner.analysis.diagnosis.cures import cure
from runner.analysis.diagnosis.signs import Entry, raised, said, warned
from runner.model import Phase

_LOADS_STATE = r"^(?:load_state|load_accelerator_state|resume_from_local\w*|load_model_hook)$"
#: An optimizer that reads what another one saved.
_OPTIMIZER_STEPS = r"^(?:step|_init_group|step_param|update_step|adafactor_step\w*)$"
_LOADS_TOKENIZER = r"tokenizer"
_SAVES = r"^(?:save_\w+|makedirs|save_and_remove\w*|remove_\w+)$"
_UNREACHABLE = (
    r"ConnectionError|huggingface\.co|LocalEntryNotFoundError|OfflineModeIsEnabled|MaxRetryError"
    r"|couldn't connect|SSLError|NameResolutionError|ConnectTimeout|ReadTimeout"
)
_NO_PATH = (
    r"TypeError: (?:expected str, bytes or os\.PathLike object|join\(\) argument must be str.*)"
    r", not '?NoneType"
)
_OPTIMIZER_KEYS = (
    r"momentum\w*|dampening|nesterov|exp_avg\w*|betas?|maximize|foreach|capturable|fused|amsgrad"
    r"|state1|state2|scale_parameter|relative_step|warmup_init|initial_lr|d_coef|decouple"
)
_OTHER_UNET = r"loading state_dict for (?:UNet2DCondition|CLIPText|AutoencoderKL)\w*"
_ANY_BASE = (
    r"loading state_dict for (?:\w*UNet\w*|CLIPText\w*|AutoencoderKL|AutoEncoder|Flux\w*|MMDiT"
    r"|SD3\w*|T5\w*|NextDiT|Lumina\w*|Anima\w*|Hunyuan\w*|Chroma\w*)"
)
_NETWORK = r"loading state_dict for \w*(?:LoRA|Lora|LoHa|LoKr|Lycoris|LyCORIS|OFT|Network)\w*"

MODEL: tuple[Entry, ...] = (
    Entry(
        "disk_full",
        "The disk is full; the file that was being written is incomplete. Make room, delete that "
        "file and resume from the last whole state.",
        (
            said(
                r"No space left on device|\[Errno 28\]|os error 2[78]\b|StorageFull|Disk quota exceeded"
                r"|\[Errno 122\]|not enough space on the disk|PytorchStreamWriter failed"
                r"|inline_container\.cc.*unexpected pos|\[Errno 27\]"
            ),
        ),
    ),
    # --- resuming: the same words mean something else there
    Entry(
        "resume_state_missing",
        "The state to resume from is not there. Give the folder whose name ends in -state.",
        (
            said(r"Tried to find .* but folder does not exist"),
            raised(r"NotADirectoryError|No files found in the specified repo", frames=_LOADS_STATE),
        ),
    ),
    Entry(
        "resume_already_finished",
        "The state has as many steps as were asked for, so nothing is left to train. Raise the "
        "number of epochs or steps.",
        (said(r"max_train_steps should be greater than initial step"),),
        cures=(cure("initial_step=0"),),
    ),
    Entry(
        "resume_shape_mismatch",
        "The saved weights have another shape than the network. Use the same network_dim and "
        "network_args as the run that saved them, or take them over with dim_from_weights.",
        (
            said(_NETWORK),
            raised(r"size mismatch for lora_|size mismatch for lycoris_"),
            raised(r"loading state_dict for|size mismatch for", frames=_LOADS_STATE),
        ),
        cures=(cure("dim_from_weights=true", only_with=("network_weights",)),),
    ),
    Entry(
        "resume_optimizer_mismatch",
        "The state was saved with another optimizer or other learning rate groups. Resume with the "
        "optimizer and the learning rates of the run that saved it.",
        (
            said(r"parameter group that doesn't match|different number of parameter groups"),
            raised(r"^KeyError: '(?!step')\w+'$", frames=_LOADS_STATE),
            raised(r"^KeyError: '\w+'$", frames=_OPTIMIZER_STEPS),
            raised(rf"^KeyError: .*\b(?:{_OPTIMIZER_KEYS})'?"),
        ),
    ),
    Entry(
        "resume_accelerate_version",
        "The state was saved by another version of accelerate or torch. Resume with the versions "
        "that saved it, or update accelerate.",
        (
            raised(r"^KeyError: 'step'$"),
            raised(r"Weights only load failed"),
        ),
    ),
    Entry(
        "resume_state_corrupt",
        "The saved state is not complete: its writing was interrupted. Resume from an older state.",
        (
            raised(
                r"PytorchStreamReader|UnpicklingError|EOFError|Ran out of input|SafetensorError"
                r"|JSONDecodeError|BadZipFile|FileNotFoundError|unexpected EOF|not a ZIP archive"
                r"|\[Errno 22\]",
                frames=_LOADS_STATE,
            ),
            raised(r"PytorchStreamReader|unexpected EOF", phases=(Phase.PREPARING,)),
        ),
    ),
    # --- tokenizers
    Entry(
        "tokenizer_unavailable",
        "The tokenizer is not on this machine and could not be downloaded. Go online once, or "
        "point tokenizer_cache_dir to a folder that holds it.",
        (
            said(r"tokenizer config directory not found"),
            said(r"Can't load tokenizer|Couldn't instantiate the backend tokenizer"),
            raised(_NO_PATH, frames=_LOADS_TOKENIZER),
            raised(_UNREACHABLE, frames=_LOADS_TOKENIZER),
            raised(_UNREACHABLE, phases=(Phase.LAUNCHING,)),
            raised(r"OSError|EnvironmentError", frames=_LOADS_TOKENIZER),
        ),
        cures=(cure("tokenizer_cache_dir=PATH"),),
    ),
    # --- writing
    Entry(
        "output_not_writable",
        "The trainer may not write where it should save. Choose another output folder or change "
        "its permissions.",
        (
            said(r"Read-only file system|\[Errno 30\]|os error 30\b"),
            raised(r"PermissionError|Permission denied|os error 13\b|Parent directory"),
            raised(r"FileNotFoundError|NotADirectoryError|FileExistsError", frames=_SAVES),
        ),
        cures=(cure("output_dir=PATH"),),
    ),
    Entry(
        "output_dir_missing",
        "No output folder was given; the trainer only notices when it saves. Set output_dir.",
        (
            raised(_NO_PATH, frames=_SAVES),
            raised(_NO_PATH, phases=(Phase.SAVING, Phase.TRAINING, Phase.FINISHED)),
        ),
        cures=(cure("output_dir=PATH"),),
    ),
    # --- base models
    Entry(
        "base_model_architecture_mismatch",
        "The network module has no list of layers for this base model: LoHa and LoKr of "
        "sd-scripts are for SDXL and Anima. Use the LoRA of this script.",
        (said(r"Cannot auto-detect architecture"),),
        cures=PLAIN_LORA,
    ),
    Entry(
        "model_truncated",
        "The model file is incomplete, most likely a broken download. Download it again.",
        (
            said(
                r"MetadataIncompleteBuffer|incomplete metadata, file not fully covered"
                r"|unexpected EOF, expected|PytorchStreamReader failed|InvalidOffset"
                r"|not enough data in buffer"
            ),
            raised(
                r"^(?:OSError: \[Errno 22\]|EOFError|.*pickle data was truncated)",
                frames=r"^(?:load_checkpoint_\w+|load_models_from_\w+|_?load_target_model|load_vae)$",
            ),
        ),
    ),
    Entry(
        "model_not_safetensors",
        "The model file is not what its name says: a web page, a git-lfs pointer or another "
        "format. Look at its size and first bytes and download it again.",
        (
            said(
                r"HeaderTooLarge|HeaderTooSmall|InvalidHeader\w*|header too (?:large|small)"
                r"|invalid (?:UTF-8 in )?header|invalid load key|Invalid magic number"
                r"|deserializing header"
            ),
        ),
    ),
    Entry(
        "base_model_inpainting",
        "The base model is one for inpainting, with nine input channels. Use the normal model.",
        (said(rf"{_ANY_BASE}.*\[\d+, 9, 3, 3\]"),),
    ),
    Entry(
        "base_model_v2_mismatch",
        "The v2 flag and the base model do not belong together. Set v2 for Stable Diffusion 2 "
        "models only.",
        (
            said(rf"{_OTHER_UNET}.*\[[\d, ]*\b768\].*\[[\d, ]*\b1024\]"),
            said(rf"{_OTHER_UNET}.*\[[\d, ]*\b1024\].*\[[\d, ]*\b768\]"),
        ),
        cures=(cure("v2=false"),),
    ),
    Entry(
        "base_model_architecture_mismatch",
        "The base model belongs to another script: SDXL models need sdxl_train_network.py, SD 1.5 "
        "models train_network.py, and so on.",
        (
            said(_ANY_BASE),
            raised(r"^KeyError: ", frames=r"^(?:convert_ldm\w*|convert_\w*checkpoint\w*)$"),
            raised(r"^KeyError: .*(?:time_embed|input_blocks|conv_in|text_model|first_stage)"),
        ),
    ),
    Entry(
        "model_not_found",
        "The network to start from was not found under that path. Correct network_weights.",
        (raised(r"FileNotFoundError|os error 2\b", frames=r"^load_weights$"),),
        cures=(cure("network_weights=PATH"),),
    ),
    Entry(
        "model_not_found",
        "The VAE was not found under that path or name. Correct vae.",
        (
            raised(
                r"FileNotFoundError|OSError|EnvironmentError|HFValidationError|os error 2\b",
                frames=r"^load_vae$",
            ),
        ),
        cures=(cure("vae=PATH"),),
    ),
    Entry(
        "model_not_found",
        "The base model (or a VAE or network to start from) was not found under that path or name. "
        "Correct pretrained_model_name_or_path.",
        (
            said(
                r"Cannot load model .*not cached locally|model is not found as a file or in Hugging"
                r"|is not a local folder and is not a valid model|Repo id must|Repository Not Found"
                r"|RepositoryNotFoundError|Error no file named|does not appear to have a file named"
                r"|No such file or directory: .{0,300}\.(?:safetensors|ckpt|pt|bin|pth)\b"
                r"|os error 2\b|Can't load (?:the )?model|GatedRepoError|RevisionNotFoundError"
                r"|No file named \S+ found|Entry Not Found|EntryNotFoundError"
            ),
            raised(r"HFValidationError"),
            raised(_UNREACHABLE, phases=(Phase.LOADING, Phase.PREPARING)),
            raised(r"FileNotFoundError|NoneType", phases=(Phase.LOADING,)),
            warned(r"model is not found as a file or in Hugging Face"),
        ),
        cures=(cure("pretrained_model_name_or_path=PATH"),),
    ),
    # --- networks and optimizers
    Entry(
        "network_module_missing",
        "No network module was given, or there is none of that name. Set network_module to the LoRA of this "
        "script, networks.lora for Stable Diffusion 1, 2 and XL.",
        (
            raised(r"'NoneType' object has no attribute 'startswith'"),
            raised(r"No module named 'networks\.\w+"),
        ),
        cures=PLAIN_LORA,
    ),
    Entry(
        "no_trainable_parameters",
        "Nothing is left to train: every learning rate is zero, or no layer matched. Look at the "
        "learning rates and network_args.",
        (
            said(
                r"optimizer got an empty parameter list|does not require grad"
                r"|does not have a grad_fn"
            ),
        ),
        cures=(cure("learning_rate=1e-4", "unet_lr=false", "text_encoder_lr=false"),),
    ),
    Entry(
        "ddp_unused_parameters",
        "Training on several processes met parts that take no part in it. Train on one process.",
        (
            said(
                r"Expected to have finished reduction|unused parameters|find_unused_parameters"
                r"|DistributedDataParallel is not needed when a module"
            ),
        ),
        cures=(ONE_PROCESS,),
    ),
)
