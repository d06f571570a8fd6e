"""House rules that no linter knows: who may import whom, and what may be committed. Documents: `test_documents.py`."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from scripts.import_levels import MOST_LEVELS, cycles, import_graph, levels

ROOT = Path(__file__).resolve().parent.parent
# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"""(?<![\w.:/-])/(?:root|home|Users|work|tmp|opt|mnt|var)/[\w.]""")
MEBIBYTE = 2**20
LONGEST_MODULE, LONGEST_TEST = 300, 400


def house_files() -> list[Path]:
    """Every file that is committed, or would be by `git add .`: what a clone will hold."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def modules(folder: str = "") -> list[Path]:
    """Python files, all of them or those under one top-level folder."""
    return [path for path in house_files() if path.suffix == ".py" and name_of(path).startswith(folder)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """The top-level names a module imports, anywhere in it, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def imported_modules(path: Path) -> set[str]:
    """The full names of what a module imports, anywhere in it; `from a import b` counts as a and as a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_private(name: str) -> bool:
    """What a module keeps to itself. Named tuples' methods begin with an underscore too, and are for everybody."""
    return bool(re.match(r"_[A-Za-z]", name)) and name not in {"_replace", "_fields", "_asdict"}


def private_names(source: str) -> list[str]:
    """“line: name” of what a test takes from core, cache or pages and begins with an underscore.

    Seen are such imports, attributes of anything reached from an imported name, and names given to setattr.
    """
    tree, ours, found = ast.parse(source), set[str](), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in {"core", "cache", "pages"}:
            ours |= {alias.asname or alias.name for alias in node.names}
            found += [f"{node.lineno}: {alias.name}" for alias in node.names if is_private(alias.name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and root(node) in ours:
            found.append(f"{node.lineno}: {node.attr}")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"setattr", "delattr"}:
            of, name = (*node.args, None, None)[:2]
            if isinstance(name, ast.Constant) and is_private(str(name.value)) and root(of) in ours:
                found.append(f"{node.lineno}: {name.value}")
    return found


def root(node: ast.AST | None) -> str:
    """The name an expression begins with: “a” of a.b(c)[d].e."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def test_modules_import_only_from_their_left() -> None:
    forbidden = {
        "core": {"streamlit", "altair", "pages", "app", "cache", "scripts", "benchmarks", "tests"},
        "cache": {"pages", "app", "scripts", "benchmarks", "tests"},
        "pages": {"torch", "transformers", "sae_lens", "app", "scripts", "benchmarks", "tests"},
    }
    # The command line stands at the end of the line, as app.py does; its runs go into the store the pages show.
    command_line = ("core/__main__.py", "core/commands/")
    wrong = {
        f"{name_of(path)} imports {name}"
        for folder, names in forbidden.items()
        for path in modules(f"{folder}/")
        for name in imported(path) & names
        if not (name == "cache" and name_of(path).startswith(command_line))
    }
    assert not wrong


def test_folders_import_only_from_levels_below_them() -> None:
    graph = import_graph()
    assert not cycles(graph)
    assert 1 < max(levels(graph).values()) <= MOST_LEVELS


def test_cycles_and_levels_are_seen() -> None:
    graph = {
        "core/a": frozenset({"core/one.py"}),
        "core/one.py": frozenset({"core/b"}),
        "core/b": frozenset[str](),
        "core/c": frozenset({"core/a", "core/b"}),
    }
    assert not cycles(graph)
    assert levels(graph) == {"core/b": 1, "core/one.py": 1, "core/a": 2, "core/c": 3}
    assert cycles(graph | {"core/b": frozenset({"core/a"})}) == [("core/a", "core/b", "core/one.py")]


def test_no_page_imports_another() -> None:
    graph = import_graph()
    pages = {node for node in graph if node.startswith("pages/") and node != "pages/shared"}
    # The files that Streamlit runs stand directly in `pages`, each beside the folder of its page.
    wrong = {
        f"{node} imports {other}"
        for node in pages
        for other in graph[node] & pages
        if not (node.endswith(".py") and node.removesuffix(".py").endswith(f"_{other.removeprefix('pages/')}"))
    }
    assert not wrong


def test_every_module_says_what_it_knows() -> None:
    sources = {name_of(path): path.read_text(encoding="utf-8") for path in modules()}
    silent = [name for name, text in sources.items() if text.strip() and not ast.get_docstring(ast.parse(text))]
    assert not silent, "a module opens with a docstring"


def test_modules_stay_readable() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert not {
        name: length
        for name, length in lengths.items()
        if length > (LONGEST_TEST if name.startswith("tests/") else LONGEST_MODULE)
    }


def test_tests_import_no_test_module() -> None:
    """A test that another one's module can break is two tests; what they share lies in a module of its own."""
    wrong = {
        f"{name_of(path)} imports {module}"
        for path in modules("tests/")
        for module in imported_modules(path)
        if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
    }
    assert not wrong


def test_tests_touch_no_private_name() -> None:
    """Of what they import from the program: a test holds what a module promises, and lets the rest change."""
    found = {
        f"{name_of(path)}:{where}" for path in modules("tests/") for where in private_names(path.read_text("utf-8"))
    }
    assert not found


@pytest.mark.parametrize(
    ("line", "private"),
    [
        ("store._connection.execute('')", True),
        ("len(store.shared()._rows)", True),
        ("monkeypatch.setattr(store, '_stores', {})", True),
        ("from core.edits import _known", True),
        ("store.rows()._replace(a=1)", False),
        ("other._connection", False),
        ("store.__doc__", False),
    ],
)
def test_what_counts_as_a_private_name(line: str, private: bool) -> None:
    assert bool(private_names(f"from cache.store import store\n{line}")) is private


def test_no_path_of_one_machine_is_committed() -> None:
    found = []
    for path in house_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # weights and pictures
        found += [
            f"{name_of(path)}:{n}: {line.strip()[:100]}" for n, line in enumerate(lines, 1) if MACHINE_PATH.search(line)
        ]
    assert not found


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("see " + "/home" + "/me/x", True),
        ("Path('" + "/tmp" + "/base')", True),
        ("https://example.org" + "/home" + "/page", False),
        ("executable_path='/usr/bin/chromium'", False),
        ("static" + "/tmp" + "/x", False),
    ],
)
def test_what_counts_as_a_path_of_one_machine(line: str, matches: bool) -> None:
    assert bool(MACHINE_PATH.search(line)) is matches


def test_shipped_assets_stay_small() -> None:
    total = sum(path.stat().st_size for path in house_files() if path.is_relative_to(ROOT / "assets"))
    assert total <= 64 * MEBIBYTE, f"{total / MEBIBYTE:.1f} MiB"


def test_no_pickle_is_shipped() -> None:
    assert not [name_of(p) for p in house_files() if p.suffix in {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}]


def requirement_lines(name: str) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pinned_exactly(name: str) -> None:
    loose = [
        line for line in requirement_lines(name) if not re.fullmatch(r"-r requirements\.txt|[\w.-]+==[\w.]+", line)
    ]
    assert not loose


def test_torch_is_the_one_asked_for() -> None:
    assert "torch==2.13.0" in requirement_lines("requirements.txt")


def makefile_targets() -> dict[str, str]:
    """Target to the help text behind it."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):[^=\n#]*## (.+)$", text, flags=re.MULTILINE))


def test_the_makefile_offers_and_explains_daily_life() -> None:
    assert {"help", "run", "test", "test-fast", "check", "bench", "demo", "clean"} <= set(makefile_targets())


def test_the_page_listens_on_this_machine_only() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["enableCORS"] and config["server"]["enableXsrfProtection"]
    assert config["server"]["fileWatcherType"] == "none"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] == "none"


def test_the_theme_names_options_that_streamlit_has() -> None:
    """An unknown option is only a warning in the terminal, and a palette of nine colours is silently ignored."""
    from streamlit import config as streamlit_config

    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    theme = config.pop("theme")
    sections = config | {f"theme.{mode}": theme.pop(mode) for mode in ("light", "dark")} | {"theme": theme}
    known = set(streamlit_config.get_config_options())
    assert not {f"{section}.{name}" for section, values in sections.items() for name in values} - known
    for mode in ("theme.light", "theme.dark"):
        for palette in ("chartSequentialColors", "chartDivergingColors"):
            assert len(sections[mode][palette]) == 10
