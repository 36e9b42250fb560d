"""Steps, epochs, files, states, samples."""

from __future__ import annotations

from scripts.forecast_cases.case import (
    PROMPTS,
    SQUARE,
    Case,
    dataset,
    squares,
    subset,
    toml,
)

BEFORE = (
    "--output_dir before --output_name b --max_train_epochs 2 --save_every_n_steps 10 --save_state"
)
STATE = {
    "before/b-step00000010-state/train_state.json": '{"current_epoch": 2, "current_step": 10}',
}

LENGTH = [
    squares(
        "default number of steps",
        "--save_every_n_steps 500 --save_last_n_steps 400",
        40,
        5,
    ),
    squares(
        "epochs win over steps",
        "--max_train_epochs 3 --max_train_steps 5 --save_every_n_epochs 1",
        4,
    ),
    squares(
        "steps end within an epoch",
        "--max_train_steps 17 --save_every_n_steps 5 --save_every_n_epochs 1",
        6,
    ),
    squares(
        "no epoch at all",
        "--max_train_epochs 0 --save_state",
        4,
    ),
    squares(
        "one step",
        "--max_train_steps 1 --save_every_n_steps 1",
        4,
    ),
    Case(
        "flags in a config file, the command line wins",
        "--config_file settings --max_train_epochs 3 --save_last_n_epochs 1",
        {"a": [SQUARE] * 7},
        also={
            "settings.toml": 'dataset_config = "more.toml"\nmax_train_epochs = 9\n[saving]\n'
            'save_every_n_epochs = 1\nsave_state = true\noutput_name = "other"\ntrain_batch_size = 3\n',
            "more.toml": toml(dataset(subset("a", 2))),
        },
    ),
    squares(
        "begun at a step, whole epochs left out",
        "--max_train_epochs 3 --initial_step 10 --save_every_n_steps 3 --save_every_n_epochs 1",
        7,
        begins_later=True,
    ),
    squares(
        "begun at a step, skipping to it",
        "--max_train_epochs 3 --initial_step 10 --skip_until_initial_step --save_every_n_steps 3 "
        "--save_every_n_epochs 1 --save_state",
        7,
        begins_later=True,
    ),
    squares(
        "begun within the first epoch",
        "--max_train_steps 9 --initial_step 4 --skip_until_initial_step --save_every_n_steps 2",
        7,
        begins_later=True,
    ),
    squares(
        "begun at an epoch",
        "--max_train_epochs 4 --initial_epoch 3 --save_every_n_epochs 1",
        5,
        begins_later=True,
    ),
    squares(
        "begun at a step, skipping with accumulation",
        "--max_train_epochs 4 --initial_step 5 --skip_until_initial_step --save_every_n_steps 2 "
        "--gradient_accumulation_steps 3",
        8,
        begins_later=True,
    ),
    squares(
        "resumed, whole epochs left out",
        "--max_train_epochs 4 --resume before/b-step00000010-state --save_every_n_steps 5",
        7,
        before=BEFORE,
        also=STATE,
        begins_later=True,
    ),
    squares(
        "resumed, skipping to the state",
        "--max_train_epochs 4 --resume before/b-step00000010-state --skip_until_initial_step "
        "--save_every_n_steps 5 --save_every_n_epochs 1 --save_state --save_last_n_steps 4",
        7,
        before=BEFORE,
        also=STATE,
        begins_later=True,
    ),
    squares(
        "resumed, another step named",
        "--max_train_epochs 4 --resume before/b-step00000010-state --skip_until_initial_step "
        "--initial_step 21 --save_every_n_steps 2",
        7,
        before=BEFORE,
        also=STATE,
        begins_later=True,
    ),
    squares(
        "resumed at the end",
        "--max_train_steps 10 --resume before/b-step00000010-state",
        7,
        before=BEFORE,
        also=STATE,
        stops=True,
    ),
    squares(
        "begun behind the end",
        "--max_train_steps 9 --initial_step 9",
        7,
        stops=True,
    ),
]

SAVING = [
    squares(
        "epoch ratio, states kept apart",
        "--max_train_epochs 9 --save_n_epoch_ratio 4 --save_last_n_epochs 1 --save_state "
        "--save_last_n_epochs_state 2",
        3,
    ),
    squares(
        "epoch ratio above the epochs, over save_every_n_epochs 0",
        "--max_train_epochs 4 --save_n_epoch_ratio 9 --save_every_n_epochs 0",
        3,
    ),
    squares(
        "epoch ratio 0 means none",
        "--max_train_epochs 5 --save_n_epoch_ratio 0 --save_every_n_epochs 2",
        3,
    ),
    squares(
        "every second epoch, one kept",
        "--max_train_epochs 9 --save_every_n_epochs 2 --save_last_n_epochs 1 --save_state",
        2,
    ),
    squares(
        "no epoch kept",
        "--max_train_epochs 4 --save_every_n_epochs 1 --save_last_n_epochs 0 --save_state",
        2,
    ),
    squares(
        "states of epochs kept, files all",
        "--max_train_epochs 5 --save_every_n_epochs 1 --save_last_n_epochs_state 1 --save_state",
        2,
    ),
    squares(
        "steps kept, states longer",
        "--max_train_steps 45 --save_every_n_steps 5 --save_last_n_steps 10 --save_state "
        "--save_last_n_steps_state 20",
        6,
        2,
    ),
    squares(
        "no step kept",
        "--max_train_steps 12 --save_every_n_steps 3 --save_last_n_steps 0 --save_state",
        6,
    ),
    squares(
        "steps kept, no multiple",
        "--max_train_steps 40 --save_every_n_steps 7 --save_last_n_steps 16 --save_state "
        "--save_last_n_steps_state 3",
        6,
    ),
    squares(
        "states of steps kept, files all",
        "--max_train_steps 20 --save_every_n_steps 4 --save_last_n_steps_state 4 --save_state",
        6,
    ),
    squares(
        "steps and epochs, both kept apart",
        "--max_train_epochs 6 --save_every_n_steps 4 --save_every_n_epochs 1 --save_last_n_steps 8 "
        "--save_last_n_epochs 2 --save_state",
        6,
    ),
    squares(
        "state at the end only",
        "--max_train_steps 5 --save_state",
        6,
    ),
    squares(
        "state at the end, none with the checkpoints",
        "--max_train_steps 9 --save_every_n_steps 3 --save_state_on_train_end",
        6,
    ),
    squares(
        "default names, pickled files, state at the end only",
        "--max_train_steps 14 --save_every_n_steps 7 --save_every_n_epochs 1 --save_model_as pt "
        "--save_state_on_train_end",
        5,
    ),
    squares(
        "default names, states",
        "--max_train_steps 11 --save_every_n_steps 4 --save_every_n_epochs 1 --save_state",
        5,
    ),
    squares(
        "files named ckpt",
        "--max_train_epochs 2 --save_every_n_epochs 1 --save_model_as ckpt",
        5,
    ),
    squares(
        "an empty name",
        '--output_name "" --max_train_epochs 2 --save_every_n_epochs 1 --save_every_n_steps 4',
        5,
        stops=True,
    ),
]

SAMPLES = [
    squares(
        "samples by steps and at first",
        "--max_train_steps 11 --sample_every_n_steps 4 --sample_at_first --sample_prompts p.txt",
        5,
        also={"p.txt": PROMPTS},
    ),
    squares(
        "samples by epochs win over steps",
        "--max_train_steps 22 --sample_every_n_steps 1 --sample_every_n_epochs 2 "
        "--sample_prompts p.json",
        5,
        also={"p.json": '["one", {"prompt": "two"}]'},
    ),
    squares(
        "samples of a TOML, epochs switched off",
        "--max_train_steps 9 --sample_every_n_steps 3 --sample_every_n_epochs 0 "
        "--sample_prompts p.toml",
        5,
        also={"p.toml": "[prompt]\nwidth = 64\n" + '[[prompt.subset]]\nprompt = "a"\n' * 3},
    ),
    squares(
        "samples without a file of prompts",
        "--max_train_steps 4 --sample_every_n_steps 2 --sample_prompts none.txt",
        5,
    ),
]
