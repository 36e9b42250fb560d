"""`@dataclass(frozen=True, slots=True)` for types that every start defines.

The standard decorator compiles six methods a class: 1.1 ms for twenty fields (Python 3.11), in total half of
the screen's import time beyond Textual. Here the classes share their methods, and `__init__` is compiled for
the first instance. The result is a dataclass to `dataclasses.replace`, `fields`, msgspec and mypy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        assert frozen and slots, "of no other kind"
        return _lean


def _lean(kind: Any) -> Any:
    kind.__doc__ = kind.__doc__ or kind.__name__  # else dataclasses writes its signature
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(kind)
    names = made.__match_args__
    made._values = staticmethod(attrgetter(*names) if names else type)
    for name, method in _SHARED.items():
        setattr(made, name, method)
    return made


def _init(self: Any, *args: Any, **values: Any) -> None:
    """Replaces itself by a method with the class's own parameters, as dataclasses would write it (whose own way
    takes six times as long: it compiles more than that)."""
    kind: Any = type(self)
    scope: dict[str, Any] = {"_put": object.__setattr__, "_MADE": object()}
    head, body = ["self"], ["pass"]
    for one in dataclasses.fields(kind):
        name, value = one.name, one.name
        if one.default is not dataclasses.MISSING:
            scope[f"_default_{name}"], head = one.default, [*head, f"{name}=_default_{name}"]
        elif one.default_factory is not dataclasses.MISSING:
            scope[f"_make_{name}"], head = one.default_factory, [*head, f"{name}=_MADE"]
            value = f"_make_{name}() if {name} is _MADE else {name}"
        else:
            head.append(name)
        body.append(f"_put(self, {name!r}, {value})")
    exec(f"def __init__({', '.join(head)}):\n " + "; ".join(body), scope)
    kind.__init__ = scope["__init__"]
    kind.__init__(self, *args, **values)


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._values(self) == self._values(other)


def _hash(self: Any) -> int:
    return hash(self._values(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _frozen(self: object, name: str, *_: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"{name!r} of {type(self).__name__} is frozen")


def _reduce(self: Any) -> tuple[type, tuple[Any, ...]]:
    return type(self), tuple(getattr(self, name) for name in self.__match_args__)


_SHARED: dict[str, Any] = {
    "__init__": _init,
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _frozen,
    "__delattr__": _frozen,
    "__reduce__": _reduce,
}
