"""Groups the tensors of a weights file into modules and network blocks. Pure.

Names as sd-scripts writes them (networks/lora*.py: `lora_unet_down_blocks_0_..._proj_in.lora_down.weight`,
`lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha`), those of diffusers and PEFT (`lora_A`, `lora_B`) and
those of full models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.files.header import Tensor

#: kohya, PEFT (an adapter's name may follow), and diffusers before and after it used PEFT
_DOWN = re.compile(
    r"^(?P<module>.+?)(?:\.lora_down|\.lora_A(?:\.\w+)?|[._]lora(?:_linear_layer)?\.down)\.weight$"
)
_UP = re.compile(
    r"^(?P<module>.+?)(?:\.lora_up|\.lora_B(?:\.\w+)?|[._]lora(?:_linear_layer)?\.up)\.weight$"
)
#: LyCORIS: LoHa (`hada_w1_a`), LoKr (`lokr_w2`), the core of a Tucker decomposition (`hada_t1`, `lora_mid`)
_FACTOR = re.compile(
    r"^(?P<module>.+)\.(?P<factor>lora_mid|hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2))"
    r"(?:\.weight)?$"
)
_ALPHA = re.compile(r"^(?P<module>.+)\.alpha$")
#: part of a module by any other method, after the module's own name
_PART = re.compile(
    r"^(?P<module>.+?)\.(?:hada_|lokr_|oft_|ia3|dora_scale|diff|w_norm|b_norm|on_input|scalar$|"
    r"lora_down|lora_up|lora_A|lora_B)"
)
#: a DoRA scale is as large as the base weight itself: it would hide what was learned
_NOT_COUNTED = re.compile(r"\.(?:dora_scale|lora_magnitude_vector)\b")


@dataclass(slots=True)
class Module:
    """Tensors of one layer. `down` and `up`: the two halves of a LoRA module; `factors`: those of LyCORIS, by
    name; `others`: other tensors that count for its norm; `silent`: checked, but not counted."""

    name: str
    down: Tensor | None = None
    up: Tensor | None = None
    alpha: Tensor | None = None
    factors: dict[str, Tensor] = field(default_factory=dict)
    others: list[Tensor] = field(default_factory=list)
    silent: list[Tensor] = field(default_factory=list)

    @property
    def is_lora(self) -> bool:
        """Up times down, nothing between: sd-scripts' key norm can be computed."""
        down, up = self.down, self.up
        if down is None or up is None or self.others or self.factors:
            return False
        if len(down.shape) < 2 or len(up.shape) < 2 or not down.items or not up.items:
            return False
        return down.shape[0] * up.shape[0] == up.items

    @property
    def flaw(self) -> str | None:
        """Why no program can load this module; None: nothing seen."""
        down, up = self.down, self.up
        if down is None and up is None:
            return None
        if down is None or up is None:
            return f"{self.name} has no {'lora_down' if down is None else 'lora_up'}"
        ranks = down.shape[:1], up.shape[1:2]
        if not self.factors and ranks[0] != ranks[1]:
            of_down, of_up = ("".join(map(str, rank)) or "none" for rank in ranks)
            return f"{self.name} has rank {of_down} in lora_down, {of_up} in lora_up"
        return None

    @property
    def adds(self) -> bool:
        """Is all of it added to a base weight, as a product?"""
        return self.is_lora or (bool(self.factors) and not self.others)

    @property
    def rank(self) -> int | None:
        """Of LoKr, None if neither half is decomposed."""
        names = ("hada_w1_b", "lokr_w1_b", "lokr_w2_b")
        halves = (self.down, *(self.factors.get(name) for name in names))
        return next((one.shape[0] for one in halves if one is not None and one.shape), None)


def modules_of(tensors: Iterable[Tensor]) -> list[Module]:
    """The modules in the order of their first bytes."""
    found: dict[str, Module] = {}

    def module(name: str) -> Module:
        return found.setdefault(name, Module(name))

    for tensor in tensors:
        name = tensor.name
        if m := _DOWN.match(name):
            module(m["module"]).down = tensor
        elif m := _UP.match(name):
            module(m["module"]).up = tensor
        elif m := _ALPHA.match(name):
            module(m["module"]).alpha = tensor
        elif m := _FACTOR.match(name):
            module(m["module"]).factors[m["factor"]] = tensor
        else:
            part = _PART.match(name)
            owner = module(part["module"] if part else name.rpartition(".")[0] or name)
            silent = _NOT_COUNTED.search(name)
            (owner.silent if silent else owner.others).append(tensor)
    return list(found.values())


# --------------------------------------------------------------------------- blocks

_PREFIX = re.compile(
    r"^(?:base_model_model_|model_diffusion_model_|diffusion_model_|lora_unet_|lora_transformer_|"
    r"lora_|lycoris_|oft_unet_|oft_|unet_|transformer_|model_)"
)
_TEXT = re.compile(
    r"^(?:base_model_model_)?(?:lora_|lycoris_|oft_)?"
    r"(?:te(?P<n>\d*)(?=_)|text_encoders?(?:_(?P<m>\d+))?(?=_|$)|text_model(?=_)|cond_stage_model(?=_)"
    r"|conditioner_embedders_(?P<c>\d+))"
)
#: few enough blocks to give each a line (SD 1.5: 3 + 3, SDXL: 4 + 6 with weights);
#: the 57 blocks of FLUX are grouped by kind
_NUMBERED = re.compile(
    r"^(?P<kind>down_blocks|up_blocks|input_blocks|output_blocks)_(?P<n>\d+)(?:_|$)"
)
_MIDDLE = re.compile(r"^(?P<kind>mid_block|middle_block)(?:_|$)")


def block_of(module: str) -> str:
    """`text encoder`, `down_blocks_0`, `mid_block`, `input_blocks_4`, `double_blocks`, ..."""
    flat = module.replace(".", "_")
    if found := _TEXT.match(flat):
        number = found["n"] or found["m"]
        if found["c"]:
            number = str(int(found["c"]) + 1)
        return f"text encoder {number}" if number else "text encoder"
    if flat.startswith("first_stage_model_"):
        return "VAE"
    bare, before = flat, ""
    while bare != before:
        before, bare = bare, _PREFIX.sub("", bare)
    if found := _NUMBERED.match(bare):
        return f"{found['kind']}_{found['n']}"
    if found := _MIDDLE.match(bare):
        return found["kind"]
    return _first_words(bare)


def _first_words(name: str) -> str:
    """Up to the first number, `joint_blocks` of `joint_blocks_3_attn`; without one, the first two
    words, as in `time_embed`."""
    words = [word for word in name.split("_") if word]
    for at, word in enumerate(words):
        if word.isdigit():
            return "_".join(words[:at]) or name
    return "_".join(words[:2]) or name


# --------------------------------------------------------------------------- rank and alpha


def rank_of(modules: Iterable[Module], metadata: Mapping[str, str]) -> int | None:
    """ss_network_dim, else the rank that most modules have."""
    told = _number(metadata.get("ss_network_dim"))
    if told is not None and told >= 1:
        return int(told)
    ranks = Counter(rank for m in modules if (rank := m.rank) is not None and (m.up or m.factors))
    return ranks.most_common(1)[0][0] if ranks else None


def alpha_of(values: Iterable[float], metadata: Mapping[str, str]) -> float | None:
    """ss_network_alpha, else the alpha that most modules have."""
    told = _number(metadata.get("ss_network_alpha"))
    if told is not None:
        return told
    common = Counter(values).most_common(1)
    return common[0][0] if common else None


def _number(text: str | None) -> float | None:
    """sd-scripts writes numbers as text, and None as "None"."""
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 1e9 else None
