"""What is chosen or typed on a page is there again after another page.

Streamlit forgets a widget's value as soon as a page without it is drawn. So each says persist_state, or its value is
kept elsewhere, for a reason that stands here.
"""

from __future__ import annotations

import ast
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "pages"
WIDGETS = {
    "checkbox",
    "multiselect",
    "number_input",
    "pills",
    "segmented_control",
    "select_slider",
    "selectbox",
    "slider",
    "text_area",
    "text_input",
    "toggle",
}
#: Module and label of a widget without persist_state → where its value is kept.
ELSEWHERE = {
    ("bos/choose.py", "Features that are clamped"): "the page's clamp",
    ("bos/clamp.py", "Clamp value"): "the number beside it",
    ("hydra/heads.py", "Round"): "the last round at first, of rounds that were played",
    ("hydra/page.py", "View"): "the workspace's settings",
    ("judges/agreement.py", "Page, 1 to {pages}"): "where one reads, no choice",
    ("models/picker.py", "Model"): "the model in use at first",
    ("shared/cards.py", "Answer length in tokens"): "the workspace's settings",
    ("shared/cards.py", "Thinking"): "the workspace's settings",
    ("shared/prompt_box.py", "Try a pair"): "the prompt itself",
    ("shared/quick_sets.py", "Clicking a set"): "the workspace's settings",
    ("shared/quick_sets.py", "Features per layer (K)"): "the workspace's settings",
    ("shared/quick_sets.py", "Minimum cosine with the direction"): "the workspace's settings",
    ("shared/quick_sets.py", "Seed of the random control"): "the workspace's settings",
    ("shared/sidebar.py", "Keep answers"): "the store",
    ("shared/strip.py", "Edits: click one to switch it off or on"): "the workspace's edits",
}


def widgets() -> dict[tuple[str, str], bool]:
    """Module and label of each widget → whether it persists."""
    found = {}
    for path in PAGES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WIDGETS:
                label = node.args[0]
                text = label.value if isinstance(label, ast.Constant) else ast.unparse(label).strip("f'")
                persists = any(keyword.arg == "persist_state" for keyword in node.keywords)
                found[path.relative_to(PAGES).as_posix(), str(text)] = persists
    return found


def test_every_choice_stays():
    found = widgets()
    assert len(found) > 80
    assert {where for where, persists in found.items() if not persists} == set(ELSEWHERE)
