"""Run sd-scripts' own train_network.py with stand-in networks, so that a step takes milliseconds.

Dataset, arithmetic, loop, saving, states and console are the trainer's; only text encoder, VAE,
U-Net, tokenizer and loss are replaced. Works with v0.9.1 and with v0.10. Needs an interpreter with
sd-scripts' requirements.

    SD_SCRIPTS=<checkout> <its python> scripts/real_loop.py <flags of train_network.py>

LOOP_SLEEP: seconds that a step takes longer.
"""

from __future__ import annotations

import os
import sys
import time
from types import SimpleNamespace
from typing import Any


def define_missing_operators() -> Any:
    """A torchvision built for another torch cannot be imported without its two operators."""
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
        for module in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[module]
        return library
    return None


def main() -> None:
    keep_alive = define_missing_operators()
    sys.path.insert(0, os.environ["SD_SCRIPTS"])
    import accelerate
    import torch
    import train_network
    from library import train_util
    from torch import nn

    try:
        from library import strategy_base
    except ImportError:  # v0.9
        strategy_base = None

    class CLIPMLP(nn.Module):  # the class name that networks.lora looks for
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(4, 4)

    class Body(nn.Module):
        """Enough of a text encoder, VAE and U-Net for the loop to hold it."""

        def __init__(self, part: nn.Module) -> None:
            super().__init__()
            self.part = part
            self.first, self.second, self.third = (nn.Parameter(torch.zeros(1)) for _ in "123")

        @property
        def device(self) -> torch.device:
            return self.first.device

        @property
        def dtype(self) -> torch.dtype:
            return self.first.dtype

    class Vae(Body):
        def set_use_memory_efficient_attention_xformers(
            self, wanted: bool
        ) -> None:  # v0.9 asks always
            pass

        def encode(self, images: torch.Tensor) -> Any:
            latents = nn.functional.avg_pool2d(images, 8)[:, [0, 1, 2, 0]]
            return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: latents))

    class Transformer2DModel(CLIPMLP):
        pass

    class Tokens(strategy_base.TokenizeStrategy if strategy_base else object):  # type: ignore[misc]
        """The strategy of v0.10, the tokenizer of v0.9."""

        model_max_length = 77

        def tokenize(self, text: Any) -> list[torch.Tensor]:
            return [torch.zeros(1, 77, dtype=torch.long)]

        def __call__(self, text: Any, **named: Any) -> Any:
            return SimpleNamespace(input_ids=torch.zeros(1, 77, dtype=torch.long))

    def load_target_model(self: Any, args: Any, dtype: Any, accelerator: Any) -> Any:
        return "sd_v1", Body(CLIPMLP()), Vae(nn.Identity()), Body(Transformer2DModel())

    def process_batch(self: Any, batch: Any, *rest: Any, **named: Any) -> torch.Tensor:
        time.sleep(float(os.environ.get("LOOP_SLEEP", "0")))
        network = rest[2]
        weights = [p for p in network.parameters() if p.requires_grad]
        return sum((p * p).sum() for p in weights) + len(batch["captions"]) * 0.0

    def text_cond(self: Any, args: Any, accelerator: Any, batch: Any, *rest: Any) -> Any:
        """v0.9 has no step to replace: its parts are. The loss is the same."""
        time.sleep(float(os.environ.get("LOOP_SLEEP", "0")))
        return rest[1][0]

    def call_unet(self: Any, args: Any, accelerator: Any, unet: Any, noisy: Any, *rest: Any) -> Any:
        bodies = (accelerator.unwrap_model(unet), accelerator.unwrap_model(rest[1]))
        loras = [getattr(body.part.fc1.forward, "__self__", None) for body in bodies]
        weights = [
            p
            for lora in loras
            if isinstance(lora, nn.Module)
            for p in lora.parameters()
            if p.requires_grad
        ]
        return noisy.detach() * 0.0 + sum((p * p).sum() for p in weights)

    class Pipeline:  # draws nothing: the files alone are counted
        def __init__(self, **parts: Any) -> None:
            pass

        def to(self, device: Any) -> None:
            pass

    def sample_image_inference(*given: Any, **named: Any) -> None:
        folder, prompt, epoch, steps = given[3:7]
        when = f"e{epoch:06d}" if epoch is not None else f"{steps:06d}"
        open(f"{folder}/{when}_{prompt['enum']:02d}.png", "w").close()  # noqa: PTH123

    prepare_model = accelerate.Accelerator.prepare_model

    def prepare_trained(self: Any, model: Any, *more: Any, **named: Any) -> Any:
        """On a GPU accelerate itself leaves frozen models out of DistributedDataParallel; on CPU it fails."""
        frozen = not any(weight.requires_grad for weight in model.parameters())
        return model if frozen else prepare_model(self, model, *more, **named)

    accelerate.Accelerator.prepare_model = prepare_trained
    train_util.StableDiffusionLongPromptWeightingPipeline = Pipeline
    train_util.sample_image_inference = sample_image_inference
    trainer = train_network.NetworkTrainer
    trainer.load_target_model = load_target_model
    if hasattr(trainer, "process_batch"):
        trainer.process_batch = process_batch
        trainer.get_tokenize_strategy = lambda self, args: Tokens()
        trainer.get_tokenizers = lambda self, strategy: [None]
    else:
        trainer.load_tokenizer = lambda self, args: Tokens()
        trainer.get_text_cond, trainer.call_unet = text_cond, call_unet
        train_util.conditional_loss = lambda prediction, target, *rest, **named: prediction
    parser = train_network.setup_parser()
    args = parser.parse_args()
    train_util.verify_command_line_training_args(args)
    trainer().train(train_util.read_config_from_file(args, parser))
    del keep_alive


if __name__ == "__main__":
    main()
