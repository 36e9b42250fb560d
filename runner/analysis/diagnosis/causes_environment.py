"""Causes that lie in the command line, the launcher and the installed packages."""

from __future__ import annotations

from runner.analysis.diagnosis.cure_sets import ADAMW, NO_SAMPLES, ONE_PROCESS, SDPA
from runner.analysis.diagnosis.cures import cure
from runner.analysis.diagnosis.signs import Entry, raised, said

_DRIFTING = (
    r"(?:huggingface_hub|diffusers|transformers|accelerate|tokenizers|torchvision|torch|safetensors"
    r"|xformers|peft|timm|numpy)"
)

#: Tried before the causes whose words are more general.
LAUNCHER: tuple[Entry, ...] = (
    Entry(
        "port_in_use",
        "Another distributed training uses the port. Choose another main_process_port and end "
        "processes that an earlier run left behind.",
        (
            said(
                r"but another process is utilizing it|EADDRINUSE|Address already in use"
                r"|server socket has failed to listen|\[Errno 98\]|\[Errno 48\]"
            ),
        ),
        # not 0: accelerate 1.6 with torch 2.13 then waits for ever at the start of several processes
        cures=(cure(raised=("accelerate.main_process_port",)),),
    ),
    Entry(
        "accelerate_arguments",
        "The configuration file of `accelerate launch` is not there, or holds what this version of "
        "accelerate does not know. Correct its path or drop those keys.",
        (
            said(
                r"The passed configuration file .* does not exist|The config file at .* had unknown"
            ),
        ),
        cures=(cure("accelerate.config_file=PATH"),),
    ),
    Entry(
        "accelerate_arguments",
        "The arguments or the configuration of `accelerate launch` do not fit this machine. For "
        "one device use num_processes 1 and no multi_gpu.",
        (
            said(
                r"at least 2 processes to use `--multi_gpu|Less than two GPU ids were configured"
                r"|manually pass in `--num_processes"
                r"|You can only use one of `--cpu`|Unknown dynamo backend"
                r"|`MASTER_ADDR` env was not set|Docker containers are not supported"
            ),
            raised(r"", frames=r"^(?:_validate_launch_command|load_config_from_file)$"),
        ),
        cures=(ONE_PROCESS,),
    ),
    Entry(
        "submodule_missing",
        "The script is not there: the sd-scripts folder is empty or the path is wrong. In kohya_ss "
        "run `git submodule update --init --recursive`.",
        (
            said(r"can't open file '.*': \[Errno 2\]|can't find '__main__' module in"),
            raised(r"FileNotFoundError.*(?:train_network|train_db|fine_tune|_train)\.py"),
        ),
    ),
)

ENVIRONMENT: tuple[Entry, ...] = (
    # --- the command line
    Entry(
        "unknown_flag",
        "The script does not know a flag: a typing error, or one that is newer than this checkout. "
        "Remove it.",
        (said(r"error: unrecognized arguments|error: ambiguous option"),),
    ),
    Entry(
        "bad_flag_value",
        "A flag has a value that the script does not take. Look at the choices the message names.",
        (
            said(
                r"error: argument |error: the following arguments are required|Unknown optimizer type"
                r"|is not a valid percentage|is not an int or float|resolution must be 'size'"
                r"|face_crop_aug_range must be two floats|Unknown Huber loss|Unsupported Loss Type"
                r"|Unknown mixed_precision mode|\.py: error: |^accelerate[^:]*: error: "
                r"|lr_weight length is invalid|rank must be a multiple of|must have \d+ values"
                r"|invalid train_blocks|num_workers option should be|Unknown loss type|Cannot swap more than"
            ),
            raised(
                r"^(?:AttributeError|ValueError|KeyError|TypeError): (?!.*bitsandbytes)",
                frames=r"^get_optimizer$",
            ),
            raised(
                r"^(?:ValueError|TypeError): (?:invalid literal|could not convert|\S+ got an unexp)",
                frames=r"^create_network\w*$",
            ),
            raised(r"^(?:KeyError|ValueError): .*(?:is not a valid SchedulerType)"),
        ),
    ),
    Entry(
        "persistent_workers_without_workers",
        "Persistent workers need at least one data loader worker. Drop the flag or use a worker.",
        (said(r"persistent_workers option needs num_workers"),),
        cures=(cure("persistent_data_loader_workers=false"),),
    ),
    Entry(
        "sample_prompts_missing",
        "Sample images were asked for without prompts. Set sample_prompts, or drop "
        "sample_every_n_steps and sample_every_n_epochs.",
        (
            said(r"No sample prompts found"),
            raised(r"stat: path should be string.*not NoneType"),
            raised(r"NoneType", frames=r"^(?:sample_images\w*|load_prompts)$"),
        ),
        cures=(NO_SAMPLES,),
    ),
    Entry(
        "logging_dir_missing",
        "TensorBoard logging was asked for without a folder. Set logging_dir.",
        (said(r"logging_dir is required when"),),
        cures=(cure("logging_dir=PATH"),),
    ),
    Entry(
        "wandb_missing",
        "Logging to wandb was asked for, but it is not installed or not logged in. Log to "
        "TensorBoard instead, or log in to wandb.",
        (
            said(
                r"No wandb|No module named 'wandb|wandb\.\S*(?:Error|Abort)|api_key not configured"
                r"|wandb: ERROR|wandb login"
            ),
        ),
        cures=(cure("log_with=tensorboard"),),
    ),
    # --- packages
    Entry(
        "sd_scripts_not_importable",
        "Python does not find sd-scripts' own packages. Start the trainer in the sd-scripts folder "
        "or add that folder to PYTHONPATH.",
        (said(r"No module named '(?:library|networks)(?:'|\.(?!lora|lyc))"),),
    ),
    Entry(
        "bitsandbytes_missing",
        "The 8-bit optimizers need bitsandbytes, which is not installed and works on CUDA only. "
        "Use the AdamW optimizer.",
        (said(r"No bitsandbytes|No module named 'bitsandbytes"),),
        cures=(ADAMW,),
    ),
    Entry(
        "xformers_missing",
        "xformers is not installed. Use --sdpa, which is part of torch.",
        (said(r"No xformers|No module named 'xformers|install xformers"),),
        cures=(SDPA,),
    ),
    Entry(
        "numpy_abi",
        "A package was built for NumPy 1 and meets NumPy 2. Install numpy below version 2.",
        (
            said(
                r"compiled using NumPy 1|numpy\.core\.multiarray failed|numpy\.dtype size changed"
                r"|_ARRAY_API not found|Numpy is not available"
            ),
        ),
    ),
    Entry(
        "python_module_missing",
        "A Python package is missing, often because another environment than the trainer's was "
        "used. Install the trainer's requirements in its own environment.",
        (
            said(
                r"No module named|Could not load (?:flash|Sage) [Aa]ttention"
                r"|No (?:lion_pytorch|dadaptation|Prodigy|schedulefree|prodigyopt)\b"
            ),
        ),
    ),
    Entry(
        "dependency_version_drift",
        "Installed packages do not fit each other. Reinstall the versions in the trainer's "
        "requirements file.",
        (
            said(
                r"cannot import name|is required for a normal functioning of this module"
                r"|Failed to import \S+ because|The version of bitsandbytes installed seems"
                rf"|module '{_DRIFTING}[\w.]*' has no attribute|requires the following version"
                r"|ImportError: .*(?:undefined symbol|DLL load failed|cannot open shared object)"
                r"|operator torchvision::nms does not exist|ContextualVersionConflict"
                r"|got an unexpected keyword argument|VersionConflict|upgrade PyTorch to support"
            ),
        ),
    ),
    # --- known, but without a key of its own
    Entry(
        "unknown",
        "The console's character set cannot show what the trainer prints (it prints Japanese). Set "
        "PYTHONUTF8=1 in its environment, on Windows PYTHONIOENCODING=utf-8 too.",
        (
            raised(
                r"UnicodeEncodeError: '(?:ascii|cp\d+|charmap|latin-1|gbk|shift_jis)' codec can't"
            ),
        ),
        cures=(cure("env.PYTHONUTF8=1"),),
    ),
)
