"""Sample images during training: prompts from a file, drawn by the network being trained.

File names, log lines and the prompt file's options follow sd-scripts (train_util.py v0.10).
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from runner.embedded.base import BaseModel
from runner.embedded.chance import own_chance
from runner.embedded.denoiser import CHANNELS
from runner.embedded.noise import TIMESTEPS
from runner.embedded.pixels import SCALE, to_image
from runner.embedded.text import pad_tokens, tokenize

logger = logging.getLogger(__name__)

#: ` --w 256` and similar options after a prompt: letter, key, type.
OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "w": ("width", int),
    "h": ("height", int),
    "d": ("seed", int),
    "s": ("sample_steps", lambda text: max(1, min(1000, int(text)))),
    "l": ("scale", float),
    "n": ("negative_prompt", str),
    "ss": ("sample_sampler", str),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """`width` and `height` in pixels; `seed` None: a different picture every time."""

    prompt: str = ""
    negative_prompt: str | None = None
    width: int = 512
    height: int = 512
    sample_steps: int = 30
    scale: float = 7.5
    seed: int | None = None
    sample_sampler: str | None = None


def is_due(args: Any, epoch: int | None, step: int) -> bool:
    """`epoch` is None within an epoch and counts from 1 at its end. With sample_every_n_epochs,
    sample_every_n_steps is ignored."""
    if step == 0:
        return bool(args.sample_at_first)
    every_epochs, every_steps = args.sample_every_n_epochs, args.sample_every_n_steps
    if every_epochs and every_epochs > 0:
        return epoch is not None and epoch % every_epochs == 0
    return bool(every_steps and every_steps > 0) and epoch is None and step % every_steps == 0


def read_prompts(path: Path) -> list[Prompt]:
    """Prompts of a .txt (one a line, `#` comments), .toml ([prompt] with [[prompt.subset]]) or
    .json file (a list)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        shared = tomllib.loads(text)["prompt"]
        subsets = shared.pop("subset")
        return [_prompt({**shared, **subset}) for subset in subsets]
    if path.suffix == ".json":
        return [_prompt(e) if isinstance(e, dict) else parse_prompt(e) for e in json.loads(text)]
    lines = [line.strip() for line in text.splitlines() if not line.startswith("#")]
    return [parse_prompt(line) for line in lines if line]


def parse_prompt(line: str) -> Prompt:
    """`a red fox --w 256 --h 256 --d 1`: unknown options are ignored."""
    first, *rest = line.split(" --")
    values: dict[str, Any] = {"prompt": first}
    for part in rest:
        match = re.match(r"([a-z]+) (.+)", part, re.IGNORECASE)
        name, kind = OPTIONS.get(match.group(1).lower() if match else "", ("", str))
        if match is None or not name:
            continue
        try:
            values[name] = kind(match.group(2).strip())
        except ValueError as error:
            logger.error("Exception in parsing / 解析エラー: %s", part)
            logger.error(error)
    return Prompt(**values)


def _prompt(entry: dict[str, Any]) -> Prompt:
    return Prompt(**{key: value for key, value in entry.items() if key in Prompt.__slots__})


class Sampler:
    """Draws all prompts when a step or an epoch is due."""

    def __init__(self, accelerator: Any, model: BaseModel, alphas: torch.Tensor, args: Any) -> None:
        self.accelerator = accelerator
        self.model = model
        self.alphas = alphas
        self.args = args

    def sample(self, epoch: int | None, step: int) -> None:
        """Draw when due. A missing prompt file only logs an error; no file setting raises TypeError, as in
        sd-scripts."""
        if not is_due(self.args, epoch, step):
            return
        logger.info("")
        logger.info("generating sample images at step / サンプル画像生成 ステップ: %d", step)
        if not os.path.isfile(self.args.sample_prompts):  # noqa: PTH113 - None is a TypeError here
            logger.error(
                "No prompt file / プロンプトファイルがありません: %s", self.args.sample_prompts
            )
            return
        path = Path(self.args.sample_prompts)
        folder = Path(self.args.output_dir) / "sample"
        folder.mkdir(parents=True, exist_ok=True)
        mine = list(enumerate(read_prompts(path)))[
            self.accelerator.process_index :: self.accelerator.num_processes
        ]
        with own_chance(), torch.no_grad():
            for number, prompt in mine:
                self._draw_one(prompt, folder, self._stem(epoch, step, number, prompt.seed))

    def _stem(self, epoch: int | None, step: int, number: int, seed: int | None) -> str:
        name = f"{self.args.output_name}_" if self.args.output_name else ""
        when = f"{step:06d}" if epoch is None else f"e{epoch:06d}"
        end = "" if seed is None else f"_{seed}"
        return f"{name}{when}_{number:02d}_{time.strftime('%Y%m%d%H%M%S')}{end}"

    def _draw_one(self, prompt: Prompt, folder: Path, stem: str) -> None:
        if prompt.seed is None:
            torch.seed()
        else:
            torch.manual_seed(prompt.seed)
        height = max(64, prompt.height - prompt.height % 8)
        width = max(64, prompt.width - prompt.width % 8)
        for line in (
            f"prompt: {prompt.prompt}",
            f"negative_prompt: {prompt.negative_prompt}",
            f"height: {height}",
            f"width: {width}",
            f"sample_steps: {prompt.sample_steps}",
            f"scale: {prompt.scale}",
            f"sample_sampler: {prompt.sample_sampler or self.args.sample_sampler}",
        ):
            logger.info(line)
        if prompt.seed is not None:
            logger.info("seed: %d", prompt.seed)
        latents = self._denoise(prompt, width // SCALE, height // SCALE)
        to_image(latents[0]).save(folder / f"{stem}.png")

    def _denoise(self, prompt: Prompt, width: int, height: int) -> torch.Tensor:
        """DDIM with classifier-free guidance: (1, CHANNELS, height, width)."""
        device = self.accelerator.device
        context = self._encode(prompt.prompt, device)
        other = self._encode(prompt.negative_prompt or "", device)
        latents = torch.randn(1, CHANNELS, height, width).to(device)
        stride = TIMESTEPS // prompt.sample_steps
        times = [i * stride for i in range(prompt.sample_steps)][::-1]
        for time_now in tqdm(times):
            now = torch.tensor([time_now], device=device)
            left = self.alphas[time_now]
            before = self.alphas[time_now - stride] if time_now >= stride else torch.tensor(1.0)
            with self.accelerator.autocast():
                guess = self.model.unet(latents, now, self.alphas, context)
                if prompt.scale != 1.0:
                    plain = self.model.unet(latents, now, self.alphas, other)
                    guess = plain + prompt.scale * (guess - plain)
            clean = (latents - (1 - left).sqrt() * guess) / left.sqrt()
            latents = before.sqrt() * clean + (1 - before).sqrt() * guess
        return latents

    def _encode(self, text: str, device: Any) -> torch.Tensor:
        tokens = pad_tokens([tokenize(text, self.args.max_token_length)]).to(device)
        return self.model.text_encoder(tokens, self.args.clip_skip)
