"""YAML read safely, with the line of every key, and overrides of single keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lp_core.errors import LPError
from lp_io.documents.report import KeyPath, Problem, Report, key_path, set_value

LARGEST_FILE = 4 * 2**20
_MOST_VALUES = 10_000
_DEEPEST = 40
_PREFIX = "tag:yaml.org,2002:"
_TAGS = {_PREFIX + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
_NUMBERS = (_PREFIX + "int", _PREFIX + "float")
_FLOAT = re.compile(
    r"""^[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[0-9][0-9_]*[eE][-+]?[0-9]+
        |\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
        |\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$""",
    re.VERBOSE,
)
ORIGIN = "override"
"""What the place of an overridden value begins with."""

_LITERAL = re.compile(r"(\\*)\$\{")
_YAML = re.compile(
    r"""\s*(?:['"\[{].*|~|null|true|false|yes|no|on|off)?\s*""", re.IGNORECASE | re.DOTALL
)
"""Values of overrides that keep their meaning in YAML although the key holds text."""


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's, but 1e-3 is a number, as everybody expects, and dates are text."""
    dropped = {_PREFIX + "timestamp", _PREFIX + "float"}
    resolvers = {
        first: [(tag, pattern) for tag, pattern in entries if tag not in dropped]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+0123456789.":
        # before the whole numbers, as in PyYAML
        resolvers[first] = [(_PREFIX + "float", _FLOAT), *resolvers.get(first, [])]
    return resolvers


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _resolvers()


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = _resolvers()

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass(frozen=True)
class DocumentReader:
    """Reads documents of one kind.

    Attributes:
        error: What is raised where a document cannot be used.
        what: The kind of document in words, for messages.
        example: A document to start from, for messages.
        holds_text: Whether a single value at a place is text. Such a value keeps its characters:
            YAML reads ``2024.10``, ``007`` and ``1:30`` as numbers.
    """

    error: type[LPError]
    what: str
    example: str
    holds_text: Callable[[KeyPath], bool] = lambda path: False

    def read(self, path: Path) -> Report:
        """The values in the YAML file ``path``, their places, and what is wrong with single keys.

        Raises:
            LPError: It cannot be read, is no YAML, or does not hold a mapping.
        """
        node = self._compose(self._text(path), str(path))
        if node is None:
            remedy = f"start from {self.example}"
            raise self.error(f"the {self.what} is empty", where=path, remedy=remedy)
        if not isinstance(node, MappingNode):
            raise self.error(
                f"the {self.what} is not a mapping of sections, but a {_kind(node)}",
                where=f"{path}:{node.start_mark.line + 1}",
                remedy=f"write 'section:' and its keys below, as in {self.example}",
            )
        report = Report(path)
        report.values = _Conversion(self, str(path), report).mapping(node, (), 0)
        return report

    def apply_override(self, report: Report, text: str) -> None:
        """Set one key of the values; what is wrong with the override is added to the problems.

        Args:
            report: The values to change. A mapping is merged into the one that is there; anything
                else replaces it.
            text: A dotted key, ``=``, and a value in YAML, such as ``training.max_epochs=5``.
                Nothing after ``=`` is null. Of keys that hold text, the characters are the value,
                unless they are in quotes.
        """
        place = f"{ORIGIN} '{text}'"
        key, equals, value_text = text.partition("=")
        key = key.strip()
        if not equals or not all(key_path(key)) or key.startswith(("-", "+", "~")):
            bare = key.lstrip("-+~") or "training.max_epochs"
            example = f"{bare}={value_text or 'VALUE'}"
            report.problems.append(
                Problem(place, "an override has the form key=value", f"such as {example}")
            )
            return
        try:
            value = self._value(value_text, place, key_path(key))
        except self.error as error:
            report.problems.append(Problem(place, f"{key}: {error.problem}", error.remedy))
            return
        set_value(report, key_path(key), value, place)

    def _value(self, text: str, place: str, path: KeyPath) -> Any:
        """The YAML value in ``text``, that of an override of the key at ``path``."""
        if self.holds_text(path) and not _YAML.fullmatch(text):
            return text.strip()
        node = self._compose(text, place, lines=False)
        report = Report(Path(place))
        conversion = _Conversion(self, place, report, lines=False)
        value = None if node is None else conversion.value(node, path, 0)
        if report.problems:
            problem, key = report.problems[0], ".".join(path)
            message = problem.message.removeprefix(f"{key}: ").removeprefix(f"{key}.")
            raise self.error(message, where=place, remedy=problem.remedy)
        return value

    def _text(self, path: Path) -> str:
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise self.error(f"the file is too large for a {self.what}", where=path)
            return path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError as error:
            raise self.error(f"there is no such {self.what}", where=path) from error
        except IsADirectoryError as error:
            raise self.error(
                f"this is a folder, not a {self.what}",
                where=path,
                remedy="give the YAML file in it",
            ) from error
        except UnicodeDecodeError as error:
            raise self.error(
                f"the file is not a text in UTF-8: byte {error.start}", where=path
            ) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise self.error(f"the {self.what} cannot be read: {reason}", where=path) from error

    def _compose(self, text: str, place: str, *, lines: bool = True) -> Node | None:
        """The YAML nodes of ``text``, not yet values."""
        try:
            loader = _Loader(text)
            try:
                return loader.get_single_node()
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{place}:{mark.line + 1}:{mark.column + 1}" if mark and lines else place
            reason = ", ".join(part for part in (error.context, error.problem) if part)
            raise self.error(
                f"not valid YAML: {reason}",
                where=where,
                remedy="check the indentation, quotes and brackets around there",
            ) from error
        except yaml.YAMLError as error:
            raise self.error(f"not valid YAML: {error}", where=place) from error
        except RecursionError as error:
            raise self.error("the YAML is nested too deeply", where=place) from error


def dump_value(value: Any, *, flow: bool = False) -> str:
    """``value`` as YAML that `DocumentReader.read` reads back as the same; ends with a newline."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=flow,
        width=2**20,
    )
    return text.removesuffix("...\n")


def escaped(value: Any) -> Any:
    """``value`` with every literal ``${`` written so that it is not an interpolation when read."""
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    if isinstance(value, str):
        return _LITERAL.sub(lambda match: 2 * match[1] + r"\${", value)
    return value


_WIDEST = 48
"""Values longer than this do not push the comments of all others to the right."""


def dump_with_origins(values: dict[str, Any], origins: dict[str, str]) -> str:
    """Values as YAML that reads back, with the origin of each, by dotted key, as a comment."""
    lines = list(_lines(escaped(values), (), origins))
    width = max(len(text) for text, _ in lines if len(text) <= _WIDEST)
    shown = (f"{text:<{width}}  # {origin}" if origin else text for text, origin in lines)
    return "\n".join(shown) + "\n"


def _lines(
    values: dict[str, Any], path: KeyPath, origins: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Each line and the origin of its value; sections have none."""
    for name, value in values.items():
        inner = (*path, name)
        start = f"{'  ' * len(path)}{_flow(name)}:"
        if isinstance(value, dict) and value:
            yield start, ""
            yield from _lines(value, inner, origins)
        else:
            yield f"{start} {_flow(value)}", origins.get(".".join(inner), "")


def _flow(value: Any) -> str:
    text = dump_value(value, flow=True).strip()
    return json.dumps(value) if "\n" in text else text


def _kind(node: Node) -> str:
    kinds = {MappingNode: "mapping", SequenceNode: "list", ScalarNode: "single value"}
    return kinds[type(node)]


class _Conversion:
    """Nodes to values; aliases are followed, within bounds."""

    def __init__(
        self, reader: DocumentReader, file: str, report: Report, *, lines: bool = True
    ) -> None:
        self.reader = reader
        self.file = file
        self.report = report
        self.lines = lines
        self.left = _MOST_VALUES
        self.constructor = yaml.SafeLoader("")

    def place(self, node: Node) -> str:
        return f"{self.file}:{node.start_mark.line + 1}" if self.lines else self.file

    def problem(self, path: KeyPath, node: Node, message: str, remedy: str | None = None) -> None:
        text = f"{'.'.join(path)}: {message}" if path else message
        self.report.problems.append(Problem(self.place(node), text, remedy, path))

    def value(self, node: Node, path: KeyPath, depth: int) -> Any:
        self.left -= 1
        if self.left < 0 or depth > _DEEPEST:
            raise self.reader.error(
                "the YAML holds too much, or repeats itself", where=self.place(node)
            )
        if node.tag not in _TAGS:
            self.problem(path, node, f"the YAML tag {node.tag} is not supported")
            return None
        if isinstance(node, MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, SequenceNode):
            return [self.item(i, item, path, depth) for i, item in enumerate(node.value)]
        return self.scalar(node, path)

    def item(self, index: int, node: Node, path: KeyPath, depth: int) -> Any:
        inner = (*path, str(index))
        self.report.places[inner] = self.place(node)
        return self.value(node, inner, depth + 1)

    def scalar(self, node: Node, path: KeyPath) -> Any:
        text = str(node.value)
        is_plain = isinstance(node, ScalarNode) and node.style is None
        if is_plain and self.reader.holds_text(path):
            if node.tag in _NUMBERS:
                return text
            if not text and self.lines:
                self._ask_about_comment(node, path)
        try:
            return self.constructor.construct_object(node)
        except (ValueError, yaml.YAMLError):
            kind = node.tag.removeprefix(_PREFIX)
            self.problem(path, node, f"'{node.value}' is no {kind}")
            return None

    def _ask_about_comment(self, node: Node, path: KeyPath) -> None:
        """A problem where a value may have been lost as a comment."""
        mark = node.start_mark
        comment = _swallowed(mark.buffer[mark.pointer :].rstrip("\0") if mark.buffer else "")
        if comment is not None:
            remedy = "if it is the value, put it in quotes; if not, write a space after the '#'"
            self.problem(path, node, f"'{comment}' is a comment in YAML, not a value", remedy)

    def mapping(self, node: MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        """A mapping; keys merged by ``<<`` give way to its own."""
        values: dict[str, Any] = {}
        for source in self._merged(node):
            values.update(self.value(source, path, depth + 1))
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _PREFIX + "merge":
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            if key in lines:
                message = f"given twice, first in line {lines[key]}"
                self.problem(inner, key_node, message, "keep one of the two")
                continue
            lines[key] = key_node.start_mark.line + 1
            self.report.places[inner] = self.place(key_node)
            values[key] = self.value(value_node, inner, depth + 1)
        return values

    def _key(self, node: Node, path: KeyPath) -> str | None:
        """The name of a key; None, and a problem, where it is not a text."""
        if isinstance(node, ScalarNode) and node.tag == _PREFIX + "str":
            return str(node.value)
        text = f"'{node.value}'" if isinstance(node, ScalarNode) else f"a {_kind(node)}"
        self.problem(path, node, f"{text} is not a name for a key", "put it in quotes")
        return None

    def _merged(self, node: MappingNode) -> Iterator[MappingNode]:
        """The mappings that ``<<`` brings in, the weakest first."""
        for key_node, value_node in node.value:
            if key_node.tag != _PREFIX + "merge":
                continue
            sequence = isinstance(value_node, SequenceNode)
            for source in reversed(value_node.value) if sequence else [value_node]:
                if isinstance(source, MappingNode):
                    yield source
                else:
                    self.problem((), key_node, "'<<' merges mappings only")


def _swallowed(rest: str) -> str | None:
    """What YAML takes for a comment after ``key:`` although it may be a value, such as ``#1``."""
    line = (rest.splitlines() or [""])[0].strip()
    return line if re.match(r"#[^\s#]", line) else None
