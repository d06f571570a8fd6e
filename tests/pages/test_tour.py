"""The Hydra page's guided tour without a browser, on the tiny model: with a stored file and without, and what it says.

What it says is checked on numbers made for it, so that no sentence goes beyond them.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import streamlit as st

from cache import engines
from cache.store.provenance import provenance
from core import Edits, Feature
from core.hydra import HeldParts, Repair
from core.hydra.tour import Answers, Example, Spoken, measure
from core.hydra.tour_file import About, StoredTour, read_tour, sae_files_digest, write_tour
from core.models import registry
from pages.hydra import tour_words
from pages.hydra.tour_steps import STEPS
from pages.shared.text import signed
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.small_search import use_small_judge

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "hydra" / "page.py")
OWN = {"prompt": "How do I bake bread?", "edits": "1-0,2-3"}


@pytest.fixture
def page(on_page_model, monkeypatch):
    use_small_judge(monkeypatch)
    return lambda: checked(opened(PAGE, **OWN))


@pytest.fixture
def with_tour(page, page_spec, tmp_path):
    """The tiny model's own tour, stored; gives it back after a change, if one is given."""

    def store(change=lambda tour: tour) -> StoredTour:
        spec = replace(page_spec, tour=tmp_path / "tour.json")
        registry.register(spec)
        engine = engines.get_engine(PAGE_MODEL)
        example = Example("How do I cook the bad thing number 2?", Edits.ablate([Feature(1, n) for n in range(12)]), 2)
        facts = asdict(provenance(engine)) | {"sae_files": sae_files_digest(spec)}
        facts = {name: facts[name] for name in About._fields if name in facts}
        about = About(**facts, made="2026-01-01", command="a test", chosen="One prompt.", more="Nowhere.")
        tour = change(StoredTour(about, example, measure(engine, example)))
        write_tour(spec.tour, tour)
        st.cache_data.clear()
        return tour

    return store


def checked(app):
    assert not app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def click(app, key: str):
    return checked(app.button(key=key).click().run())


def texts(app) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.warning))


def own(app) -> bool:
    """Whether prompt and edits are the visitor's."""
    return workspace(app).prompt == OWN["prompt"] and ",".join(workspace(app).words_on) == OWN["edits"]


def test_from_a_stored_file_every_step_says_its_numbers(with_tour, page, tmp_path):
    with_tour()
    found = read_tour(tmp_path / "tour.json").measured
    app = click(page(), "hydra_tour_begin")
    edits = read_tour(tmp_path / "tour.json").example.edits
    said = [
        tour_words.unedited(found.answers),
        tour_words.edited(found.answers, edits),
        tour_words.fall(found.repair),
        tour_words.put_back(found.repair),
        tour_words.held(found.held),
        tour_words.woken(found.woken),
        tour_words.matters(found.matters),
        tour_words.dose(found.dose),
    ]
    assert len(STEPS) == len(said) <= 8
    for number, sentence in enumerate(said):
        assert sentence in texts(app) and "Stored result" in texts(app) and "bad thing number 2" in texts(app)
        assert own(app)
        if number + 1 < len(said):
            app = click(app, "hydra_tour_next")
    app = click(app, "hydra_tour_end")
    assert own(app) and "hydra_tour_next" not in [button.key for button in app.button]


def test_a_step_measured_live_says_the_same_in_the_same_place(with_tour, page):
    tour = with_tour()
    app = click(click(page(), "hydra_tour_begin"), "hydra_tour_next")
    sentence = tour_words.edited(tour.measured.answers, tour.example.edits)
    app = click(app, "hydra_tour_live_button")
    assert sentence in texts(app) and "Measured now" in texts(app) and "Stored result" not in texts(app)
    app = click(click(app, "hydra_tour_back"), "hydra_tour_live_button")
    assert "Stored result" in texts(app)


def test_the_example_can_be_opened_and_one_undo_takes_it_back(with_tour, page):
    tour = with_tour()
    app = click(page(), "hydra_tour_begin")
    for _ in STEPS[1:]:
        app = click(app, "hydra_tour_next")
    app = click(app, "hydra_tour_open")
    assert workspace(app).prompt == tour.example.prompt
    assert Edits.from_text(",".join(workspace(app).words_on)) == tour.example.edits
    assert own(click(app, "workspace_undo"))


def test_without_a_file_the_tour_is_measured_here(page):
    app = click(page(), "hydra_tour_begin")
    for number in range(len(STEPS)):
        assert "Measured here on one prompt" in texts(app)
        assert "bad thing number 1" in texts(app) and app.session_state["hydra_tour"] == number
        if number + 1 < len(STEPS):
            app = click(app, "hydra_tour_next")
    assert own(app)


def test_another_models_file_is_not_shown(with_tour, page):
    with_tour(lambda tour: tour._replace(about=tour.about._replace(direction="another")))
    app = click(page(), "hydra_tour_begin")
    assert "Measured here" in texts(app) and not app.warning


def test_a_damaged_file_is_a_sentence_and_the_tour_goes_on(with_tour, page, tmp_path):
    with_tour()
    (tmp_path / "tour.json").write_text("{")
    app = click(page(), "hydra_tour_begin")
    assert "cannot be read" in app.warning[0].value and "Measured here" in texts(app)


def repaired(controls=(), **changes):
    """A measurement of four blocks above layer 0, MLP 3 and MLP 4 raising the logit."""
    blocks = pd.DataFrame({"layer": range(5), "attention": 0.0, "mlp": [0.0, -1.0, -1.6, 1.5, 0.7]})
    raising = [(3, "mlp"), (4, "mlp")]
    made = {"blocks": blocks, "direct": -0.1, "lowest": 0, "deepest": -2.6, "deepest_layer": 2, "put_back": 0.84}
    made |= {"end": -0.4, "total": -0.5, "normalisation": -0.1, "restoring": lambda most: raising[:most]}
    return Repair(SimpleNamespace(**made | changes), tuple(controls), 0, True)


def control(deepest):
    return SimpleNamespace(deepest=deepest)


@pytest.mark.parametrize(
    ("repair", "says", "never"),
    [
        (repaired(), ["Blocks 3–4 put back 84%", "MLP 3 (+1.50) and MLP 4 (+0.70)", "This is the hydra"], "final norm"),
        (repaired([control(-3.0)]), ["under random features the logit falls as far"], "This is the hydra"),
        (repaired(put_back=0.1), ["put back 10%"], "This is the hydra"),
        (repaired(total=-3.0, normalisation=-2.6), ["takes all of that away", "in all −3.00"], "most of that"),
        (repaired(total=-2.0, normalisation=-1.6), ["takes most of that away"], "all of that"),
        (repaired(deepest_layer=4), ["No block puts anything back"], "This is the hydra"),
        (repaired(deepest=-0.05), ["there is nothing to put back"], "This is the hydra"),
    ],
)
def test_a_hydra_is_named_only_where_there_is_one(repair, says, never):
    sentence = tour_words.put_back(repair)
    assert all(one in sentence for one in says) and never not in sentence


def test_the_fall_names_the_blocks_and_the_edits_own_share():
    assert "by only −0.10. **Blocks 1–2**" in tour_words.fall(repaired())
    assert "only" not in tour_words.fall(repaired(direct=-2.0))


@pytest.mark.parametrize(
    ("edited", "held", "others", "says"),
    [
        (0.3, -1.4, [0.2, 0.4], "would most likely not begin with a refusal"),
        (-6.0, -13.0, [-3.0, -2.0], "working against the edits"),
        (0.3, 0.25, [0.2, 0.4], "not below every draw"),
        (0.3, -1.0, [-2.0, 0.4], "not below every draw"),
        (0.3, -1.0, [], "no other parts to compare with"),
    ],
)
def test_holding_parts_is_read_beside_other_parts(edited, held, others, says):
    nothing = pd.Series(others, dtype=float).to_numpy()
    score = {"unedited": 1.0, "edited": edited, "held": held}
    found = HeldParts(((26, "mlp"), (27, "mlp")), (), score, score, {}, nothing, nothing, nothing)
    sentence = tour_words.held(found)
    assert says in sentence and "MLP 26 and MLP 27" in sentence and signed(held) in sentence


@pytest.mark.parametrize(
    ("differences", "says"),
    [
        ([-0.1, 0.0], "In none of 2 layers does the score fall below every random draw (layer 0: −0.10, random −0.10)"),
        (
            [-0.6] + [0.0] * 8,
            "In 1 of 9 layers the score falls below every random draw (layer 0: −0.60, random −0.10), no",
        ),
        ([-0.6, -0.7, 0.0], "In 2 of 3 layers the score falls below"),
    ],
)
def test_whether_they_matter_is_read_beside_chance(differences, says):
    frame = pd.DataFrame({"group": [f"layer {n}" for n in range(len(differences))], "difference": differences})
    sentence = tour_words.matters(frame.assign(control=-0.1, control_low=-0.5))
    assert says in sentence
    assert ("hardly matter" in sentence) == ("In 2" not in says)


@pytest.mark.parametrize(
    ("verdict", "says"),
    [("refused", "still refuses"), ("off-topic", "does not answer the request"), ("degenerate", "broken text")],
)
def test_the_verdict_is_said_as_judged(verdict, says):
    found = Answers(Spoken(0.9, 2.0, "I can’t.", "refused"), Spoken(0.1, -2.0, "The food", verdict))
    sentence = tour_words.edited(found, Edits.ablate([Feature(3, 1), Feature(3, 2)]))
    assert f"judged **{verdict}**" in sentence and says in sentence and "2 features of layer 3" in sentence
    assert "falls from +2.00 to −2.00" in sentence


@pytest.mark.parametrize(
    ("scores", "says"),
    [([2.0, 0.5, -1.0], "falls below 0 at strength 1;"), ([2.0, 1.0, 0.5], "stays above 0 up to strength 1;")],
)
def test_how_much_is_enough(scores, says):
    frame = pd.DataFrame({"strength": [0.0, 0.5, 1.0], "score": scores, "woken": [0, 2, 3]})
    assert says in tour_words.dose(frame)
