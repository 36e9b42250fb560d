"""Causes that lie in memory, devices, precision and the libraries that drive them."""

from __future__ import annotations

from runner.analysis.diagnosis.cure_sets import (
    ADAMW,
    CUDA_MEMORY,
    FULL_PRECISION,
    FULL_VAE,
    HOST_MEMORY,
    MPS_MEMORY,
    NO_SAMPLES,
    NO_WORKERS,
    ONE_PROCESS,
    SDPA,
)
from runner.analysis.diagnosis.cures import cure
from runner.analysis.diagnosis.needs import CUDA
from runner.analysis.diagnosis.signs import Entry, raised, said, warned
from runner.model import Phase

_CUDA_MEMORY = (
    r"CUDA out of memory|OutOfMemoryError: (?:CUDA|HIP|XPU|Allocation)|HIP out of memory"
    r"|CUDA (?:driver )?error: out of memory|cudaErrorMemoryAllocation"
    r"|CU(?:BLAS|DNN)_STATUS_ALLOC_FAILED|CUBLAS_STATUS_NOT_INITIALIZED"
)
_BITSANDBYTES_SYMBOLS = (
    r"has no attribute '(?:c(?:adam|lion|ada|lars|momentum|rmsprop|sgd)\w*|c(?:de)?quantize\w*"
    r"|cget_\w+|cigemm\w*)'|name 'str2optimizer\w*' is not defined"
)
_DTYPES = (
    r"expected (?:scalar|mat\w*) type \w+ but found|expected m1 and m2 to have the same dtype"
    r"|mat1 and mat2 (?:must|to) have the same dtype|expected mat1 and mat2 to have the same dtype"
    r"|Input type \(.*\) and (?:weight|bias) type \(.*\) should be the same"
    r"|to have the same dtype, but got|should have the same dtype|dtypes match for"
    r"|not implemented for '(?:Half|BFloat16)'|Unsupported dtype|mixed dtype \(CPU\)"
    r"|source and destination dtypes match|must have the same dtype|dtype mismatch: |have the same data ?type"
)

DEVICE: tuple[Entry, ...] = (
    Entry(
        "cuda_out_of_memory",
        "The graphics memory ran out while sample images were made, not in a training step. Make "
        "the samples smaller or fewer, or leave them out.",
        (raised(_CUDA_MEMORY, phases=(Phase.SAMPLING,)),),
        cures=(NO_SAMPLES,),
        device="cuda",
    ),
    Entry(
        "cuda_out_of_memory",
        "The graphics memory ran out. Turn on gradient checkpointing and cached latents, use batch "
        "size 1 or a smaller resolution, and close other programs on the device.",
        (said(_CUDA_MEMORY),),
        cures=CUDA_MEMORY,
        device="cuda",
    ),
    Entry(
        "mps_out_of_memory",
        "The memory that the Mac lets its GPU use ran out. Use batch size 1, gradient "
        "checkpointing and cached latents, and close other programs.",
        (
            said(
                r"MPS backend out of memory|Invalid buffer size: \d|Insufficient Memory \(0+8"
                r"|kIOGPUCommandBufferCallbackErrorOutOfMemory"
            ),
        ),
        cures=MPS_MEMORY,
        device="mps",
    ),
    Entry(
        "mps_watermark_ratio",
        "PYTORCH_MPS_HIGH_WATERMARK_RATIO is below the low ratio. Unset it, or set "
        "PYTORCH_MPS_LOW_WATERMARK_RATIO to the same value or less.",
        (said(r"invalid (?:low|high) watermark ratio"),),
        cures=(cure("env.PYTORCH_MPS_LOW_WATERMARK_RATIO=0.0"),),
        device="mps",
    ),
    Entry(
        "shared_memory_exhausted",
        "The data loader's workers ran out of shared memory (/dev/shm). Use no workers, or give "
        "the container more with --shm-size.",
        (
            said(
                r"killed by signal: Bus error|out of shared memory|unable to (?:open|allocate|mmap)"
                r".{0,20}shared memory|insufficient shared memory|/torch_\d+_\d+"
            ),
        ),
        cures=NO_WORKERS,
    ),
    Entry(
        "dataloader_worker_killed",
        "A worker of the data loader was killed, most likely because main memory ran out. Use "
        "fewer workers or none.",
        (said(r"DataLoader worker \(pid.{0,80}(?:is killed by signal|exited unexpectedly)"),),
        cures=NO_WORKERS,
    ),
    Entry(
        "host_out_of_memory",
        "The computer's main memory ran out. Close other programs, use fewer data loader workers "
        "or a half-precision base model, and add swap.",
        (
            said(
                r"DefaultCPUAllocator|^(?:\w+\.)*(?:_Array)?MemoryError\b|Cannot allocate memory"
                r"|WinError 1455|paging file is too small|bad_alloc|oom-kill|oom_kill"
                r"|failed to map segment from shared object(?!: Operation)"
                r"|not enough memory: you tried|Unable to allocate [\d.]+ [KMGT]iB|\[Errno 12\]"
                r"|exit status 3221225477|exit status -1073741819"
            ),
        ),
        cures=HOST_MEMORY,
        hints=((CUDA, "With --lowram models are loaded into the GPU's memory."),),
    ),
    Entry(
        "nan_latents",
        "The VAE turned an image into not-a-number: it overflows in half precision, or the image "
        "is broken. Keep the VAE in full precision and look at the image that is named.",
        (
            raised(r"NaN detected in (?:latents|text encoder outputs)"),
            warned(r"NaN found in latents"),
        ),
        cures=(FULL_VAE,),
    ),
    Entry(
        "fp16_unsupported",
        "This device or this version of accelerate cannot train in fp16. Set mixed precision to "
        "no; on an NVIDIA card see whether torch is a CPU build.",
        (
            said(
                r"fp16 mixed precision (?:requires|with)|FP16 Mixed precision training .* can only"
            ),
        ),
        cures=(FULL_PRECISION,),
    ),
    Entry(
        "bf16_unsupported",
        "This device or this version of accelerate cannot train in bf16. Use fp16 on an older "
        "NVIDIA card and no mixed precision on a Mac or a CPU.",
        (
            said(
                r"bf16 mixed precision (?:requires|with)|doesn't support bf16"
                r"|BFloat16 is not supported on MPS|does not support bfloat16"
            ),
        ),
        cures=(cure("mixed_precision=fp16", "full_bf16=false"), FULL_PRECISION),
    ),
    Entry(
        "gpu_id_invalid",
        "The training was sent to a GPU that is not there. Set gpu_ids to 0 or all and look at "
        "CUDA_VISIBLE_DEVICES.",
        (
            said(
                r"torch\.cuda\.is_available\(\) should be True|invalid device ordinal"
                r"|No CUDA GPUs are available|Invalid device id|invalid device id"
            ),
        ),
        cures=(cure("accelerate.gpu_ids=0", only_with=("accelerate.gpu_ids",)),),
    ),
    Entry(
        "cuda_not_compiled",
        "Something asked for CUDA and this torch has none. Use the AdamW optimizer, no xformers "
        "and no validation split on a Mac or CPU; on NVIDIA install a CUDA build of torch.",
        (
            said(
                r"Torch not compiled with CUDA enabled|not compiled with CUDA|not linked with CUDA"
                r"|Attempting to deserialize object on a CUDA device"
                r"|Found no NVIDIA driver|Cannot get CUDA generator without ATen_cuda"
            ),
        ),
        cures=(
            cure("xformers=false", "sdpa=true", only_with=("xformers",)),
            cure("optimizer_type=AdamW", "use_8bit_adam=false"),
            cure("validation_split=false", only_with=("validation_split",)),
        ),
    ),
    Entry(
        "mps_float64",
        "The Mac's GPU has no 64-bit floats and something asked for them. Update torch, or use "
        "another optimizer or scheduler.",
        (
            said(
                r"Cannot convert a MPS Tensor to float64|MPS framework doesn't support float64"
                r"|convert Double to the MPS backend"
            ),
        ),
        cures=(cure("optimizer_type=AdamW"),),
        device="mps",
    ),
    Entry(
        "mps_operator_missing",
        "Torch lacks an operator on the Mac's GPU. Set PYTORCH_ENABLE_MPS_FALLBACK=1 in the "
        "environment, so that this operator runs on the CPU.",
        (
            said(
                r"not (?:currently )?implemented for the MPS device|for 'MPS'$"
                r"|not (?:currently )?supported on the MPS backend|PYTORCH_ENABLE_MPS_FALLBACK"
            ),
        ),
        cures=(cure("env.PYTORCH_ENABLE_MPS_FALLBACK=1"),),
        device="mps",
    ),
    Entry(
        "xformers_mismatch",
        "xformers was built for another torch or without CUDA. Use --sdpa, which is part of torch.",
        (
            said(
                r"No operator found for `?memory_efficient_attention|xFormers was(?:n't| not) build"
                r"|No such operator xformers::|xFormers can't load C\+\+/CUDA extensions"
                r"|xformers.{0,80}(?:DLL load failed|undefined symbol)"
            ),
        ),
        cures=(SDPA,),
    ),
    Entry(
        "gpu_architecture_unsupported",
        "This build of torch has no code for this graphics card. Install a torch for a newer CUDA "
        "(cu128 and torch 2.7 for RTX 50 cards) and use --sdpa instead of xformers.",
        (said(r"no kernel image is available|sm_\d+ is not compatible|cudaErrorNoKernelImage"),),
        cures=(cure("sdpa=true", "xformers=false", only_with=("xformers",)),),
        device="cuda",
    ),
    Entry(
        "nccl_error",
        "The GPUs could not talk to each other. Train on one GPU, or set NCCL_P2P_DISABLE=1.",
        (
            said(
                r"NCCL error|NCCL Error|nccl(?:Internal|System|Unhandled|Remote|Invalid)\w*"
                r"|Watchdog caught collective operation timeout|DistBackendError|NCCL watchdog"
            ),
        ),
        cures=(cure("env.NCCL_P2P_DISABLE=1"), ONE_PROCESS),
        device="cuda",
    ),
    Entry(
        "cuda_device_assert",
        "A GPU kernel got an index out of range. Look at min_timestep, max_timestep and the "
        "tokenizer, and run again with CUDA_LAUNCH_BLOCKING=1 to see where.",
        (said(r"device-side assert triggered|Assertion .{0,200}(?:out of bounds|failed\.?$)"),),
        device="cuda",
    ),
    Entry(
        "cuda_hardware_error",
        "The graphics card or its driver failed. Update the driver, take back overclocking, lower "
        "the power limit and watch the temperature.",
        (
            said(
                r"CUDA error: (?:an )?(?:illegal|unspecified|misaligned|uncorrectable|unknown"
                r"|hardware|the launch timed out|launch)|CU(?:DNN|BLAS)_STATUS_(?:EXECUTION_FAILED"
                r"|INTERNAL_ERROR|MAPPING_ERROR)|cudaErrorLaunchFailure|GPU is lost"
                r"|Unable to determine the device handle|cudaErrorIllegal"
            ),
        ),
        device="cuda",
    ),
    Entry(
        "fp16_unscale",
        "The parameters themselves are fp16, which the gradient scaler refuses. Drop full_fp16.",
        (said(r"Attempting to unscale FP16 gradients"),),
        cures=(
            cure("full_fp16=false", only_with=("full_fp16",)),
            cure("mixed_precision=bf16"),
            FULL_PRECISION,
        ),
        hints=((CUDA, "A card of the 30 series or newer can train in bf16."),),
    ),
    Entry(
        "bitsandbytes_cuda_mismatch",
        "bitsandbytes does not fit the installed CUDA, or there is none. Use the AdamW optimizer.",
        (
            said(
                r"CUDA Setup failed despite|libcudart\S* ?(?:not found|: cannot open)"
                r"|libcudart\.so|libbitsandbytes_\w+|compiled without GPU support"
                rf"|bitsandbytes.{{0,120}}undefined symbol|undefined symbol: c\w+|{_BITSANDBYTES_SYMBOLS}"
            ),
            raised(r"'WindowsPath' is not iterable"),
        ),
        cures=(ADAMW,),
        hints=((CUDA, "Or reinstall bitsandbytes for this CUDA."),),
    ),
    Entry(
        "dtype_mismatch",
        "Parts of the model are in different precisions, or half precision runs on a CPU. Make the "
        "precision flags agree; on a CPU or a Mac use mixed precision no.",
        (said(_DTYPES),),
        cures=(FULL_PRECISION,),
    ),
)
