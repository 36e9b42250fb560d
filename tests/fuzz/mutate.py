"""Mutations of recordings, by one source of chance: for hypothesis in the tests, and for machines without
atheris."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

#: bytes that formats give a meaning to
_SIGNS = (
    b"\0",
    b"\n",
    b"\r",
    b'"',
    b"'",
    b"\\",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc2\xb2",
    b"%",
    b"[",
    b"{",
    b"=",
)
_NUMBERS = (b"0", b"-1", b"2147483648", b"18446744073709551616", b"1e999", b"nan", b"1" * 5000)
_DEEPEST = 2_000
LARGEST_BYTES = 1 << 17

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def _at(data: bytes, chance: Random) -> int:
    return chance.randrange(len(data) + 1)


def _span(data: bytes, chance: Random) -> tuple[int, int]:
    begin = _at(data, chance)
    return begin, min(len(data), begin + chance.choice((1, 2, 8, 40, 300)))


def _truncate(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    return data[: _at(data, chance)]


def _drop(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    begin, end = _span(data, chance)
    return data[:begin] + data[end:]


def _flip(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4) if data else 0):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _put(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    begin, end = _span(data, chance)
    end = begin if chance.random() < 0.5 else end
    return data[:begin] + chance.choice((*words, *_SIGNS)) + data[end:]


def _number(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    """In place of a number, if there is one."""
    digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    begin = end = chance.choice(digits)
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return data[:begin] + chance.choice(_NUMBERS) + data[end:]


def _repeat(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    begin, end = _span(data, chance)
    return data[:begin] + data[begin:end] * chance.choice((2, 3, 20, 200)) + data[end:]


def _nest(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    at, deep = _at(data, chance), chance.choice((3, 60, _DEEPEST))
    sign = chance.choice((b"[", b"{", b"(", b"$(", b'{"a":', b"a."))
    return data[:at] + sign * deep + data[at:]


def _splice(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    """Two of its parts in another order."""
    a, b = sorted((_at(data, chance), _at(data, chance)))
    return data[b:] + data[a:b] + data[:a]


MUTATIONS: tuple[Mutation, ...] = (
    _truncate,
    _drop,
    _flip,
    _put,
    _put,
    _number,
    _repeat,
    _nest,
    _splice,
)


def mutated(data: bytes, chance: Random, words: Sequence[bytes]) -> bytes:
    """A few mutations, one after another."""
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        data = chance.choice(MUTATIONS)(data, chance, words)[:LARGEST_BYTES]
    return data
