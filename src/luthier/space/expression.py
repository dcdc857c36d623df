"""The small language of `require=` and `when=`: parsed with `ast`, never run with `eval`, stored as its text.

Numbers, strings, True, False, None; + - * / // % **; comparisons, also chained, and `in (…)`;
and, or, not; abs, min, max. Names are parameters; one that Python would not take for a name, such as
lambda or "batch size", stands between backquotes: `` `batch size` >= 32 ``. An expression is worked out on whole
columns at once, in double precision.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SpaceError

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "min": lambda *xs: reduce(np.minimum, xs),
    "max": lambda *xs: reduce(np.maximum, xs),
}
_MAX_LENGTH = 1000
_MAX_DEPTH = 60
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]*)`""", re.DOTALL)
_HINT = ": write a parameter's name that is not a name in Python, such as lambda or batch size, between backquotes"


class Expression:
    """Holds a parsed condition over parameters; equal to another of the same text.

    >>> from luthier.space import Expression
    >>> Expression("width % heads == 0").names
    ('width', 'heads')

    Raises:
        SpaceError: the text is not in the language; the message names the part that is not.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_LENGTH:
            raise SpaceError(f"an expression has {len(text)} characters: {_MAX_LENGTH} are allowed")
        plain, quoted = _without_quotes(text.strip())
        try:
            self._body = ast.parse(plain, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise SpaceError(f"the expression {text!r} cannot be read: {error}{_HINT}") from error
        _as_written(self._body, plain, quoted)
        names: list[str] = []
        self._check(self._body, names, 0)
        self.names: tuple[str, ...] = tuple(dict.fromkeys(names))
        if not self.names:
            raise SpaceError(f"the expression {text!r} names no parameter")
        found = {repr(node.value) for node in ast.walk(self._body) if isinstance(node, ast.Constant)}
        self.constants: frozenset[str] = frozenset(found & {"True", "False", "None"})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def _check(self, node: ast.AST, names: list[str], depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise SpaceError(f"the expression {self.text!r} is nested more than {_MAX_DEPTH} deep: simplify it")
        allowed = False
        if isinstance(node, ast.Name):
            names.append(node.id)
            return
        if isinstance(node, ast.Constant):
            allowed = node.value is None or isinstance(node.value, bool | int | float | str)
        elif isinstance(node, ast.BoolOp):
            allowed = True
        elif isinstance(node, ast.BinOp):
            allowed = type(node.op) in _BINARY
        elif isinstance(node, ast.UnaryOp):
            allowed = type(node.op) in _UNARY or isinstance(node.op, ast.Not)
        elif isinstance(node, ast.Compare):
            allowed = all(
                type(op) in _ORDER or isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops
            )
            for op, right in zip(node.ops, node.comparators, strict=True):
                if isinstance(op, ast.In | ast.NotIn) and not isinstance(right, ast.Tuple | ast.List | ast.Set):
                    allowed = False
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            allowed = all(isinstance(x, ast.Constant | ast.UnaryOp) for x in node.elts)
        elif isinstance(node, ast.Call):
            allowed = (
                isinstance(node.func, ast.Name)
                and node.func.id in _CALLS
                and not node.keywords
                and len(node.args) >= 1
                and (node.func.id != "abs" or len(node.args) == 1)
            )
            if allowed:
                for arg in node.args:
                    self._check(arg, names, depth + 1)
                return
        if not allowed:
            raise SpaceError(
                f"{ast.unparse(node)!r} is not allowed in the expression {self.text!r}: use parameters, numbers, "
                "strings, + - * / // % **, comparisons, in (...), and, or, not, abs, min, max"
            )
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._check(child, names, depth + 1)

    def __call__(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Where it holds.

        Args:
            columns: for every name in `names` an array (n,): float64, or object for labels that are not numbers.

        Returns:
            (n,) booleans. A comparison with NaN does not hold.

        Raises:
            SpaceError: an operation makes no sense for the values, such as text < number.
        """
        n = len(next(iter(columns.values())))
        try:
            with np.errstate(all="ignore"):
                result = self._evaluate(self._body, columns)
            return np.broadcast_to(np.asarray(result).astype(bool), (n,)).copy()
        except (TypeError, ValueError, OverflowError) as error:
            raise SpaceError(f"the expression {self.text!r} cannot be evaluated: {error}") from error

    def _evaluate(self, node: ast.AST, columns: Mapping[str, NDArray[Any]]) -> Any:
        match node:
            case ast.Name(id=name):
                return columns[name]
            case ast.Constant(value=value):
                return float(value) if isinstance(value, bool | int) else value
            case ast.BoolOp(op=op, values=values):
                fold = np.logical_and if isinstance(op, ast.And) else np.logical_or
                parts = (np.asarray(self._evaluate(v, columns)).astype(bool) for v in values)
                return reduce(fold, parts)
            case ast.UnaryOp(op=op, operand=operand):
                value = self._evaluate(operand, columns)
                return np.logical_not(value) if isinstance(op, ast.Not) else _UNARY[type(op)](_number(value))
            case ast.BinOp(op=op, left=left, right=right):
                sides = (_number(self._evaluate(side, columns)) for side in (left, right))
                return _BINARY[type(op)](*sides)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                result: Any = True
                a = self._evaluate(left, columns)
                for comparison, comparator in zip(ops, comparators, strict=True):
                    if isinstance(comparison, ast.In | ast.NotIn):
                        elements = [self._evaluate(x, columns) for x in comparator.elts]  # type: ignore[attr-defined]
                        held = reduce(np.logical_or, (_equal(a, x) for x in elements), np.False_)
                        result = np.logical_and(
                            result, held if isinstance(comparison, ast.In) else np.logical_not(held)
                        )
                        continue
                    b = self._evaluate(comparator, columns)
                    if isinstance(comparison, ast.Eq | ast.NotEq):
                        held = _equal(a, b)
                        held = held if isinstance(comparison, ast.Eq) else np.logical_not(held)
                    else:
                        held = _ORDER[type(comparison)](a, b)
                    result = np.logical_and(result, held)
                    a = b
                return result
            case ast.Call(func=ast.Name(id=name), args=args):
                return _CALLS[name](*(_number(self._evaluate(x, columns)) for x in args))
        raise AssertionError(f"unchecked node {node!r}")


def _number(x: Any) -> Any:
    """Truth values as 0 and 1, as Python counts with them; NumPy does not."""
    return np.asarray(x, dtype=np.float64) if np.asarray(x).dtype == bool else x


def _equal(a: Any, b: Any) -> Any:
    """Elementwise equality that takes text and numbers to differ instead of failing."""
    if isinstance(b, str | None.__class__) or isinstance(a, str | None.__class__):
        return np.equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object)).astype(bool)
    return np.asarray(a == b).astype(bool)


def _without_quotes(text: str) -> tuple[str, dict[str, str]]:
    """The text with a made-up name for every name between backquotes, and these names by the made-up ones."""
    stem = "q_"
    while stem in text:
        stem += "_"
    quoted: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:  # a string, in which a backquote is a character
            return match[0]
        made_up = f"{stem}{len(quoted)}"
        quoted[made_up] = name
        return made_up

    return _QUOTED.sub(replaced, text), quoted


def _as_written(tree: ast.AST, text: str, quoted: Mapping[str, str]) -> None:
    """Give names back what `ast` made of them: it normalises letters, so that µ is not µ any more."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = quoted.get(node.id) or ast.get_source_segment(text, node) or node.id


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """Return the expression of a text; parsed once."""
    if not isinstance(text, str):
        raise SpaceError(f"an expression must be a string, not {text!r}")
    return Expression(text)
