"""How much memory a LoRA training needs on its device, as a range. Pure.

Weights, LoRA and optimizer are counted; activations are those of sd-scripts' own models
(`scripts/memory_figures.py`); a part for CUDA, libraries and fragmentation is estimated. The figures, and the
published measurements that the range is checked against, are in `memory.toml`.

On the device, in sd-scripts main 48d368fa (train_network.py and the scripts of each model): the U-Net or
transformer in the precision of --mixed_precision, in fp8 with --fp8_base or
--fp8_base_unet, without the blocks of --blocks_to_swap. Text encoders are on it unless their outputs are
cached, the VAE unless latents are. Both are on it once while their outputs are cached; the transformer is
not, then. LoRA weights and gradients are float32 without --full_fp16 or --full_bf16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runner.config.flags import whole
from runner.trainers.sd_scripts.file_sizes import (
    conv_rank,
    network_args,
    numbers_of,
    optimizer_name,
    rank_of,
    ranked_layers,
)
from runner.trainers.sd_scripts.memory_figures import Figures, figures_of, states_of

GB = 10**9
Flags = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """What is trained. `kind`: a key of memory.toml; `pixels`: of the largest images; `batch`: of the largest
    batch; `numbers`: of the trained model as counted in its file, None if not read; `small_encoders`: the
    files of text encoders are in fp8, None if not read."""

    kind: str
    flags: Flags
    pixels: int
    batch: int
    numbers: int | None = None
    on_gpu: bool = True
    small_encoders: bool | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of one part, from `low` to `high`."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Need:
    """`certain_bytes`: of weights and optimizer alone. `parts`: of the fullest moment. `when`: that moment."""

    low_bytes: int
    high_bytes: int
    certain_bytes: int
    parts: tuple[Part, ...]
    when: str = "training"


def memory_need(load: Load) -> Need | None:
    """None: unknown architecture, or flags that change too much."""
    figures = figures_of(load.kind, load.numbers)
    if figures is None or load.flags.get("deepspeed"):
        return None
    if load.numbers is not None:
        figures = replace(figures, numbers=load.numbers / 1e6)
    phases = (_training(load, figures), *_caching(load, figures), *_sampling(load, figures))
    when, parts = max(phases, key=lambda phase: sum(part.high for part in phase[1]))
    certain = sum(part.low for part in phases[0][1] if part.name in _CERTAIN)
    lows = [sum(part.low for part in parts) for _, parts in phases]
    high = sum(part.high for part in parts)
    return Need(int(max(lows)), int(high), int(certain), parts, when)


MODEL, ENCODERS, VAE, LORA = "model", "text encoders", "VAE", "LoRA and optimizer"
ACTIVATIONS, REST = "activations", "CUDA and libraries"
_CERTAIN = (MODEL, ENCODERS, VAE, LORA)
Phase = tuple[str, tuple[Part, ...]]


def _training(load: Load, figures: Figures) -> Phase:
    flags, item = load.flags, item_bytes(load)
    model = _resident(load, figures)
    encoders = 0.0 if flags.get("cache_text_encoder_outputs") else sum(_encoders(load, figures))
    vae = 0.0 if _cached_latents(flags) else figures.vae * 1e6 * _vae_item(load)
    low, high = _activations(load, figures, item)
    if not _cached_latents(flags):  # the images are encoded before the step
        encode_low, encode_high = _vae_work(load, load.batch)
        low, high = max(low, encode_low), max(high, encode_high)
    return "training", (
        Part(MODEL, model, model),
        Part(ENCODERS, encoders, encoders),
        Part(VAE, vae, vae),
        Part(LORA, *_lora(load, figures)),
        Part(ACTIVATIONS, low, high),
        _rest(load, model + encoders, high),
    )


def item_bytes(load: Load) -> int:
    """Of a weight of the base model."""
    return 2 if load.flags.get("mixed_precision") in ("fp16", "bf16") else 4


def fp8(load: Load, figures: Figures) -> bool:
    return bool(
        figures.fp8 and any(load.flags.get(n) for n in ("fp8_base", "fp8_base_unet", "fp8_scaled"))
    )


def _resident(load: Load, figures: Figures) -> float:
    """Of the trained model; two swapped blocks are on the device at any time."""
    each = 1 if fp8(load, figures) else item_bytes(load)
    swapped = whole(load.flags, "blocks_to_swap") or 0
    if load.flags.get("split_mode") and not swapped:
        swapped = 18  # as sd-scripts sets it
    gone = min(max(0, swapped - 1) * figures.block, 0.95 * figures.numbers)
    return (figures.numbers - gone) * 1e6 * each


def _encoders(load: Load, figures: Figures) -> Iterator[float]:
    small = fp8(load, figures) and not load.flags.get("fp8_base_unet")
    for numbers in figures.encoders:
        yield numbers * 1e6 * (1 if small else item_bytes(load))


def _vae_item(load: Load) -> int:
    return 4 if load.flags.get("no_half_vae") else item_bytes(load)


def _cached_latents(flags: Flags) -> bool:
    return bool(flags.get("cache_latents") or flags.get("cache_latents_to_disk"))


def _lora(load: Load, figures: Figures) -> tuple[float, float]:
    """Weights, gradients, the optimizer's state, and the copies that autocast keeps."""
    flags = load.flags
    item = 2 if flags.get("full_fp16") or flags.get("full_bf16") else 4
    states = states_of(optimizer_name(flags))
    copies = 2 if item == 4 and item_bytes(load) == 2 else 0
    low, high = trained_numbers(load, figures)
    # states of 4 bytes a number are kept in the precision of the LoRA
    scale = item / 4
    return low * (2 * item + states[0] * scale + copies), high * (
        2 * item + states[1] * scale + copies
    )


def trained_numbers(load: Load, figures: Figures) -> tuple[float, float]:
    """Exact for sd-scripts' own LoRA; for another network module, or ranks by block, up to twice that."""
    flags = load.flags
    if (ranked := ranked_layers(flags, load.kind)) is not None:
        exact = float(numbers_of(ranked))
        return exact, exact
    rank, conv = rank_of(flags), conv_rank(flags)
    both = figures.lora + (0 if flags.get("network_train_unet_only") else figures.lora_encoders)
    most = both * 1e6 * max(rank, conv or 0)
    if str(flags.get("network_module") or "").startswith("networks."):
        plain = not set(network_args(flags)) - {"verbose", "dropout"}
        return (figures.lora * 1e6 * rank if plain else 0.0), most
    return 0.0, _lycoris(network_args(flags), figures.numbers * 1e6, most)


def _lycoris(arguments: Mapping[str, str], numbers: float, lora: float) -> float:
    """The most numbers that LyCORIS trains (its docs/Algo-Details.md): LoHa and GLoRA twice a LoRA's, LoKr
    the weights divided by the square of its factor at any rank, (IA)3 a row of each layer."""
    match arguments.get("algo", "lora"):
        case "lokr":
            factor = int(text[:9]) if (text := arguments.get("factor", "")).isdecimal() else 7
            return min(lora, numbers / max(factor, 2) ** 2)
        case "ia3" | "diag-oft" | "boft":
            return 0.02 * numbers
        case "full":
            return numbers
        case _:
            return min(2 * lora, numbers)


def _activations(load: Load, figures: Figures, item: int) -> tuple[float, float]:
    flags, saved = load.flags, bool(load.flags.get("gradient_checkpointing"))
    fixed, image, area = figures.checkpointed if saved else figures.plain
    found = fixed + load.batch * (image + area * load.pixels / 1e6)
    found *= GB * item / 2
    if fp8(load, figures):  # a layer computes with a copy in half precision, kept for its gradient
        found += (figures.biggest if saved else figures.numbers) * 1e6 * 2
    low, high = found * _LEAST, found * _MOST
    if not _small_attention(load):
        rows = load.pixels / figures.area
        matrix = load.batch * figures.heads * rows * rows * item
        low, high = low + matrix, high + matrix * (3 if saved else 12)
    if not flags.get("cache_text_encoder_outputs") and not flags.get("network_train_unet_only"):
        high += load.batch * _ENCODER_IMAGE * item / 2
    return low, high


#: kernels save a little more or less than the models' code says
_LEAST, _MOST = 0.85, 1.25
#: of trained text encoders, an image
_ENCODER_IMAGE = 0.35 * GB


def _small_attention(load: Load) -> bool:
    """Does attention keep no matrix? The newer models use torch's own by default."""
    asked = any(load.flags.get(name) for name in ("sdpa", "xformers", "mem_eff_attn"))
    return asked or load.kind not in ("sd1", "sd2", "sdxl")


def _rest(load: Load, weights: float, activations: float) -> Part:
    if not load.on_gpu:  # Python, torch and the data loader
        return Part("Python and torch", 1.0 * GB, 3.0 * GB)
    # context, cuBLAS and cuDNN; blocks that the allocator rounds up and keeps
    return Part(REST, 0.45 * GB, 1.5 * GB + 0.05 * weights + 0.1 * activations)


def _vae_work(load: Load, images: int) -> tuple[float, float]:
    """The VAE's own activations, without gradients: three layers of 128 channels at full size, and its
    attention, which torch computes with a matrix in float32."""
    pixels, item = load.pixels, _vae_item(load)
    layers = 3 * 128 * pixels * item
    return images * layers * 0.7, images * (layers * 1.5 + (pixels / 64) ** 2 * 4)


def _caching(load: Load, figures: Figures) -> Iterator[Phase]:
    flags, work = load.flags, Part(ACTIVATIONS, 0.05 * GB, 0.5 * GB)
    if _cached_latents(flags):
        batch = whole(flags, "vae_batch_size") or 1
        part = Part(ACTIVATIONS, *_vae_work(load, batch))
        own = figures.vae * 1e6 * _vae_item(load)
        yield "caching latents", (Part(VAE, own, own), part, _rest(load, own, part.high))
    if flags.get("cache_text_encoder_outputs"):
        # with --fp8_base they are as their files are, and often in half precision
        own = sum(_encoders(load, figures))
        large = own if load.small_encoders else sum(figures.encoders) * 1e6 * item_bytes(load)
        least = large if load.small_encoders is False else own
        yield (
            "caching text encoder outputs",
            (Part(ENCODERS, least, large), work, _rest(load, own, 0)),
        )


def _sampling(load: Load, figures: Figures) -> Iterator[Phase]:
    """The VAE decodes next to everything else, twice as many layers as it encodes with."""
    flags = load.flags
    if not flags.get("sample_prompts"):
        return
    _, parts = _training(load, figures)
    low, high = _vae_work(load, 1)
    own = figures.vae * 1e6 * _vae_item(load)
    kept = tuple(part for part in parts if part.name in (MODEL, ENCODERS, LORA))
    work = Part(ACTIVATIONS, low, 1.5 * high)
    rest = _rest(load, sum(part.high for part in kept), work.high)
    yield "drawing samples", (*kept, Part(VAE, own, own), work, rest)
