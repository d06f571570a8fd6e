"""Settings: each variable described once, read at call time, checked; and the documentation made from them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core import settings
from core.errors import InputError
from core.paths import PROGRAM_FOLDER, cache_folder

EVERY = (*settings.FOR_EVERYBODY, *settings.FOR_DEVELOPERS)
FOLDERS = ("core", "cache", "pages", "scripts", "benchmarks")


def python_files():
    return [
        *(path for folder in FOLDERS for path in (PROGRAM_FOLDER / folder).rglob("*.py")),
        PROGRAM_FOLDER / "app.py",
    ]


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.name)
def test_a_setting_is_described_and_has_a_default(setting, monkeypatch):
    assert re.fullmatch(r"HYDRASCOPE_[A-Z_]+", setting.name)
    assert setting.kind and setting.default and setting.about.endswith(".")
    for empty in ("", "  "):
        monkeypatch.setenv(setting.name, empty)
        assert setting.read() == setting.unset
    monkeypatch.delenv(setting.name)
    assert setting.read() == setting.unset


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (settings.CACHE, "~/kept", Path.home() / "kept"),
        (settings.DEMO_WHEEL, "~/a.whl", Path.home() / "a.whl"),
        (settings.MODEL, "gemma-2-2b-it", "gemma-2-2b-it"),
        (settings.MODELS, " 3 ", 3),
        (settings.DEVICE, "auto", "auto"),
        (settings.DTYPE, "bfloat16", "bfloat16"),
        (settings.MEMORY, "6GB", 6 * 10**9),
        (settings.MEMORY, "1.5 GiB", 3 * 2**29),
        (settings.MEMORY, "0", 0),
        (settings.NEURONPEDIA, "http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        (settings.NEURONPEDIA_BULK, "https://mirror.example/a/b", "https://mirror.example/a/b"),
        (settings.NEURONPEDIA_KEY, "secret", "secret"),
        (settings.REQUIRE_BROWSER, "1", True),
        (settings.TEST_PATIENCE, "60", 60),
    ],
    ids=lambda one: getattr(one, "name", str(one)),
)
def test_a_value_is_read_at_each_call(setting, text, value, monkeypatch):
    monkeypatch.setenv(setting.name, text)
    assert setting.read() == value
    monkeypatch.delenv(setting.name)
    assert setting.read() == setting.unset


@pytest.mark.parametrize(
    ("setting", "text", "mend"),
    [
        (settings.MODELS, "0", "at least 1"),
        (settings.MODELS, "²", "at least 1"),
        (settings.DTYPE, "float64", "choose float32, bfloat16 or float16"),
        (settings.MEMORY, "lots", "write a size such as 6GB"),
        (settings.MEMORY, "6", "write a size such as 6GB"),
        (settings.NEURONPEDIA, "neuronpedia.org", "begins with http:// or https://"),
        (settings.NEURONPEDIA_BULK, "https://", "begins with http:// or https://"),
        (settings.TEST_PATIENCE, "a while", "whole seconds"),
    ],
    ids=lambda one: getattr(one, "name", str(one)),
)
def test_a_value_that_cannot_be_used_is_one_sentence(setting, text, mend, monkeypatch):
    monkeypatch.setenv(setting.name, text)
    with pytest.raises(InputError, match=f"^{setting.name} is “{text}”.*{mend}.*\\.$"):
        setting.read()


def test_no_setting_is_read_anywhere_else():
    reads = re.compile(r"""(environ\[|environ\.get\(|getenv\()['"]HYDRASCOPE_""")
    assert not [path.name for path in python_files() if reads.search(path.read_text(encoding="utf-8"))]


def test_every_variable_that_is_named_is_described():
    texts = [*python_files(), *PROGRAM_FOLDER.glob("*.md"), *(PROGRAM_FOLDER / "docs").glob("*.md")]
    named = {
        name for path in texts for name in re.findall(r"HYDRASCOPE_[A-Z_]+[A-Z]", path.read_text(encoding="utf-8"))
    }
    assert named == {setting.name for setting in EVERY}


def test_the_documentation_is_up_to_date():
    written = (PROGRAM_FOLDER / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == settings.documentation(), "run `make docs`"


def test_the_documentation_is_printed_by_a_command():
    command = [sys.executable, "-m", "core.settings"]
    printed = subprocess.run(command, cwd=PROGRAM_FOLDER, capture_output=True, check=True, encoding="utf-8")
    assert printed.stdout == settings.documentation() and not printed.stderr


def test_the_cache_is_in_the_checkout_unless_it_is_elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("HYDRASCOPE_CACHE")
    assert cache_folder() == PROGRAM_FOLDER / "cache" / "files"
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
