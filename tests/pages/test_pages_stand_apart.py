"""No page imports another: what two pages need is in pages/shared, which imports no page."""

from __future__ import annotations

import ast
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "pages"
SHARED = "shared"


def imported(path: Path) -> set[str]:
    """The folders of pages/ that a module imports from, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.split(".")[1] for name in names if name.startswith("pages.")}


def test_no_page_imports_another():
    modules = sorted(PAGES.glob("*/**/*.py"))
    assert len(modules) > 30
    wrong = {
        f"{path.relative_to(PAGES)} imports pages.{name}"
        for path in modules
        for name in imported(path) - {SHARED, path.relative_to(PAGES).parts[0]}
    }
    assert not wrong


def test_the_style_sheet_is_named_in_one_place():
    naming = [path for path in PAGES.rglob("*.py") if "style.css" in path.read_text(encoding="utf-8")]
    assert [path.name for path in naming] == ["style.py"]
