"""The parts of a training, built from the flags: accelerator, model, network, data loaders."""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch.utils.data import DataLoader

from runner.embedded.base import BaseModel, load_base
from runner.embedded.batches import Collator, DatasetGroup
from runner.embedded.lora import LoRANetwork, create_network
from runner.embedded.optimizer import create_optimizer, create_scheduler
from runner.trainers.sd_scripts.dataset import DatasetPlan

logger = logging.getLogger(__name__)

DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Parts:
    """What is trained, as returned by accelerate. `lr_names`: of the optimizer's groups."""

    network: LoRANetwork
    optimizer: Any
    scheduler: Any
    batches: Any
    validation: Any
    lr_names: list[str]
    optimizer_text: str


def create_accelerator(args: Any) -> Accelerator:
    """Logs its device. TensorBoard is on if logging_dir is set."""
    if "OMP_NUM_THREADS" not in os.environ:
        # the model is so small that a second thread costs more than it gains: 37 against 22 steps
        # a second with one and two threads on two cores
        torch.set_num_threads(1)
    logging_dir = None
    if args.logging_dir is not None:
        stamp = time.strftime("%Y%m%d%H%M%S")
        logging_dir = f"{args.logging_dir}/{args.log_prefix or ''}{stamp}"
    elif args.log_with is not None:
        raise ValueError("logging_dir is required when log_with is tensorboard")
    accelerator = Accelerator(
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        mixed_precision=args.mixed_precision,
        log_with="tensorboard" if logging_dir else None,
        project_dir=logging_dir,
    )
    # one string, one write: two ranks share a pipe, and the pieces of a line would mix
    print(f"accelerator device: {accelerator.device}")
    return accelerator


def start_trackers(args: Any, accelerator: Any) -> None:
    if not accelerator.is_main_process:
        return
    config = None
    if args.log_config:
        plain = (int, float, str, bool)
        hidden = {"output_dir", "logging_dir", "resume", "dataset_config", "train_data_dir"}
        config = {k: v for k, v in vars(args).items() if isinstance(v, plain) and k not in hidden}
    accelerator.init_trackers(args.log_tracker_name or "network_train", config=config)


def load_model(args: Any, accelerator: Any) -> BaseModel:
    for process in range(accelerator.num_processes):
        if process == accelerator.local_process_index:
            logger.info("loading model for process %d/%d", process, accelerator.num_processes)
            model = load_base(args.pretrained_model_name_or_path)
        accelerator.wait_for_everyone()
    for part in (model.unet, model.text_encoder):
        part.requires_grad_(False)
        part.eval()
    return model


def load_network(args: Any, accelerator: Any, model: BaseModel) -> LoRANetwork:
    accelerator.print("import network module:", args.network_module)
    network = create_network(model, args)
    network.apply_to(
        text_encoder=not args.network_train_unet_only,
        unet=not args.network_train_text_encoder_only,
    )
    if args.network_weights is not None:
        info = network.load_weights(args.network_weights)
        accelerator.print(f"load network weights from {args.network_weights}: {info}")
    if args.gradient_checkpointing:
        model.unet.gradient_checkpointing = True
    return network


def check_cacheable(plan: DatasetPlan) -> None:
    if any(s.spec.color_aug or s.spec.random_crop for d in plan.datasets for s in d.subsets):
        raise AssertionError("when caching latents, either color_aug or random_crop cannot be used")


def assemble(
    args: Any,
    accelerator: Any,
    network: LoRANetwork,
    group: DatasetGroup,
    validation: DatasetGroup,
    counters: tuple[Any, Any],
) -> Parts:
    """Optimizer, data loaders and schedule. `counters`: the shared epoch and step. Turns
    max_train_epochs into max_train_steps."""
    accelerator.print("prepare optimizer, data loader etc.")
    text_lrs = args.text_encoder_lr
    groups, lr_names = network.groups(
        text_lrs[0] if text_lrs else None, args.unet_lr, args.learning_rate
    )
    name, options, optimizer = create_optimizer(args, groups)
    # without workers both loaders report the epoch only to the training part, as in sd-scripts
    collator = Collator(*counters, group if _workers(args) == 0 else None)
    batches = _loader(args, group, collator, shuffle=True)
    held_out = _loader(args, validation, collator, shuffle=False)
    if args.max_train_epochs is not None:
        args.max_train_steps = args.max_train_epochs * math.ceil(
            len(batches) / accelerator.num_processes / args.gradient_accumulation_steps
        )
        accelerator.print(
            f"override steps. steps for {args.max_train_epochs} epochs is / "
            f"指定エポックまでのステップ数: {args.max_train_steps}"
        )
    group.set_max_train_steps(args.max_train_steps)
    scheduler = create_scheduler(args, optimizer, accelerator.num_processes)
    _full_precision(args, accelerator, network)
    # not as DistributedDataParallel: its modules hook into the base model and are never called
    network = accelerator.prepare_model(network, evaluation_mode=True)
    if accelerator.num_processes > 1:
        for parameter in network.parameters():
            parameter.data.copy_(broadcast(parameter.data))
    optimizer, batches, held_out, scheduler = accelerator.prepare(
        optimizer, batches, held_out, scheduler
    )
    text = f"{name}({options})" if options else name
    return Parts(network, optimizer, scheduler, batches, held_out, lr_names, text)


def _workers(args: Any) -> int:
    return min(int(args.max_data_loader_n_workers), os.cpu_count() or 1)


def _loader(args: Any, group: DatasetGroup, collator: Collator, shuffle: bool) -> DataLoader[Any]:
    return DataLoader(
        group,
        batch_size=1,
        shuffle=shuffle,
        collate_fn=collator,
        num_workers=_workers(args),
        persistent_workers=args.persistent_data_loader_workers,
    )


def _full_precision(args: Any, accelerator: Any, network: LoRANetwork) -> None:
    for flag, precision in (("full_fp16", "fp16"), ("full_bf16", "bf16")):
        if not getattr(args, flag):
            continue
        if args.mixed_precision != precision:
            raise AssertionError(f"{flag} requires mixed precision='{precision}'")
        accelerator.print(f"enable full {precision} training.")
        network.to(DTYPES[precision])


def move_base(args: Any, accelerator: Any, model: BaseModel) -> None:
    """The frozen model goes to the device; its weights take mixed_precision's type."""
    model.unet.to(accelerator.device, dtype=DTYPES[args.mixed_precision])
    text_dtype = torch.float32 if accelerator.device.type == "cpu" else DTYPES[args.mixed_precision]
    model.text_encoder.to(accelerator.device, dtype=text_dtype)
    if args.gradient_checkpointing:
        model.unet.train()
