"""The program that runs in the trainer's Python; standard library, torch, accelerate and what is asked for."""

from __future__ import annotations

#: Each part is reported even if the next one fails. If accelerate rejects the precision, retry without it to
#: get the device. `Accelerator(mixed_precision=...)` as sd-scripts does it. The packages come last, after a
#: first report: importing a broken one may crash the process. Which GPU code torch has
#: (`_cuda_getArchFlags`) is known without a GPU; `torch.cuda.get_arch_list` hides it then. Packages by their
#: own checks: `xformers._cpp_lib` (0.0.17 and newer), `bitsandbytes.cextension` (0.37 to 0.50).
SOURCE = """
import json, os, platform, sys
report = {"device": None, "problem": None, "torch": None, "accelerate": None}


def tell():
    print("\\x1ePLASMA " + json.dumps(report), flush=True)


def first_lines(error):
    return " ".join(str(error).split())[:300]


def gpus():
    for i in range(torch.cuda.device_count()):
        yield torch.cuda.get_device_properties(i)


def capability(gpu):
    if report["cuda_build"] and not torch.version.cuda:
        return gpu.gcnArchName.split(":")[0]
    return f"{gpu.major}.{gpu.minor}"


def xformers():
    import xformers._cpp_lib as lib
    error = lib._cpp_library_load_exception
    built = lib._build_metadata or getattr(error, "build_info", None)
    found = {"problem": first_lines(error) if error else None}
    if built is not None:
        found["built_torch"] = built.torch_version
        cuda = built.cuda_version
        found["built_cuda"] = f"{cuda // 100}.{cuda % 100}" if cuda else "none"
        found["archs"] = (built.build_env.get("TORCH_CUDA_ARCH_LIST") or "").split()
    if error is None and torch.cuda.is_available():
        found["operators"] = operators(torch.cuda.get_device_capability())
    return found


def operators(cc):
    # versions that know no newest GPU take any
    try:
        from xformers.ops import fmha
        found = [op for op in fmha.ALL_BW_OPS if op.is_available()]
        if not all(hasattr(op, "CUDA_MAXIMUM_COMPUTE_CAPABILITY") for op in found):
            return None
        return [
            op.NAME for op in found
            if op.CUDA_MINIMUM_COMPUTE_CAPABILITY <= cc
            and cc <= (op.CUDA_MAXIMUM_COMPUTE_CAPABILITY or (99, 0))
        ]
    except Exception:
        return None


def bitsandbytes():
    import glob
    import bitsandbytes
    from bitsandbytes import cextension
    lib = getattr(cextension, "lib", None)
    gpu = getattr(lib, "compiled_with_cuda", getattr(cextension, "COMPILED_WITH_CUDA", None))
    why = getattr(lib, "error_msg", None)
    files = glob.glob(os.path.join(os.path.dirname(bitsandbytes.__file__), "libbitsandbytes_*"))
    return {
        "problem": first_lines(why) if isinstance(why, str) else None,
        "gpu": gpu if isinstance(gpu, bool) else None,
        "libraries": sorted(os.path.basename(file) for file in files),
    }


def triton():
    import importlib.metadata, re, shutil
    import triton
    texts = importlib.metadata.requires("torch") or ()
    found = [re.match(r"(?:pytorch-)?triton(?:-rocm|-windows)? ?\\(?==([\\w.]+)", text) for text in texts]
    cc = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    return {"wanted": next((one[1] for one in found if one), None), "compiler": bool(cc)}


def package(name):
    import importlib.metadata
    found = {"version": ""}
    for distribution in (name, name + "-windows", "pytorch-" + name, "pytorch-" + name + "-rocm"):
        try:
            found["version"] = importlib.metadata.version(distribution)
            break
        except importlib.metadata.PackageNotFoundError:
            pass
    try:
        found.update({"xformers": xformers, "bitsandbytes": bitsandbytes, "triton": triton}[name]())
    except BaseException as error:
        found["problem"] = f"{type(error).__name__}: {first_lines(error)}"
    return {key: value for key, value in found.items() if value is not None}


try:
    report["use_cpu"] = os.environ.get("ACCELERATE_USE_CPU")
    report["visible"] = os.environ.get("CUDA_VISIBLE_DEVICES")
    report["macos"] = platform.mac_ver()[0]
    import torch
    report["torch"] = torch.__version__
    report["cuda_build"] = torch.version.cuda or getattr(torch.version, "hip", None)
    report["cuda"] = torch.cuda.is_available()
    report["mps"] = torch.backends.mps.is_available()
    report["mps_built"] = torch.backends.mps.is_built()
    flags = getattr(torch._C, "_cuda_getArchFlags", None) if report["cuda_build"] else None
    report["archs"] = (flags() or "").split() if flags else []
    if report["cuda_build"] and not report["cuda"]:
        try:
            torch._C._cuda_init()
        except Exception as error:
            report["cuda_error"] = first_lines(error)
    import accelerate
    report["accelerate"] = accelerate.__version__
    from accelerate.state import AcceleratorState
    wanted = sys.argv[1]
    try:
        found = accelerate.Accelerator(mixed_precision=wanted)
    except Exception as error:
        if wanted == "no":
            raise
        report["refused"] = str(error)
        AcceleratorState._reset_state(True)
        found = accelerate.Accelerator(mixed_precision="no")
    report["device"] = str(found.device)
    if torch.cuda.is_available() and found.device.type == "cuda":
        report["names"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        report["bf16"] = torch.cuda.is_bf16_supported(including_emulation=False)
    if torch.cuda.is_available():
        report["capabilities"] = [capability(gpu) for gpu in gpus()]
        report["keys"] = [f"GPU-{gpu.uuid}" for gpu in gpus() if hasattr(gpu, "uuid")]
except BaseException as error:
    report["problem"] = f"{type(error).__name__}: {error}"
tell()
names = [name for name in sys.argv[2:] if report["torch"]]
if names:
    report["packages"] = {name: package(name) for name in names}
    tell()
"""
