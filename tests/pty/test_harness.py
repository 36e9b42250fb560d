"""The instruments themselves: what they would miss, no test and no measurement would see."""

from __future__ import annotations

import sys

from scripts.bench.figures import Figure, p95
from scripts.bench.replay import BEGIN_FRAME, END_FRAME, Chunk, bursts, first_seen
from scripts.bench.terminal import Size, Terminal
from tests.pty.escapes import foreign_sequences, modes
from tests.pty.hostile_trainer import ATTACKS, LAST_LINE


def test_a_frame_counts_when_it_is_complete() -> None:
    chunks = [
        Chunk(1.0, BEGIN_FRAME + b"\x1b[1;1Hstep 7"),
        Chunk(2.0, b"\x1b[2;1Hmore"),
        Chunk(3.0, END_FRAME),
    ]
    assert first_seen(chunks, 20, 4, lambda text: "step 7" in text) == 3.0


def test_the_end_of_a_frame_may_come_in_two_pieces() -> None:
    chunks = [
        Chunk(1.0, BEGIN_FRAME + b"\x1b[1;1Hstep 7" + END_FRAME[:3]),
        Chunk(1.1, END_FRAME[3:]),
    ]
    assert first_seen(chunks, 20, 4, lambda text: "step 7" in text) == 1.1


def test_chunks_that_come_close_together_are_one_burst() -> None:
    chunks = [Chunk(1.0, b"abc"), Chunk(1.01, b"d"), Chunk(1.5, b"ef")]
    assert bursts(chunks) == [4, 2]


def test_p95_is_a_sample_and_leaves_one_in_twenty_above() -> None:
    assert p95([float(n) for n in range(1, 101)]) == 95.0
    assert p95([3.0]) == 3.0


def test_a_verdict_follows_the_number_that_is_judged() -> None:
    values = (1.0, 1.0, 1.0, 9.0)
    assert Figure("x", "x", values, "ms", 2.0).verdict == "met"
    assert Figure("x", "x", values, "ms", 2.0, "p95").verdict == "not met"
    assert Figure("x", "x", values, "MB/s", 2.0, at_least=True).verdict == "not met"
    assert Figure("x", "x", (), "ms", 2.0).verdict == "not measured"


def test_every_attack_that_holds_a_control_would_be_noticed() -> None:
    harmless = {LAST_LINE, *(text for text in ATTACKS if text.isprintable())}
    turned = {text for text in ATTACKS if "\u202e" in text}  # characters, no sequences
    for attack in set(ATTACKS) - harmless - turned:
        assert foreign_sequences(attack.encode()), attack


def test_what_textual_sends_is_not_foreign() -> None:
    own = b"\x1b[?1049h\x1b[?2026$p\x1b[>1u\x1b[38;2;1;2;3m text\x1b[0m\r\n\x1b[4;5H\x1b[?2026l\x1b[<u"
    assert foreign_sequences(own) == []
    assert modes(own) == {1049: True, 2026: False}


def test_the_terminal_answers_what_is_asked_even_in_two_pieces() -> None:
    program = (
        "import os, sys, time, tty; tty.setraw(0);"
        "os.write(1, b'\\x1b[?20'); time.sleep(0.2); os.write(1, b'26$p');"
        "os.write(2, b'got ' + os.read(0, 64)[2:])"
    )
    with Terminal((sys.executable, "-c", program), Size(40, 5)) as terminal:
        terminal.wait_bytes(b"got ?2026;2$y")
        assert terminal.wait_exit() == 0


def test_the_program_sees_the_size_and_its_changes() -> None:
    program = (
        "import os, signal, time;"
        "signal.signal(signal.SIGWINCH, lambda *_: print(os.get_terminal_size(), flush=True));"
        "print(os.get_terminal_size(), flush=True);"
        "time.sleep(20)"
    )
    with Terminal((sys.executable, "-c", program), Size(77, 11)) as terminal:
        terminal.wait_bytes(b"columns=77, lines=11")
        terminal.resize(Size(40, 10))
        terminal.wait_bytes(b"columns=40, lines=10")
