"""What a scenario of the torture tests found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """`tried`: how many things could have been lost, `survived`: how many were not, `lost`: a sentence for each
    that was. `numbers`: what was measured, by name with its unit at the end."""

    name: str
    tried: int
    survived: int
    lost: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """Collects the claims and numbers of one scenario."""

    name: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)

    def claim(self, holds: object, otherwise: str) -> None:
        """Something that must be true; `otherwise`: the sentence if it is not."""
        self.tried += 1
        if not holds:
            self.lost.append(otherwise)

    def at_most(self, name: str, value: float, limit: float) -> None:
        """A number with its limit."""
        self.numbers[name] = value
        self.claim(value <= limit, f"{name}: {value:.4g}, at most {limit:.4g}")

    def result(self) -> Result:
        survived = self.tried - len(self.lost)
        return Result(self.name, self.tried, survived, tuple(self.lost), dict(self.numbers))


def table(result: Result) -> str:
    """The numbers as lines of text."""
    rows = [f"{result.name}: {result.survived} of {result.tried} claims hold"]
    rows += [f"  LOST {sentence}" for sentence in result.lost]
    width = max((len(name) for name in result.numbers), default=0)
    rows += [f"  {name:<{width}}  {value:,.4g}" for name, value in result.numbers.items()]
    return "\n".join(rows)
