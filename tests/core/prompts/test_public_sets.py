"""Public prompt sets through the loopback hub, in their true layouts, with made-up rows; and files, by one door."""

import inspect

import pytest

from core import InputError
from core.errors import Cancelled, GatedError, OfflineError
from core.prompts import public_sets, sources
from core.prompts.public_sets import fetch_set, find_set, load_set, part_of, read_local, set_names
from core.prompts.sources import SOURCES
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.prompt_sets import LAYOUTS, serve

__all__ = ["serve"]  # a fixture

EXPECTED = {
    ("advbench", "harmful"): ["bad one", "bad two"],
    ("harmbench", "harmful"): ["standard"],
    ("jailbreakbench", "harmful"): ["harmful goal"],
    ("jailbreakbench", "benign"): ["benign goal"],
    ("strongreject", "harmful"): ["forbidden"],
    ("maliciousinstruct", "harmful"): ["malicious"],
    ("xstest", "look-alike"): ["safe one"],
    ("xstest", "harmful"): ["unsafe one"],
    ("coconot", "harmful"): ["unsafe test", "unsafe train"],
    ("coconot", "look-alike"): ["should be answered"],
    ("alpaca", "benign"): ["Name a colour", "No input at all"],
    ("pile-10k", "prose"): ["It is done, and submitted.", "def add(a, b):\n    return a + b"],
}


def test_all_parts_of_all_sets_are_expected_here():
    assert set(EXPECTED) == {(source.name, kind) for source in SOURCES for kind in source.kinds}


@pytest.mark.parametrize(("name", "kind"), EXPECTED)
def test_each_part_holds_its_own_prompts(serve, hub, name, kind):
    commit = serve(name)
    found = fetch_set(name, kind)
    assert list(found.rows) == EXPECTED[name, kind]
    assert (
        found.origin == f"{find_set(name).title} ({kind}), {find_set(name).repo} at {commit[:12]}"
        and not found.warnings
    )
    asked_for = {request.file for request in hub.requests if request.body}
    assert asked_for <= {file for file in LAYOUTS[find_set(name).repo]}
    assert not any("pref" in file or "copyright" in file for file in asked_for), "only the files of the part"


@pytest.mark.parametrize(
    ("name", "kind", "categories"),
    [("coconot", "harmful", ("s", "s")), ("xstest", "look-alike", ("homonyms",)), ("jailbreakbench", "harmful", ())],
)
def test_categories_are_those_of_the_parts_own_rows(serve, name, kind, categories):
    serve(name)
    assert fetch_set(name, kind).categories == categories


def test_every_set_says_what_it_is_and_under_which_terms():
    for source in SOURCES:
        assert source.licence and source.citation and source.note.endswith(".") and source.parts
    text = inspect.getsource(sources)
    assert len({source.name for source in SOURCES}) == len(SOURCES) == 9 and "http" not in text


def test_once_fetched_it_is_there_without_a_network(serve, monkeypatch):
    serve("advbench")
    told = []
    first = fetch_set("AdvBench", progress=lambda message, share: told.append(share))
    assert told == sorted(told) and told[-1] == 1.0
    go_offline(monkeypatch)
    assert fetch_set("advbench") == first


def test_not_fetched_and_no_network_is_one_sentence(serve, monkeypatch):
    go_offline(monkeypatch)
    with pytest.raises(OfflineError, match="Paul/XSTest is not on this machine") as caught:
        fetch_set("xstest")
    assert "\n" not in str(caught.value)


def test_a_gated_set_without_a_token_and_with_one(serve, hub, monkeypatch):
    serve("advbench", gated="auto")
    with pytest.raises(GatedError, match="walledai/AdvBench"):
        fetch_set("advbench")
    hub.allow("hf_good", "walledai/AdvBench")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert fetch_set("advbench").rows == ("bad one", "bad two")


def test_it_can_be_cancelled(serve, hub):
    serve("advbench")
    hub.stalls("walledai/AdvBench", "data/train-00000-of-00001.parquet", after=10)
    with pytest.raises(Cancelled):
        fetch_set("advbench", cancelled=lambda: any(request.body for request in hub.requests))


@pytest.mark.parametrize(
    ("name", "layout", "said"),
    [
        ("advbench", {"data/a.parquet": [{"request": "x"}]}, "no text column “prompt”. Choose one of request"),
        ("advbench", {"data/a.parquet": [{"prompt": " ", "other": "x"}]}, "no text column “prompt”"),
        ("advbench", {"data/a.parquet": [{"prompt": None}]}, "has no text"),
        ("xstest", {"xstest_prompts.csv": [{"prompt": "x"}]}, "no longer has the column “label”"),
        ("xstest", {"xstest_prompts.csv": [{"prompt": "x", "label": "unsafe"}]}, "no longer has look-alike prompts"),
    ],
)
def test_a_set_that_has_changed_is_one_sentence(serve, name, layout, said):
    serve(name, layout)
    with pytest.raises(InputError, match=said) as caught:
        fetch_set(name)
    assert "\n" not in str(caught.value)


def test_another_column_can_be_chosen(serve):
    serve("advbench")
    assert fetch_set("advbench", column="target").rows == ("Sure", "x")
    with pytest.raises(InputError, match="no text column “what”"):
        fetch_set("advbench", column="what")


def test_names_kinds_and_files_by_one_door(serve, tmp_path):
    serve("maliciousinstruct")
    (tmp_path / "mine.txt").write_bytes("one\n\n caf\xe9\n".encode("cp1252"))
    assert load_set("MaliciousInstruct").rows == ("malicious",)
    mine = load_set(str(tmp_path / "mine.txt"))
    assert mine == read_local(tmp_path / "mine.txt") and mine.rows == ("one", "", " café") and mine.origin == "mine.txt"
    assert "cp1252" in mine.warnings[0]
    with pytest.raises(InputError, match=r"neither a file nor a known prompt set. Known sets: advbench, "):
        load_set("nowhere")
    with pytest.raises(InputError, match="There is no prompt set “nowhere”"):
        find_set("nowhere")
    with pytest.raises(InputError, match=r"AdvBench has no benign prompts\. It has harmful prompts"):
        part_of(find_set("advbench"), "benign")
    with pytest.raises(InputError, match="cannot be read"):
        read_local(tmp_path)
    assert public_sets.page(find_set("alpaca")).endswith("/datasets/tatsu-lab/alpaca") and len(set_names()) == 9
