"""Every target reads its corpus, mutations of recordings, and text made of its format's own words."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import BY_NAME, CORPUS, SEED_BYTES, TARGETS, Target

#: in all, so that a clone stays small
CORPUS_BYTES = 200_000
EXAMPLES = 200
_SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,  # targets have their own limit, in processor time
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
#: as much of a recording as is read in a few milliseconds
_SEED_BYTES = 4_000


def inputs_of(target: Target) -> st.SearchStrategy[bytes]:
    """Mutated recordings, words of the format one behind another, and any bytes."""
    seeds = [data[:_SEED_BYTES] for data in target.inputs()] or [b""]
    changed = st.builds(
        lambda seed, number: mutated(seed, Random(number), target.words),
        st.sampled_from(seeds),
        st.integers(0, 1 << 32),
    )
    words = st.lists(st.sampled_from([*target.words, b" ", b"\n", b""]) | st.binary(max_size=3))
    return changed | changed | words.map(b"".join) | st.binary(max_size=200)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes_are_read_or_refused(target: Target) -> None:
    @_SETTINGS
    @given(inputs_of(target))
    def holds(data: bytes) -> None:
        target.run(data)

    holds()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_corpus_is_read_or_refused(target: Target) -> None:
    for path in sorted(target.corpus.glob("*")):
        try:
            target.run(path.read_bytes())
        except BaseException as error:
            error.add_note(f"python -m tests.fuzz --reproduce {target.name} {path}")
            raise


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= CORPUS_BYTES
    assert all(path.stat().st_size <= SEED_BYTES for path in files)
    assert {path.relative_to(CORPUS).parts[0] for path in files} <= BY_NAME.keys()
