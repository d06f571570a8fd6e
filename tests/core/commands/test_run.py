"""`hydrascope run`: Streamlit started on the pages, from any folder, with its own arguments passed on."""

import runpy
import sys

import pytest
from streamlit import config

from core.commands.command_line import main
from core.paths import PROGRAM_FOLDER


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
