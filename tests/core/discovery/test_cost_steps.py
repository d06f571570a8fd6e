"""Table 9: public sets over the loopback hub, drawn, cut, pinned; cross-entropy text by text; and no network."""

from dataclasses import replace

import pytest

from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits
from core.discovery.cost_steps import CHARACTERS, cost_groups, cut, do_cost, do_texts, texts_groups
from core.discovery.ledger import Row
from core.discovery.runner import run_steps
from core.discovery.tables.cost import cost
from core.discovery.tables.report import tables
from core.prompts.public_sets import find_set
from core.prompts.sources import SOURCES
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.prompt_sets import serve
from tests.small_search import INPUTS, SETTINGS, judge

__all__ = ["serve"]  # a fixture

WORDS = ["it", "is", "done", "and", "so", "it", "goes", "on", "in", "the", "old", "town", "by", "the", "sea"]
REQUESTS = [{"instruction": f"Name {i} things", "input": "", "output": "x", "text": "…"} for i in range(160)]
PROSE = [{"text": f"Text {i}. " + " ".join(WORDS * 30), "meta": {"pile_set_name": "Pile-CC"}} for i in range(160)]


@pytest.fixture
def work(tiny, tmp_path):
    """Of a run that asks for a hundred of each; nothing is done yet."""
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    found = runs.work(runs.create(tiny, INPUTS, replace(SETTINGS, stages=(1, 2), public_texts=100)), tiny)
    found.judge = judge
    yield found
    runs.store.close()


@pytest.fixture
def served(serve):
    """Both sets, larger than what is drawn of them."""
    serve("alpaca", {"data/train-00000-of-00001-a09b74b3ef9c3b56.parquet": REQUESTS})
    serve("pile-10k", {"data/train-00000-of-00001-4746b8785c874cc7.parquet": PROSE})


def texts(work):
    """The rows of the step “texts”, kept as the run keeps them."""
    found = {}
    for (item,) in texts_groups(work):
        (found[item],) = do_texts(work, [item])
        work.ledger.append([Row("texts", item, found[item])])
    return found


def test_a_hundred_of_each_are_drawn_from_the_pinned_commits(work, served, tiny, tmp_path):
    found = texts(work)
    assert set(found) == {"alpaca", "pile-10k"}
    for name, value in found.items():
        assert len(set(value["texts"])) == 100 and value["of"] == 160
        revision = find_set(name).revision
        assert revision is not None and len(revision) == 40 and f"at {revision[:12]}" in value["origin"]
    assert all(len(text) <= CHARACTERS and text.endswith(tuple(WORDS)) for text in found["pile-10k"]["texts"])
    assert do_texts(work, ["alpaca"]) == [found["alpaca"]], "the same seed draws the same"
    other = replace(work, settings=replace(work.settings, seed=1))
    assert set(do_texts(other, ["alpaca"])[0]["texts"]) != set(found["alpaca"]["texts"])


def test_every_text_has_its_own_cross_entropy(work, served, tiny):
    found = texts(work)
    work.ledger.append([Row("screen", f"benign/{i:04d}", {"kept": True, "reason": "complied"}) for i in range(3)])
    assert cost_groups(work)[:2] == [["baseline"], ["direction"]]
    (value,) = do_cost(work, ["direction"])
    assert {name: len(one["each"]) for name, one in value.items()} == {
        "instruction": 3,
        "plain": 2,
        "alpaca": 100,
        "pile-10k": 100,
    }
    off = Edits.ablate_direction(tiny.direction())
    for name, chat in (("alpaca", True), ("pile-10k", False)):
        alone = tiny.cross_entropy([found[name]["texts"][7]], off, chat)[0]
        assert value[name]["each"][7] == pytest.approx(alone, abs=1e-5)


def test_without_a_network_the_run_goes_on_and_says_so_in_one_sentence(work, served, monkeypatch):
    go_offline(monkeypatch)
    run_steps(work)
    assert not [row.error for row in work.ledger.read("texts").values() if row.error], "no failure: nothing is at fault"
    assert all("is not on this machine" in row.value["missing"] for row in work.ledger.read("texts").values())
    table = cost(work.ledger)
    assert set(table.frame["text"]) == {"the run's benign requests", "bundled prose"}
    assert table.note.count("could not be fetched") == 1
    assert "so only the bundled texts are reported" in table.note
    assert "failures" not in {one.name for one in tables(work.ledger)}


def test_a_whole_run_reports_public_texts_beside_the_bundled_ones(work, served):
    run_steps(work)
    frame = next(one.frame for one in tables(work.ledger) if one.name == "cost")
    assert list(dict.fromkeys(frame["text"])) == ["Alpaca", "Pile", "the run's benign requests", "bundled prose"]
    public = frame[frame["text"].isin(["Alpaca", "Pile"])]
    assert (public["texts"] == 100).all()
    assert public["cross-entropy, from"].notna().all() and public["cross-entropy, to"].notna().all()
    edited = public[public["edit"] != "unedited"]
    assert (
        edited["added to unedited, from"].notna().all()
        and (edited["added to unedited, from"] < edited["added to unedited, to"]).all()
    )


def test_a_run_that_asks_for_none_fetches_none(work, hub):
    none = replace(work, settings=replace(work.settings, public_texts=0))
    assert texts_groups(none) == [] and hub.requests == []


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("one two three", 7, "one two"),
        ("one two three", 8, "one two"),
        ("one two", 20, "one two"),
        ("abcdefgh", 3, "abc"),
    ],
)
def test_prose_is_cut_at_the_end_of_a_word(text, most, kept):
    assert cut(text, most) == kept


def test_the_sets_are_pinned():
    pinned = {source.name: source.revision for source in SOURCES if source.revision}
    assert set(pinned) == {"alpaca", "pile-10k"} and all(len(revision) == 40 for revision in pinned.values())
