"""Draws 60 texts of the project at random, for a grader to judge whether each is clear at once.

    python -m tests.sample_texts --seed 7

The same seed and the same tree give the same texts. Each is printed with its kind and place, and with what a reader
sees beside it: the class and signature of a docstring, the code below a comment, the headings above a sentence, the
header of a table row. The list of promises is left out: each of its lines repeats the sentence of a test.
"""

from __future__ import annotations

import argparse
import ast
import io
import random
import re
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

SHARES = {"help": 8, "error": 8, "docs": 12, "docstring": 18, "comment": 6, "test": 8}
"""The number of texts of each kind in one sample."""

DESCRIBED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ERROR_FIELDS = ("message", "why", "hint")
NOT_PROSE = ("# fmt:", "# noqa", "# type:", "# pragma", "#!")


class Text(NamedTuple):
    """One text of the project. `subject` is what a reader sees beside it, such as a signature or a heading."""

    kind: str
    path: str
    line: int
    text: str
    subject: str = ""


def literal(node: ast.expr, constants: Mapping[str, str] = MappingProxyType({})) -> str:
    """The text of a string, with `{name}` for each value of an f-string; empty for any other expression.

    A value that is one of the module's `constants` is replaced by its text, and a choice by its first text.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    if isinstance(node, ast.IfExp):
        return literal(node.body, constants)
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
        return "".join(literal(part, constants) or "{" + ast.unparse(part) + "}" for part in parts)
    if isinstance(node, ast.BinOp):
        return literal(node.left, constants) + literal(node.right, constants)
    return ""


def constants_of(tree: ast.Module) -> dict[str, str]:
    """The names of the module's constants that are plain strings, with their texts."""
    constants: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            constants[ast.unparse(node.target)] = literal(node.value)
        if isinstance(node, ast.Assign):
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            constants |= {ast.unparse(name): literal(text) for name, text in zip(names, values, strict=False)}
    return {name: text for name, text in constants.items() if text}


def called(node: ast.Call) -> str:
    """The last part of the called function's name: `errors.UsageError(...)` gives `UsageError`."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def error_names() -> set[str]:
    """The names of dsops' exception classes."""
    files = sorted((ROOT / "src/dsops/errors").glob("*.py"))  # base.py first: it defines DsopsError
    names = {"DsopsError"}
    for node in [node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body]:
        if isinstance(node, ast.ClassDef) and names & {ast.unparse(base) for base in node.bases}:
            names.add(node.name)
    return names


def help_texts(path: str, tree: ast.Module) -> Iterator[Text]:
    """Yield the help texts of flags, operands and commands."""
    constants = constants_of(tree)
    names = {
        id(value): literal(key)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        values = {keyword.arg: keyword.value for keyword in node.keywords}
        texts = [values[name] for name in ("help", "summary", "description") if name in values]
        if called(node) in {"Flag", "Operand"} and len(node.args) > 1:
            texts.append(node.args[1])
        name = names.get(id(node)) or (
            literal(node.args[0], constants) or ast.unparse(node.args[0]) if node.args else ""
        )
        placeholder = literal(values["value"], constants) if "value" in values else ""
        subject = " ".join(filter(None, [called(node), name, placeholder]))
        for text in texts:
            if literal(text, constants):
                yield Text("help", path, node.lineno, literal(text, constants), subject)


def error_texts(path: str, tree: ast.Module, errors: set[str]) -> Iterator[Text]:
    """Yield the text of each raised error: message, why and hint together."""
    constants = constants_of(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node): function for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in errors and node.args and literal(node.args[0]):
            fields = {
                keyword.arg: literal(keyword.value, constants) or assigned(keyword.value, inside.get(id(node), tree))
                for keyword in node.keywords
            }
            lines = [f"{name}: {fields[name]}" for name in ERROR_FIELDS if fields.get(name)]
            yield Text("error", path, node.lineno, "\n".join([literal(node.args[0], constants), *lines]), called(node))


def assigned(value: ast.expr, tree: ast.AST) -> str:
    """The text last assigned above to the variable `value`; its code in braces if that is no plain text."""
    if isinstance(value, ast.Constant):
        return ""
    if not isinstance(value, ast.Name):
        return f"{{{ast.unparse(value)}}}"
    texts = [
        (node.lineno, text)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.lineno < value.lineno
        for target, text in targets_of(node)
        if isinstance(target, ast.Name) and target.id == value.id
    ]
    return next((text for _, text in sorted(texts, reverse=True) if text), f"{{{value.id}}}")


def targets_of(node: ast.Assign) -> Iterator[tuple[ast.expr, str]]:
    """Yield each target of an assignment with its text: two pairs for `why, hint = "...", "..."`.

    A value in such a list that is no plain text is shown as code, so that a reason is never shown with the hint of
    another branch.
    """
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            for name, value in zip(target.elts, node.value.elts, strict=False):
                yield name, literal(value) or f"{{{ast.unparse(value)}}}"
        else:
            yield target, literal(node.value)


def signature(node: ast.AST) -> str:
    """The signature that a docstring describes, on one line."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"def {node.name}({ast.unparse(node.args)}){returns}"
    return f"class {node.name}" if isinstance(node, ast.ClassDef) else "module"


def docstrings(kind: str, path: str, tree: ast.Module) -> Iterator[Text]:
    """Yield the docstrings of modules, classes and functions, and the strings below attributes and constants."""
    owners = {
        id(member): f"class {node.name}: "
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for member in node.body
    }
    for node in ast.walk(tree):
        if not isinstance(node, DESCRIBED):
            continue
        text = ast.get_docstring(node)
        if text:
            yield Text(kind, path, node.body[0].lineno, text, owners.get(id(node), "") + signature(node))
        for above, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(above, ast.Assign | ast.AnnAssign) and isinstance(below, ast.Expr) and literal(below.value):
                subject = owners.get(id(above), "") + ast.unparse(above).splitlines()[0][:120]
                yield Text(kind, path, below.lineno, literal(below.value), subject)


def comments(path: str, source: str) -> Iterator[Text]:
    """Yield the comments, each with its line of code or the line below; consecutive comment lines are one text."""
    block: list[tuple[int, str]] = []
    lines = [*source.splitlines(), ""]
    was_alone = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or token.string.startswith(NOT_PROSE):
            continue
        is_alone = not token.line[: token.start[1]].strip()
        if block and not (is_alone and was_alone and token.start[0] == block[-1][0] + 1):
            yield joined(path, block, lines)
            block = []
        block.append((token.start[0], token.string.lstrip("# ")))
        was_alone = is_alone
    if block:
        yield joined(path, block, lines)


def joined(path: str, block: list[tuple[int, str]], lines: list[str]) -> Text:
    """Join the lines of a block to one comment; the code beside it, or else below it, is its subject."""
    beside = lines[block[0][0] - 1].partition("#")[0].strip()
    return Text(
        "comment", path, block[0][0], "\n".join(text for _, text in block), beside or lines[block[-1][0]].strip()
    )


def document_texts(path: str, source: str) -> Iterator[Text]:
    """Yield the headings, table rows and sentences of a page, each with the headings above and a row with its header.

    A table's header is shown with the first row below it. Code blocks are left out.
    """
    lines = [*source.splitlines(), ""]
    is_code = False
    paragraph: list[str] = []
    headings: list[str] = []
    header = ""
    start = 0
    for number, line in enumerate(lines, 1):
        is_fence = line.lstrip().startswith(("```", "~~~"))
        is_code ^= is_fence
        is_prose = not (is_code or is_fence or line.startswith("    ") or not line.strip())
        is_alone = line.startswith(("#", "|"))
        if paragraph and (not is_prose or is_alone or re.match(r"\s*([-*]|\d+\.) ", line)):
            yield from in_paragraph(path, start, paragraph, " > ".join(headings))
            paragraph = []
        if is_prose and line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            yield Text("docs", path, number, line.strip(), " > ".join(headings[: level - 1]))
            headings = [*headings[: level - 1], line.strip("# ")]
        elif is_prose and line.startswith("|") and not set(line) <= set("|-: "):
            row = line.strip() if header else "\n".join([line.strip(), *lines[number + 1 : number + 2]])
            yield Text("docs", path, number, row, "\n    ".join(filter(None, [" > ".join(headings), header])))
            header = header or line.strip()
        elif is_prose and not is_alone:
            start = number if not paragraph else start
            paragraph.append(line.strip().removeprefix("> "))
        if not line.startswith("|"):
            header = ""


def in_paragraph(path: str, start: int, lines: list[str], headings: str) -> Iterator[Text]:
    """Yield the sentences of a paragraph, each with the headings above it and the sentence before it."""
    before = ""
    for text in sentences(" ".join(lines)):
        yield Text("docs", path, start, text, "\n    ".join(filter(None, [headings, before])))
        before = f"... {text}"


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, without list markers."""
    return [text for text in re.split(r"(?<=[.!?])\s+(?=[A-Z`\[])", paragraph) if len(text.split()) > 2]


def texts() -> list[Text]:
    """Every text of the project, in the order of paths and lines."""
    errors = error_names()
    result: list[Text] = []
    for file in sorted((ROOT / "src").rglob("*.py")):
        path, source = str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")
        tree = ast.parse(source)
        result += [*docstrings("docstring", path, tree), *comments(path, source), *error_texts(path, tree, errors)]
        result += help_texts(path, tree) if "/cli/" in path else []
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        path, tree = str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))
        result += [text for text in docstrings("test", path, tree) if text.subject.startswith("def test_")]
    pages = [*ROOT.glob("*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("examples/*/*.md"), *ROOT.glob("docs/**/*.md")]
    for file in sorted(page for page in pages if page.name != "promises.md"):
        result += document_texts(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))
    return result


def draw(seed: int) -> list[Text]:
    """Draw the texts for one seed: a fixed number of each kind, in the order of `SHARES`."""
    chance = random.Random(seed)  # noqa: S311 - a sample, not a secret
    every = texts()
    return [
        text
        for kind, share in SHARES.items()
        for text in chance.sample([candidate for candidate in every if candidate.kind == kind], share)
    ]


def show(number: int, text: Text) -> str:
    """Format one text: its number, kind and place, what it describes, and the indented text itself."""
    subject = f"\n    [{text.subject}]" if text.subject else ""
    body = "\n".join(f"    {line}" for line in text.text.strip().splitlines())
    return f"{number}. {text.kind}  {text.path}:{text.line}{subject}\n{body}\n"


def main() -> None:
    """Print the sample for the seed given on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.sample_texts", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, required=True, help="which draw: the same number gives the same texts")
    for number, text in enumerate(draw(parser.parse_args().seed), 1):
        print(show(number, text))


if __name__ == "__main__":
    main()
