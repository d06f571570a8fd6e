"""Print the folders of the program by level: each imports only from levels below it.

    python scripts/import_levels.py

Knows: which module imports which, read from the sources. Runs nothing of them. A node is a folder (core/x, cache/x,
pages/x; a folder inside it counts as part of it); a file that stands directly in core, cache or pages is a node without
a level of its own, which passes on the level of what it imports. Exit status 1 on a cycle or beyond MOST_LEVELS.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOP = ("core", "cache", "pages")
MOST_LEVELS = 13

#: node → the nodes it imports
Graph = Mapping[str, frozenset[str]]


def import_graph(root: Path = ROOT) -> Graph:
    """Of every module under core, cache and pages; imports inside functions count too."""
    found: dict[str, set[str]] = {}
    for top in TOP:
        for path in sorted((root / top).rglob("*.py")):
            node = node_of(path.relative_to(root))
            found.setdefault(node, set()).update(_imports(path, root))
    return {node: frozenset(others - {node}) for node, others in found.items()}


def node_of(path: Path) -> str:
    """core/saes/formats/open.py → core/saes; core/errors.py → core/errors.py."""
    return "/".join(path.parts[:2])


def is_folder(node: str) -> bool:
    return not node.endswith(".py")


def _imports(path: Path, root: Path) -> Iterator[str]:
    """The nodes that one module imports."""
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names = [f"{statement.module}.{alias.name}" for alias in statement.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in TOP and (file := _file(name, root)) is not None:
                yield node_of(file.relative_to(root))


def _file(name: str, root: Path) -> Path | None:
    """The file of a dotted name: a module, a package, or where it stands in one."""
    parts = name.split(".")
    while parts:
        place = root.joinpath(*parts)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
        parts.pop()
    return None


def cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Groups of nodes that import each other, directly or by way of others."""
    reached = {node: _reached(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reached[node] if node in reached[other])) for node in graph}
    return sorted(group for group in groups if len(group) > 1)


def _reached(graph: Graph, node: str) -> set[str]:
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def levels(graph: Graph) -> dict[str, int]:
    """node → how many folders are in the longest chain of imports from it downwards, itself included."""
    known: dict[str, int] = {}

    def level(node: str) -> int:
        if node not in known:
            known[node] = is_folder(node) + max((level(other) for other in graph[node]), default=0)
        return known[node]

    for node in graph:
        level(node)
    return known


def main() -> int:
    graph = import_graph()
    if found := cycles(graph):
        for group in found:
            inside = [f"  {a} imports {b}" for a in group for b in sorted(graph[a]) if b in group]
            print("These import each other:", *inside, sep="\n")
        return 1
    by_level = levels(graph)
    for level in range(max(by_level.values()) + 1):
        print(f"{level:2d}  {'  '.join(sorted(node for node, at in by_level.items() if at == level))}")
    return int(max(by_level.values()) > MOST_LEVELS)


if __name__ == "__main__":
    sys.exit(main())
