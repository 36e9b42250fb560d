"""A process that prints and writes what sd-scripts does, without torch: for tests of processes.

    python fake_trainer.py --output_dir DIR --output_name NAME [--steps N] [--delay S] ...
    python fake_trainer.py --launcher ...      # the same behind a parent that waits, like accelerate launch

Once a file `hurry` exists beside DIR it no longer sleeps between steps (helpers.hurry).

It is a stand-in for the process side only (signals, exit codes, files); what the real trainer prints
is tested with recorded logs and with the real loop.
"""

import argparse
import json
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--output_name", default="fake")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--epoch_steps", type=int, default=20)
    parser.add_argument("--delay", type=float, default=0.02)
    parser.add_argument("--save_every_n_steps", type=int, default=10)
    parser.add_argument("--save_state", action="store_true")
    parser.add_argument("--save_s", type=float, default=0.0, help="how long a save takes")
    parser.add_argument("--nan_at", type=int, default=0)
    parser.add_argument("--one_nan_at", type=int, default=0, help="the average stays NaN after it")
    parser.add_argument("--nan_weights_at", type=int, default=0, help="of files from this step on")
    parser.add_argument("--exact", action="store_true", help="event files with each step's loss")
    parser.add_argument(
        "--exact_late", type=int, default=0, help="written from this step on, all at once"
    )
    parser.add_argument("--cut_state_at", type=int, default=0)
    parser.add_argument(
        "--empty_state_at", type=int, default=0, help="a state folder without a file"
    )
    parser.add_argument(
        "--deep_header_at", type=int, default=0, help="a file that nests too deeply"
    )
    parser.add_argument("--fail_at", type=int, default=0)
    parser.add_argument("--truncate_at", type=int, default=0)
    parser.add_argument("--exit_code", type=int, default=0)
    parser.add_argument("--writes", choices=["ckpt", "safetensors", "diffusers"])
    parser.add_argument("--no_data", action="store_true")
    parser.add_argument("--deaf", action="store_true", help="ignore INT and TERM")
    parser.add_argument("--escape", action="store_true", help="a child in a session of its own")
    parser.add_argument("--worker", action="store_true", help="a child in the group")
    parser.add_argument("--launcher", action="store_true")
    parser.add_argument("--noise", type=int, default=0, help="bytes of one huge line at step 5")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--resume")
    parser.add_argument("--initial_step", type=int, default=0)
    parser.add_argument("--skip_until_initial_step", action="store_true")
    parser.add_argument("--logging_dir")
    parser.add_argument("--network_weights")
    parser.add_argument("--learning_rate")
    parser.add_argument("--wandb_api_key")
    parser.add_argument("--huggingface_token")
    parser.add_argument("--max_train_steps", type=int, help="over --steps, as a resume gives it")
    args = parser.parse_args()
    args.steps = args.max_train_steps or args.steps
    return args


def log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} INFO     {text}   train_network.py:1\n")
    sys.stderr.flush()


def out(text: str) -> None:
    print(text, flush=True)


def archive(path: Path, cut: bool = False) -> None:
    """What torch.save writes is a zip archive."""
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("data.pkl", "x" * 100)
    if cut:
        path.write_bytes(path.read_bytes()[:60])


class Losses:
    """The event file of a run, when asked for: `loss/current` of each step, flushed at once."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._writer, self._late, self._held = None, args.exact_late, []
        if args.exact and args.logging_dir:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self._writer = EventFileWriter(args.logging_dir)

    def add(self, step: int, loss: float) -> None:
        if self._writer is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        value = Summary.Value(tag="loss/current", simple_value=loss)
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=[value]))
        self._held.append(event)
        if step >= self._late:
            for one in self._held:
                self._writer.add_event(one)
            self._held.clear()
            self._writer.flush()


def weights(path: Path, truncate: bool = False, nan: bool = False, step: int = 1) -> None:
    header = json.dumps({"t": {"dtype": "F32", "shape": [256], "data_offsets": [0, 1024]}}).encode()
    numbers = struct.pack("<f", float("nan") if nan else step) * 256
    data = struct.pack("<Q", len(header)) + header + numbers
    path.write_bytes(data[:700] if truncate else data)


def save_full_model(args: argparse.Namespace, name: str, final: bool) -> None:
    """As the scripts that train no LoRA: a file, or a folder of diffusers, and other words."""
    path = Path(args.output_dir) / name
    if args.writes == "diffusers":
        log(f"save trained model as Diffusers to {path}" if final else f"saving model: {path}")
        for part in ("unet", "vae"):
            (path / part).mkdir(parents=True, exist_ok=True)
            (path / part / "config.json").write_text("{}")
            weights(
                path / part / "diffusion_pytorch_model.safetensors", nan=bool(args.nan_weights_at)
            )
        (path / "scheduler").mkdir(exist_ok=True)
        (path / "scheduler" / "scheduler_config.json").write_text("{}")
        parts = {"unet": ["diffusers", "UNet"], "vae": ["diffusers", "VAE"], "extra": [None, None]}
        index = {
            "_class_name": "StableDiffusionPipeline",
            **parts,
            "scheduler": ["diffusers", "DDIM"],
        }
        (path / "model_index.json").write_text(json.dumps(index))
        return
    path = path.with_name(f"{name}.{args.writes}")
    told = f"save trained model as StableDiffusion checkpoint to {path}"
    log(told if final else f"saving checkpoint: {path}")
    if args.writes == "safetensors":
        weights(path)
    else:
        archive(path, cut=bool(args.truncate_at))


def save(args: argparse.Namespace, name: str, step: int, epoch: int) -> None:
    if args.writes is not None:
        save_full_model(args, name, final=name == args.output_name)
        return
    path = Path(args.output_dir) / f"{name}.safetensors"
    out(f"\nsaving checkpoint: {path}")
    time.sleep(args.save_s)
    nan = bool(args.nan_weights_at) and step >= args.nan_weights_at
    cut = bool(args.truncate_at) and step == args.truncate_at
    weights(path, truncate=cut, nan=nan, step=step)
    if args.deep_header_at and step == args.deep_header_at:
        header = b'{"t":' * 100_000
        path.write_bytes(struct.pack("<Q", len(header)) + header)
    if args.empty_state_at and step == args.empty_state_at:
        (Path(args.output_dir) / f"{name}-state").mkdir()
    if args.save_state:
        state = Path(args.output_dir) / f"{name}-state"
        log(f"saving state at step {step}")
        state.mkdir(exist_ok=True)
        log(f"Saving current state to {state}")
        (state / "train_state.json").write_text(
            json.dumps({"current_epoch": epoch, "current_step": step})
        )
        weights(state / "model.safetensors")
        archive(state / "optimizer.bin", cut=bool(args.cut_state_at) and step == args.cut_state_at)
        archive(state / "scheduler.bin")
        archive(state / "random_states_0.pkl")
        log(f"Random states saved in {state}/random_states_0.pkl")


def banner(args: argparse.Namespace) -> int:
    epochs = -(-args.steps // args.epoch_steps)
    out("accelerator device: cpu")
    if args.resume:
        log(f"resume training from local state: {args.resume}")
        log(f"Loading states from {args.resume}")
        log(
            f"load train state from {args.resume}/train_state.json: "
            f"{{'current_epoch': 1, 'current_step': {args.initial_step}}}"
        )
    out("running training / 学習開始")
    out(f"  num train images * repeats / 学習画像の数×繰り返し回数: {args.epoch_steps}")
    out("  num reg images / 正則化画像の数: 0")
    out(f"  num batches per epoch / 1epochのバッチ数: {args.epoch_steps}")
    out(f"  num epochs / epoch数: {epochs}")
    out("  batch size per device / バッチサイズ: 1")
    out("  gradient accumulation steps / 勾配を合計するステップ数 = 1")
    out(f"  total optimization steps / 学習ステップ数: {args.steps}")
    return epochs


def bar(n: int, total: int, loss: float | None) -> None:
    post = "" if loss is None else f", avr_loss={loss:.3g}"
    cells = "█" * (10 * n // max(1, total))
    sys.stderr.write(
        f"\rsteps: {100 * n // total:3d}%|{cells:<10}| {n}/{total} [00:01<00:02, 9.00it/s{post}]"
    )
    sys.stderr.flush()


def train(args: argparse.Namespace) -> int:
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    if args.no_data:
        log(
            "No data found. Please verify arguments (train_data_dir must be the parent of folders with images)"
        )
        return 0
    epochs = banner(args)
    start = args.initial_step if args.skip_until_initial_step else 0
    if start:
        log(f"skipping {start} steps / {start}ステップをスキップします")
    begun = start // args.epoch_steps
    shown = start - begun * args.epoch_steps
    total = args.steps - begun * args.epoch_steps
    bar(0, total, None)
    loss, bar_n, losses, bad = 1.0, 0, Losses(args), False
    # sd-scripts compares a count that restarts at the resumed epoch: past the first one only epochs end it
    end = epochs * args.epoch_steps if begun else args.steps
    hurry = Path(args.output_dir).with_name("hurry")
    for true_step in range(start + 1, end + 1):
        epoch = (true_step - 1) // args.epoch_steps + 1
        if (true_step - 1) % args.epoch_steps == 0 or true_step == start + 1:
            out(f"\nepoch {epoch}/{epochs}\n")
        if not hurry.exists():
            time.sleep(args.delay)
        shown += 1
        bar_n += 1
        if args.noise and true_step == 5:
            sys.stderr.write("x" * args.noise)
        bar(bar_n, total, loss if true_step > start + 1 else None)
        loss = 1 / (1 + true_step / 20)
        if true_step == args.one_nan_at or (args.nan_at and true_step >= args.nan_at):
            loss = float("nan")
        losses.add(shown, loss)
        bad = bad or loss != loss
        loss = float("nan") if bad else loss  # as sd-scripts' average: poisoned for ever
        if args.save_every_n_steps and shown % args.save_every_n_steps == 0:
            save(args, f"{args.output_name}-step{shown:08d}", shown, epoch)
        bar(bar_n, total, loss)
        if args.fail_at and true_step == args.fail_at:
            raise ValueError("the fake trainer was told to fail")
    save(args, args.output_name, shown, epochs)
    log("model saved.")
    bar(bar_n, total, loss)
    sys.stderr.write("\n")
    return args.exit_code


def main() -> int:
    args = arguments()
    if args.launcher:
        words = [word for word in sys.argv if word != "--launcher"]
        child = subprocess.Popen([sys.executable, *words])
        code = child.wait()
        if code:
            sys.stderr.write(
                f"subprocess.CalledProcessError: Command '{words}' returned non-zero exit status {code}.\n"
            )
        return 1 if code else 0
    if args.deaf:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for wanted, session in ((args.escape, True), (args.worker, False)):
        if wanted:
            nap = "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(600)"
            subprocess.Popen([sys.executable, "-c", nap], start_new_session=session)
    return train(args)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.exit(code)
