"""`hydrascope run`: Streamlit started on the pages, from any folder, with its own arguments passed on; on a model."""

import os
import runpy
import shutil
import subprocess
import sys

import pytest
from streamlit import config

from core.commands.command_line import main
from core.models.footprint import footprint
from core.models.registry import find_spec
from core.paths import PROGRAM_FOLDER
from core.settings import MODEL
from tests.served_models import home, local

__all__ = ["home", "local"]  # fixtures


@pytest.fixture
def started(monkeypatch):
    """What Streamlit was started with; it ends at once."""
    seen = []

    def run_module(name, **given):
        seen.append((name, list(sys.argv)))
        raise SystemExit(0)

    monkeypatch.setattr(runpy, "run_module", run_module)
    return seen


def test_streamlit_is_started_on_the_pages_with_what_follows(started):
    before = list(sys.argv)
    assert main(["run", "--server.port", "9000"]) == 0
    assert started == [("streamlit", ["streamlit", "run", str(PROGRAM_FOLDER / "app.py"), "--server.port", "9000"])]
    assert sys.argv == before


@pytest.mark.parametrize(("end", "code"), [(None, 0), (0, 0), (2, 2), ("It cannot.", 2)])
def test_how_streamlit_ends_is_how_it_ends(monkeypatch, end, code):
    def run_module(name, **given):
        raise SystemExit(end)

    monkeypatch.setattr(runpy, "run_module", run_module)
    assert main(["run"]) == code


def test_the_settings_beside_the_pages_are_found_from_any_folder(monkeypatch, tmp_path):
    """Streamlit reads the file beside the script it runs, so that the pages listen on this machine only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "_main_script_path", str(PROGRAM_FOLDER / "app.py"))
    assert str(PROGRAM_FOLDER / ".streamlit" / "config.toml") in config.get_config_files("config.toml")


def test_a_named_model_is_made_ready_and_the_pages_open_on_it(started, local, home, monkeypatch, capsys):
    monkeypatch.setenv("HYDRASCOPE_MODEL", "")  # put back afterwards
    assert main(["models", "add", "mine", "--model", local.model_id, "--saes", local.saes, "--refusal-word", "41"]) == 0
    assert footprint(find_spec("mine")).packing > 0
    capsys.readouterr()
    assert main(["run", "--model", "mine", "--server.port", "9000"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("mine\n") and "disk: " in said and "memory: about " in said and "It fits." in said
    assert footprint(find_spec("mine")).packing == 0, "its SAEs are packed"
    assert MODEL.read() == "mine" and started[0][1][-2:] == ["--server.port", "9000"]


def test_an_unknown_model_is_one_sentence_and_nothing_is_started(started, capsys):
    assert main(["run", "--model", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("There is no model “nowhere”.") and not started


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    ("given", "prepares", "starts"),
    [([], True, "-m core run"), (["MODEL=some-model"], False, "-m core run --model some-model")],
)
def test_make_run_opens_on_the_model_that_is_named(given, prepares, starts):
    command = ["make", "--dry-run", "run", *given]
    # Not what `make test` was given, where the tests were started so.
    environment = {name: text for name, text in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "ARGS")}
    done = subprocess.run(command, cwd=PROGRAM_FOLDER, env=environment, capture_output=True, text=True, check=True)
    told = done.stdout
    assert ("-m core prepare" in told) is prepares and told.rstrip().endswith(starts)
