"""Settings in YAML, by PyYAML's safe loader: no objects, no aliases (a few of them can expand to gigabytes), no
dates, and numbers as they are written."""

from __future__ import annotations

import re
from typing import Any

import yaml

from runner.trainers.sd_scripts.importers.model import Number

_FLOAT = "tag:yaml.org,2002:float"
_LEFT_OUT = ("tag:yaml.org,2002:timestamp", _FLOAT)


class YamlError(ValueError):
    """`line`: where the text cannot be read."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is no YAML that settings need")
        self.line = line


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise YamlError(self.peek_event().start_mark.line + 1)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in _LEFT_OUT]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[-+]?(?:\d+\.\d*|\.?\d+)(?:[eE][-+]?\d+)?$"), list("-+.0123456789")
)
_Loader.add_constructor(_FLOAT, lambda loader, node: Number(node.value))


def parse_yaml(text: str) -> Any:
    """Mappings, lists, texts, numbers, true and false. Raises YamlError."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark is not None else 1) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise error if isinstance(error, YamlError) else YamlError(1) from None
