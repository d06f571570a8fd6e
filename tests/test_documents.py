"""What the documents promise: every path, function, test, command, option, target and link in them exists.

A document that names something that was moved or renamed fails here, and so does a new document nobody links to.
"""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
LARGEST_README = 8 * 1024
#: What a newcomer reads. The log and the changelog tell of the past, in which files had other names.
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
        *(ROOT / "assets").glob("*/README.md"),
        *(path for path in (ROOT / "docs").glob("*.md") if path.name != "log.md"),
    ]
)
#: `core/edits/text.py`, `docs/`, `core/edits/text.py:read_items`, `core/engine.py:Engine.measure`
PATH = re.compile(r"((?:[\w.-]+/)*[\w.-]*(?:\.\w+|/))(?::([A-Za-z_][\w.]*))?")
#: Paths that stand for any name, are made on the reader's machine, or are files of the reader: in no clone.
NOT_HERE = re.compile(
    r".*NAME|benchmarks/out|cache/files|\.venv|params\.npz|.*\.(?:txt|pth?|whl|jsonl?)$|\.\w+$|owner/|<"
)
PACKAGES = ("core", "cache", "pages")
LONGEST_PACKAGE_TEXT = 10


def names_of(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def committed() -> list[str]:
    """What a clone will hold: files that are committed, or would be by `git add .`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return [name for name in listed if name and (ROOT / name).is_file()]


def code_of(text: str) -> str:
    """The parts of a document that are code: fenced blocks, indented blocks, and what stands in backticks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`|^    [^\n]+$", text, flags=re.DOTALL | re.MULTILINE))


@cache
def defined(path: Path) -> frozenset[str]:
    """Names that a Python file defines at its top, and what its classes define, as `Class.name`."""
    found: set[str] = set()

    def names(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    names(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.Assign):
                found.update(prefix + target.id for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(prefix + node.target.id)
            elif isinstance(node, ast.If):  # names for type checkers that are imported when first used
                names(node.body, prefix)
            elif isinstance(node, ast.ImportFrom):
                found.update(prefix + (alias.asname or alias.name) for alias in node.names)

    names(ast.parse(text_of(path)).body, "")
    return frozenset(found)


def tree_of(text: str) -> list[str]:
    """The paths of a folder tree drawn in a fenced block: a path at each line's start, then what is in it."""
    blocks = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    return [path for block in blocks for path in re.findall(r"^ {0,2}([\w./-]+[/.][\w./-]*) {2,}\S", block, re.M)]


@pytest.mark.parametrize("name", names_of(DOCUMENTS))
def test_every_path_and_name_in_backticks_exists(name: str) -> None:
    missing = []
    for written in re.findall(r"`([^`\n]+)`", text_of(ROOT / name)):
        match = PATH.fullmatch(written)
        if not match or NOT_HERE.match(written) or (name.startswith("assets/") and not (ROOT / written).exists()):
            continue
        path, inside = ROOT / match[1], match[2]
        if not path.exists() and "/" not in match[1].rstrip("/"):
            continue  # a file's name alone: cfg.json, core.py of somebody else's; whole paths are what is promised
        if not path.exists() or (inside and inside not in defined(path)):
            missing.append(written)
    assert not missing


def test_the_tree_of_the_architecture_names_every_folder_and_nothing_else() -> None:
    drawn = tree_of(text_of(ROOT / "ARCHITECTURE.md"))
    assert not [path for path in drawn if not (ROOT / path).exists()]
    folders = {name.rpartition("/")[0] for name in committed() if name.startswith(tuple(f"{p}/" for p in PACKAGES))}
    wanted = {"/".join(folder.split("/")[:2]) + "/" for folder in folders}
    assert not wanted - {f"{path.rstrip('/')}/" for path in drawn}


@pytest.mark.parametrize("name", names_of(DOCUMENTS))
def test_every_link_between_documents_resolves(name: str) -> None:
    text, broken = text_of(ROOT / name), []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        found = (ROOT / name).parent / path if path else ROOT / name
        if not found.exists():
            broken.append(target)
        elif heading:
            titles = re.findall(r"^#+ (.+)$", text_of(found), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            broken += [target] if heading not in anchors else []
    assert not broken


def test_every_document_is_linked_from_the_readme_or_from_one_that_is() -> None:
    linked = set(re.findall(r"\]\(([^)\s#]+)", text_of(README)))
    for name in [name for name in linked if name.startswith("docs/") and name.endswith(".md")]:
        linked |= {f"docs/{target}" for target in re.findall(r"\]\(([\w-]+\.md)", text_of(ROOT / name))}
    wanted = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} | {"ARCHITECTURE.md", "CONTRIBUTING.md"}
    assert not wanted - linked


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len(README.read_bytes()) <= LARGEST_README


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):[^=\n#]*## .+$", text_of(ROOT / "Makefile"), flags=re.MULTILINE))


def test_every_make_target_the_documents_name_exists() -> None:
    named = {
        target for path in DOCUMENTS for target in re.findall(r"(?<!card )\bmake ([a-z-]+)", code_of(text_of(path)))
    }
    assert {"run", "test"} <= named, "the README names the two commands"
    assert named <= makefile_targets()


def help_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What `python -m core … --help` prints, in this process."""
    monkeypatch.setattr(sys, "argv", ["core", *arguments, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("core", run_name="__main__")
    assert ended.value.code == 0
    return capsys.readouterr().out


def commands_in(text: str) -> list[tuple[str, list[str]]]:
    """(subcommand, options) of every `python -m core …` and `hydrascope …` in a document's code."""
    found = re.findall(r"(?:python -m core|^    hydrascope|`hydrascope) +([a-z]+)([^`\n#]*)", code_of(text), re.M)
    return [(name, re.findall(r"(?<![\w-])--[a-z-]+", rest)) for name, rest in found]


def test_every_command_and_option_the_documents_name_exists(capsys, monkeypatch) -> None:
    known = set(re.search(r"\{([\w,-]+)\}", help_of(capsys, monkeypatch))[1].split(","))  # type: ignore[index]
    named = [(path, *command) for path in DOCUMENTS for command in commands_in(text_of(path))]
    assert {name for _, name, _ in named} - known <= {"run"}, "hydrascope run is the page, and no command of the engine"
    for name in sorted({name for _, name, _ in named} & known):
        texts = [help_of(capsys, monkeypatch, name)]
        for action in (
            re.findall(r"^ {4}(\w+) {2,}", texts[0], flags=re.MULTILINE)
            if name in ("card", "models", "saes", "study")
            else ()
        ):
            texts.append(help_of(capsys, monkeypatch, name, action))
        options = {option for _, command, given in named if command == name for option in given}
        unknown = {option for option in options if not re.search(rf"{option}\b", "\n".join(texts))}
        assert not unknown, f"python -m core {name}"


def test_every_part_of_the_benchmark_the_documents_name_exists() -> None:
    source = text_of(ROOT / "benchmarks" / "__main__.py")
    found = [parts for path in DOCUMENTS for parts in re.findall(r"-m benchmarks --parts ([\w,]+)", text_of(path))]
    assert found
    assert not [part for parts in found for part in parts.split(",") if f'"{part}" in parts' not in source]


def test_the_python_of_the_readme_runs(tiny, monkeypatch, capsys) -> None:
    """On the tiny model, which stands in for the demo: the same calls, other numbers."""
    (block,) = re.findall(r"```python\n(.*?)```", text_of(README), flags=re.DOTALL)
    assert len([line for line in block.splitlines() if line.strip()]) <= 12
    monkeypatch.setattr("core.load", lambda name: tiny)
    exec(compile(block, str(README), "exec"), {"__name__": "readme"})
    assert len(capsys.readouterr().out.splitlines()) >= 3


def packages() -> list[str]:
    """Every folder of the program that holds Python, `pages` and its folders too."""
    files = [name for name in committed() if name.endswith(".py") and name.startswith(tuple(f"{p}/" for p in PACKAGES))]
    return sorted({name.rpartition("/")[0] for name in files})


@pytest.mark.parametrize("folder", packages())
def test_every_package_says_what_it_knows_in_at_most_ten_lines(folder: str) -> None:
    opening = ROOT / folder / "__init__.py"
    assert opening.is_file(), "every package opens with an __init__.py that says what is in it"
    text = ast.get_docstring(ast.parse(text_of(opening))) or ""
    assert 1 < len(text.splitlines()) <= LONGEST_PACKAGE_TEXT
    assert re.search(r"\bknows\b", text, re.IGNORECASE), "what it knows"
    assert re.search(r"not know|knows nothing", text, re.IGNORECASE), "and what it does not"
    _, found, public = text.partition("Public:")
    assert found, "and its public names, after “Public:”"
    names = re.findall(r"`([\w.]+)`", public)
    assert names
    assert not [name for name in names if not has(ROOT / folder, name)]


def has(folder: Path, name: str) -> bool:
    """Whether a package has `module`, `module.name`, or `name` among what its `__init__` gives."""
    module, _, inside = name.partition(".")
    if (folder / module).is_dir():
        return not inside or has(folder / module, inside)
    if (folder / f"{module}.py").is_file():
        return not inside or inside in defined(folder / f"{module}.py")
    return name in defined(folder / "__init__.py")
