"""The command line as a whole: help that is quick, one exit code for each end, and the document made from it."""

import subprocess
import sys
import tomllib

import pytest

import core
from cache.store.database import close_all
from core.commands import prepare
from core.commands.command_line import SUBCOMMANDS, main, parser
from core.commands.exit_codes import ExitCode
from core.commands.reference import documentation
from core.errors import AssetError
from core.judges.names import judge_names
from core.models import registry
from core.paths import PROGRAM_FOLDER

HEAVY = ("torch", "transformers", "streamlit", "pandas", "duckdb", "huggingface_hub", "cache.store.database")


def python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=PROGRAM_FOLDER, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("words", [[], *([name] for name in SUBCOMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    code = f"""
import sys
from core.commands.command_line import main
try:
    main({[*words, "--help"]})
except SystemExit as end:
    assert end.code == 0
assert not set(sys.modules) & set({HEAVY}), set(sys.modules) & set({HEAVY})
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: hydrascope")


def test_every_subcommand_is_listed_with_every_exit_code(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(f"\n    {name} " in told for name in SUBCOMMANDS)
    assert all(f"\n  {code.value:<3} {code.meaning}" in told for code in ExitCode)


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "core", "--version"], cwd=PROGRAM_FOLDER, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"hydrascope {core.__version__}\n"


def test_pyproject_reads_the_version_and_what_is_needed():
    project = tomllib.loads((PROGRAM_FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["project"]["dynamic"]) == {"version", "dependencies"}
    assert project["tool"]["hatch"]["version"]["path"] == "core/__init__.py"


@pytest.mark.parametrize(("error", "code"), [(AssetError("It is gone."), 2), (KeyboardInterrupt(), 130)])
def test_each_end_has_its_exit_code(monkeypatch, capsys, error, code):
    def fail(options):
        raise error

    monkeypatch.setattr(prepare, "run", fail)
    assert main(["prepare"]) == code
    assert capsys.readouterr().err == ("It is gone.\n" if code == 2 else "")


def test_a_reader_that_has_enough_is_no_error():
    """`hydrascope models | head -1`: the pipe is closed before anything is written."""
    command = [sys.executable, "-m", "core", "models"]
    with subprocess.Popen(command, cwd=PROGRAM_FOLDER, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(60) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["features", "--model", "tiny", "--features", "1-2,direction"], "“direction” is not a feature"),
        (["features", "--model", "tiny", "--features", ""], "--features is empty"),
        (["study", "features", "mine", "--run", ""], "--run is empty"),
        (["study", "answers", "mine", "--file", ""], "--file is empty"),
    ],
)
def test_what_names_nothing_is_refused(words, says, tiny_spec, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    registry.register(tiny_spec)
    assert main(words) == 2 and says in capsys.readouterr().err
    close_all()


def test_a_word_that_is_unknown_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["prepare", "--colour", "red"])
    assert "unrecognized arguments: --colour red" in capsys.readouterr().err


def test_only_run_passes_words_on():
    options, rest = parser().parse_known_args(["run", "--server.port", "9000"])
    assert options.command == "run" and rest == ["--server.port", "9000"]


def test_help_names_every_judge():
    text = documentation()
    assert all(name in text for name in judge_names())


def test_the_document_is_up_to_date():
    """Compared word by word: versions of Python break lines differently."""
    written = (PROGRAM_FOLDER / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written.split() == documentation().split(), "run `make docs`"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_example_is_a_command_that_parses(name):
    import shlex

    program, *words = shlex.split(SUBCOMMANDS[name].EXAMPLE)
    options, rest = parser().parse_known_args(words)
    assert program == "hydrascope" and options.command == name and (not rest or name == "run")
