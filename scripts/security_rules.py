"""Rules about secrets and safe pages that no linter here knows. Run by `make lint`.

Used as `python scripts/security_rules.py PACKAGE...`; fails if a rule is broken. ruff's rules S (those of bandit) find
formatted SQL, shells, weak hashes and the like. These are beside them:

LOG   nothing is given to a log call whose name says that it is a secret, a text of a person's, or an e-mail address
SAME  secrets are compared by hmac.compare_digest, never by == or !=, which tell by their time how much fits
HTML  what becomes HTML as it is (SafeString, mark_safe, the form of format_html) stands in the code, word by word
PAGE  templates escape everything, and hold no script and no handler: the Content-Security-Policy would stop those
WHY   whoever switches a rule of S off says why, behind the code of the rule

A line ends its own rule by `# rule LOG: why`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SECRETS = frozenset({"digest", "mac", "password", "secret", "signature", "ticket", "token"})
TELLING = SECRETS | frozenset(
    {
        "access", "authorization", "body", "cookie", "email", "endpoint", "frame", "jwt", "nonce", "payload", "query",
        "recipient", "refresh", "text", "texts",
    }
)  # fmt: skip
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
AS_IT_IS = frozenset({"SafeString", "SafeText", "mark_safe", "format_html"})
_ALLOWED = re.compile(r"# rule (LOG|SAME|HTML): \S")
_BARE_NOQA = re.compile(r"# noqa: (?:[A-Z]+\d+, ?)*S\d+(?:, ?[A-Z]+\d+)*\s*$")
_UNSAFE_IN_PAGE = re.compile(
    r"\|\s*(?:safe|safeseq)\b|{%\s*autoescape\s+off|<script(?![^>]*\bsrc=)|\son[a-z]+\s*=\s*[\"']|javascript:|<style",
    re.IGNORECASE,
)

Found = tuple[int, str, str]


def last_name(node: ast.expr) -> str:
    """Of a variable, or of what is asked last: `token`, `claims.token`, `found["token"]`; "" for other things."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


def is_called(node: ast.expr, names: frozenset[str]) -> bool:
    """Whether its last word is one of these: `old_token` is a token, `token_count` is a count."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", last_name(node))
    return bool(parts) and parts[-1].lower() in names


def said(node: ast.expr) -> Iterator[ast.expr]:
    """What of an expression becomes text: not what is asked of a function, a length or a type."""
    match node:
        case ast.JoinedStr():
            for each in node.values:
                if isinstance(each, ast.FormattedValue):
                    yield from said(each.value)
        case ast.BinOp():
            yield from said(node.left)
            yield from said(node.right)
        case ast.Tuple() | ast.List():
            for each in node.elts:
                yield from said(each)
        case ast.IfExp():
            yield from said(node.body)
            yield from said(node.orelse)
        case ast.Call(func=ast.Name(id="str" | "repr")):
            for each in node.args:
                yield from said(each)
        case _:
            yield node


class Rules(ast.NodeVisitor):
    """Collects what one file breaks."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self._constants: set[str] = set()

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Constant):
            self._constants.update(target.id for target in node.targets if isinstance(target, ast.Name))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = last_name(node.func)
        if name in LOG_METHODS and isinstance(node.func, ast.Attribute) and "log" in last_name(node.func.value).lower():
            for argument in node.args:
                for each in said(argument):
                    if is_called(each, TELLING):
                        self.found.append((node.lineno, "LOG", f"{last_name(each)} is given to a log call"))
        if name in AS_IT_IS and node.args and not self._is_constant(node.args[0]):
            self.found.append((node.lineno, "HTML", f"{name}() of what does not stand here"))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        are_equal = all(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
        if are_equal and any(is_called(each, SECRETS) for each in sides) and not any(map(self._is_constant, sides)):
            self.found.append((node.lineno, "SAME", "a secret is compared by == or !="))
        self.generic_visit(node)

    def _is_constant(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in self._constants)


def broken_in_code(text: str) -> list[Found]:
    """What a Python file breaks: line, rule, in words."""
    rules = Rules()
    rules.visit(ast.parse(text))
    lines = text.splitlines()
    found = [each for each in rules.found if not _is_allowed(lines[each[0] - 1], each[1])]
    return found + [
        (number, "WHY", "a rule is switched off without a reason")
        for number, line in enumerate(lines, 1)
        if _BARE_NOQA.search(line)
    ]


def _is_allowed(line: str, rule: str) -> bool:
    allowed = _ALLOWED.search(line)
    return allowed is not None and allowed[1] == rule


def broken_in_page(text: str) -> list[Found]:
    """What a template breaks."""
    return [
        (number, "PAGE", f"{match[0].strip()} in a template")
        for number, line in enumerate(text.splitlines(), 1)
        if (match := _UNSAFE_IN_PAGE.search(line))
    ]


def main(folders: list[str]) -> int:
    broken = 0
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix == ".py" and "migrations" not in path.parts:
                found = broken_in_code(path.read_text(encoding="utf-8"))
            elif path.suffix == ".html" and "templates" in path.parts and "mail" not in path.parts:
                found = broken_in_page(path.read_text(encoding="utf-8"))
            else:
                continue
            for line, rule, what in found:
                sys.stdout.write(f"{path}:{line}: {rule}: {what}\n")
                broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
