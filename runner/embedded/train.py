"""One training from flags to the last file: everything around the loop, in sd-scripts' order."""

from __future__ import annotations

import logging
import math
import random
import time
from multiprocessing import Value
from typing import Any

from accelerate.utils import set_seed

from runner.embedded.batches import DatasetGroup, build_group, check_supported
from runner.embedded.loop import Helpers, Loop
from runner.embedded.losses import LossFunction
from runner.embedded.metadata import training_metadata
from runner.embedded.noise import alphas_cumprod
from runner.embedded.prepare import Prepared, as_trainer_error, prepare_dataset
from runner.embedded.report import banner
from runner.embedded.sampling import Sampler
from runner.embedded.saving import Saver, keep_train_state
from runner.embedded.setup import (
    Parts,
    assemble,
    check_cacheable,
    create_accelerator,
    load_model,
    load_network,
    move_base,
    start_trackers,
)
from runner.embedded.start import Start, find_start
from runner.embedded.validation import Validator
from runner.trainers.sd_scripts.dataset import DatasetError

logger = logging.getLogger(__name__)


def train(args: Any) -> None:
    """Train by the flags. Without images it logs that and returns: exit code 0, as sd-scripts."""
    born = (random.randint(0, 2**32), time.time())
    prepared = _prepare(args)
    if not prepared.plan.batches_per_epoch:
        logger.error(
            "No data found. Please verify arguments (train_data_dir must be the parent of folders "
            "with images)"
        )
        return
    check_supported(prepared.plan)
    if args.cache_latents:
        check_cacheable(prepared.plan)
    group, validation = _groups(args, prepared)
    logger.info("preparing accelerator")
    accelerator = create_accelerator(args)
    model = load_model(args, accelerator)
    if args.cache_latents:
        for each in (group, validation):
            each.cache_latents()
    network = load_network(args, accelerator, model)
    counters = (Value("i", 0), Value("i", 0))
    parts = assemble(args, accelerator, network, group, validation, counters)
    move_base(args, accelerator, model)
    loaded_step = keep_train_state(accelerator, *counters)
    if args.resume:
        logger.info("resume training from local state: %s", args.resume)
        accelerator.load_state(args.resume)
    epochs = _epochs(args, parts)
    for line in banner(args, prepared.plan, len(parts.batches), epochs):
        accelerator.print(line)
    metadata = _metadata(args, prepared, parts, epochs, born)
    start = _start(args, accelerator, parts, loaded_step())
    start_trackers(args, accelerator)
    alphas = alphas_cumprod()
    loss = LossFunction(accelerator, model, alphas, args)
    resolution = prepared.plan.datasets[0].spec.resolution or (0, 0)
    helpers = Helpers(
        loss,
        Saver(accelerator, accelerator.unwrap_model(parts.network), args, metadata, resolution),
        Sampler(accelerator, model, alphas, args),
        Validator(accelerator, parts.validation, loss, args),
    )
    helpers.sampler.sample(0, 0)
    _tell_skipped(start, len(parts.batches))
    unet, text_encoder = model.unet, model.text_encoder
    logger.info("unet dtype: %s, device: %s", unet.dtype, unet.device)
    weight = text_encoder.text_model.final_layer_norm.weight
    logger.info("text_encoder [0] dtype: %s, device: %s", weight.dtype, weight.device)
    Loop(accelerator, args, parts, helpers, start, epochs, counters).run()


def _prepare(args: Any) -> Prepared:
    if args.seed is None:
        args.seed = random.randint(0, 2**32 - 1)
    set_seed(args.seed)
    try:
        return prepare_dataset(args)
    except DatasetError as error:
        raise as_trainer_error(error) from None


def _groups(args: Any, prepared: Prepared) -> tuple[DatasetGroup, DatasetGroup]:
    plan = prepared.plan
    train, held_out = (
        build_group(
            datasets,
            prepared.captions,
            seed=prepared.seed,
            max_token_length=args.max_token_length,
            fixed_size=not args.cache_latents,
        )
        for datasets in (plan.datasets, plan.validation)
    )
    return train, held_out


def _epochs(args: Any, parts: Parts) -> int:
    per_epoch = math.ceil(len(parts.batches) / args.gradient_accumulation_steps)
    epochs: int = math.ceil(args.max_train_steps / per_epoch)
    if args.save_n_epoch_ratio:
        args.save_every_n_epochs = epochs // args.save_n_epoch_ratio or 1
    return epochs


def _metadata(
    args: Any, prepared: Prepared, parts: Parts, epochs: int, born: tuple[int, float]
) -> dict[str, str]:
    known = {
        "ss_session_id": born[0],
        "ss_training_started_at": born[1],
        "ss_num_batches_per_epoch": len(parts.batches),
        "ss_num_epochs": epochs,
        "ss_optimizer": parts.optimizer_text,
    }
    return training_metadata(args, prepared.plan, prepared.captions, known)


def _start(args: Any, accelerator: Any, parts: Parts, state_step: int | None) -> Start:
    asked = args.initial_step is not None or args.initial_epoch is not None
    if asked and state_step is not None:
        logger.warning(
            "steps from the state is ignored because initial_step is specified / "
            "initial_stepが指定されているため、stateからのステップ数は無視されます"
        )
    start = find_start(
        initial_step=args.initial_step,
        initial_epoch=args.initial_epoch,
        state_step=state_step,
        skip=args.skip_until_initial_step,
        batches=len(parts.batches),
        processes=accelerator.num_processes,
        accumulation=args.gradient_accumulation_steps,
        max_train_steps=args.max_train_steps,
    )
    if start.asked_step is not None:
        if not args.resume:
            logger.info(
                "initial_step is specified but not resuming. lr scheduler will be started from the "
                "beginning / initial_stepが指定されていますがresumeしていないため、"
                "lr schedulerは最初から始まります"
            )
        logger.info(
            "skipping %d steps / %dステップをスキップします", start.asked_step, start.asked_step
        )
    return start


def _tell_skipped(start: Start, batches: int) -> None:
    if start.asked_step is None:
        return
    left = start.multiplied_step
    for epoch in range(start.first_epoch):
        logger.info("skipping epoch %d because initial_step (multiplied) is %d", epoch + 1, left)
        left -= batches
