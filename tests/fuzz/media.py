"""Targets: safetensors files, images, archives of numpy and torch."""

from __future__ import annotations

import contextlib
import math

import safetensors

from runner.checkpoints.state_folder import look_at_state, whole_archive
from runner.checkpoints.verify import verify
from runner.files.header import ITEM_BYTES, Broken, Tensor, metadata_of, read_header, tensors_of
from runner.preflight.header import kind_of, rank_in, read_model, stored_in_8_bits
from runner.preflight.npz import NotNpz, read_npz
from runner.preflight.whole_image import problem_of
from runner.store.journal import encode_json
from runner.trainers.sd_scripts.dataset.header import has_alpha
from runner.trainers.sd_scripts.dataset.header import read_header as read_image_header
from tests.fuzz.guards import folder, place
from tests.fuzz.reading import require
from tui.images.decode import KEPT_PIXELS, MOST_PIXELS, NoPicture, decode

#: dtypes that the installed library may be too old for
_NEWER = frozenset({"C64"})


def weights(data: bytes) -> None:
    """A file counts as complete only if the format's own library loads it, too."""
    path = place("lora.safetensors", data)
    found = verify(path)
    encode_json(found)
    if shapes := read_model(path):
        kind_of(shapes)
        rank_in(shapes)
    stored_in_8_bits(path)
    try:
        header, begin, end = read_header(path)
        metadata_of(header)
        tensors = tensors_of(header)
    except Broken:
        require(not found.complete, "a broken header is complete", found)
        return
    if not found.complete:
        return
    require(end == len(data), "a tensor is outside of the file", end, len(data))
    require(
        all(_is_inside(one, len(data) - begin) for one in tensors), "a tensor is outside", tensors
    )
    if all(one.dtype in ITEM_BYTES.keys() - _NEWER for one in tensors):
        try:
            loaded = dict(safetensors.deserialize(data))
        except safetensors.SafetensorError as error:
            raise AssertionError(f"the library refuses it: {error}") from error
        require(loaded.keys() == {one.name for one in tensors}, "other tensors", loaded.keys())


def _is_inside(one: Tensor, room: int) -> bool:
    size = ITEM_BYTES.get(one.dtype, 0)
    fits = 0 <= one.begin <= one.end <= room
    return fits and (not size or one.end - one.begin == math.prod(one.shape) * size)


def image(data: bytes) -> None:
    """A picture for the screen, its header for the forecast, its structure for the checks."""
    for name in ("a.png", "a.avif"):
        path = place(name, data)
        header = read_image_header(path)
        require(header is None or min(header.size) > 0, "no size", header)
    has_alpha(path)
    for thorough in (False, True):
        problem_of(path, thorough=thorough)
    with contextlib.suppress(NoPicture):
        found = decode(path)
        require(max(found.image.size) <= KEPT_PIXELS, "kept too large", found)
        require(found.width * found.height <= MOST_PIXELS, "decoded too large", found)


def npz(data: bytes) -> None:
    """A latents cache: arrays, or NotNpz."""
    with contextlib.suppress(NotNpz):
        for array in read_npz(place("a.npz", data)).values():
            require(all(side >= 0 for side in array.shape), "no shape", array)


def archive(data: bytes) -> None:
    """A file of torch.save, and a state folder with it."""
    state = folder() / "x-state"
    for name in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl", "train_state.json"):
        path = place(f"x-state/{name}", data)
    place("x-state/model.safetensors", b"\x02\0\0\0\0\0\0\0{}")
    whole_archive(path)
    look_at_state(state)
    encode_json(verify(state))
    encode_json(verify(place("model.ckpt", data)))
