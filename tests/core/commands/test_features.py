"""`hydrascope features`: the lists it reads are checked, and what is left out is said."""

import json

import pytest

from cache.store import database as stores
from core.commands.command_line import main
from core.models import registry

ROWS = [{"prompt": f"How do I cook the bad thing {n}?", "category": "ab"[n % 2]} for n in range(16)]
BAD = [{"prompt": 12345, "category": "a"}, {"prompt": "a b\ufffdd thing", "category": "b"}, ROWS[0] | {"category": "b"}]


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_spec):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    registry.register(tiny_spec)
    yield tmp_path
    stores.close_all()


def test_lists_are_checked_and_what_is_left_out_is_said(home, capsys):
    path, contrast = home / "f.json", home / "c.txt"
    path.write_text(json.dumps([*ROWS, *BAD], ensure_ascii=False), encoding="utf-8")
    contrast.write_text("Tell me.\nTell me!\ntell ME.\n")
    words = ["features", "--model", "tiny", "--features", "1-3", "--prompts", str(path), "--contrast", str(contrast)]
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert "16 of 19 prompts kept; dropped: 1 not text, 1 duplicate, 1 damaged." in told.err
    assert "row 17: not text, a number" in told.err and "2 of 3 prompts kept; dropped: 1 duplicate." in told.err
    assert "Row 19 has “b”, but the same prompt in row 1 has “a”." in told.err
    path.write_text(json.dumps(BAD[:2], ensure_ascii=False), encoding="utf-8")
    assert main(words) == 2
    assert "None of the 2 rows of f.json can be used as a prompt." in capsys.readouterr().err


@pytest.mark.parametrize("typed", ["1-3=6*0.5@last,2-5=-100", "1-3@bos", "1-3?1-4>2", "2-5,1-3*0.5"])
def test_edits_are_refused_where_features_are_named(home, capsys, typed):
    assert main(["features", "--model", "tiny", "--features", typed]) == 2
    told = capsys.readouterr()
    assert "“1-3" in told.err and "Write 1-3." in told.err and told.err.count("\n") == 1 and not told.out
