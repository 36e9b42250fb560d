"""A lean dataclass behaves as the standard one does."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace

import msgspec
import pytest

from runner.model.lean import dataclass


def of(decorate):
    class Base:
        name: str

    class Point(decorate(frozen=True, slots=True)(Base)):
        x: float = 0.0
        tags: dict[str, str] = field(default_factory=dict)
        near: "tuple[float, ...]" = ()

        @property
        def twice(self) -> float:
            return 2 * self.x

    return decorate(frozen=True, slots=True)(Point)


Lean, Standard = of(dataclass), of(dataclasses.dataclass)


@dataclass(frozen=True, slots=True)
class Kept:
    a: int
    b: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Empty:
    pass


@pytest.mark.parametrize("kind", (Lean, Standard))
def test_it_is_made_shown_compared_and_changed_as_the_standard_one(kind):
    one = kind("a", 1.5, near=(2.0,))
    assert (one.name, one.x, one.tags, one.near, one.twice) == ("a", 1.5, {}, (2.0,), 3.0)
    assert one == kind("a", 1.5, {}, (2.0,)) != replace(one, x=2.0)
    assert one != ("a", 1.5, {}, (2.0,))
    assert repr(one).endswith("Point(name='a', x=1.5, tags={}, near=(2.0,))")
    assert kind("a").tags is not kind("a").tags
    assert not hasattr(one, "__dict__")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        kind()
    with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        kind("a", y=1)
    with pytest.raises(FrozenInstanceError):
        one.x = 2.0
    with pytest.raises(FrozenInstanceError):
        del one.x
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
    match one:
        case kind(name, x):
            assert (name, x) == ("a", 1.5)


def test_msgspec_reads_one_before_any_was_made_by_hand():
    @dataclass(frozen=True, slots=True)
    class Read:
        at: float
        names: tuple[str, ...] = ("none",)

    read = msgspec.json.decode(b'{"at": 3}', type=Read)
    assert read == Read(3.0)
    assert msgspec.json.encode(read) == b'{"at":3.0,"names":["none"]}'


def test_it_is_hashed_copied_and_pickled_by_its_values():
    one = Kept(1, (2,))
    assert {one} == {Kept(1, (2,))}
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == one
    assert Empty() == Empty()
    assert {Empty()} == {Empty()}
