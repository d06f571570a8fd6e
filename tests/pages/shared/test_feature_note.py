"""One feature's note on the Audit page: who says so, the link, the button that asks Neuronpedia, and trouble."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from core.labels.contexts import Context
from core.labels.making import make_labels
from core.labels.notes import FeatureNote
from core.labels.sample import sample_of
from core.models import registry
from core.settings import NEURONPEDIA, NEURONPEDIA_BULK
from pages.shared import feature_note
from tests.conftest import PAGE_MODEL
from tests.neuronpedia_server import NeuronpediaServer, Reply, feature

SOURCE = "tiny/2-res"


def script():
    from cache.engines import get_engine
    from core import Feature
    from pages.shared import feature_note, measurements
    from tests.conftest import PAGE_MODEL

    engine = get_engine(PAGE_MODEL)
    for layer in (2, 3):
        feature_note.show(engine, Feature(layer, 5), measurements.labels(engine, PAGE_MODEL))


@pytest.fixture
def server(on_page_model, page_spec, monkeypatch):
    """Neuronpedia knows layer 2 of a model that ships no labels."""
    spec = replace(page_spec, labels=None, neuronpedia={2: SOURCE})
    registry.register(spec)
    engines.unload_all()
    with NeuronpediaServer() as running:
        monkeypatch.setenv(NEURONPEDIA.name, running.url)
        monkeypatch.setenv(NEURONPEDIA_BULK.name, running.url)
        yield running
    engines.unload_all()


def opened() -> AppTest:
    app = AppTest.from_function(script, default_timeout=120).run()
    assert not app.exception
    return app


def said(app) -> str:
    return " ".join(element.value for element in (*app.caption, *app.html, *app.error)).replace("\\", "")


def ask(app) -> AppTest:
    app.button(key="ask_2-5").click().run()
    assert not app.exception
    return app


def test_nothing_is_asked_before_somebody_presses_the_button(server):
    app = opened()
    assert server.asked == [] and [b.key for b in app.button] == ["ask_2-5"]
    assert said(app).count("This feature has no label.") == 2
    assert [link.url for link in app.get("link_button")] == [f"{server.url}/{SOURCE}/5"]


def test_the_answer_is_shown_with_its_origin_and_kept(server):
    label = "words of <b>regret</b> **bold**"
    server.pages[SOURCE, 5] = feature(SOURCE, 5, label)
    app = ask(opened())
    assert "Label from Neuronpedia (explained by gpt-4o-mini · oai_token-act-pair)." in said(app)
    assert "Active on 0.32% of sample tokens, at most 12.50. Its decoder row promotes: sorry, Sorry." in said(app)
    assert "It suppresses: sure." in said(app) and "I am<mark> sorry</mark> to" in said(app)
    assert app.expander[0].label.replace("\\", "") == f"2-5 · {label}" and "\\*\\*bold" in app.expander[0].label
    again = opened()
    assert [b.key for b in again.button] == [] and "Label from Neuronpedia" in said(again) and len(server.asked) == 1


@pytest.mark.parametrize(
    ("page", "text"), [(None, "no page for this feature"), (feature(SOURCE, 5), "no explanation of this feature")]
)
def test_that_there_is_none_is_said_with_the_day_and_not_asked_again(server, page, text):
    server.pages[SOURCE, 5] = page
    app = ask(opened())
    assert f"Neuronpedia had {text} on 20" in said(app) and [b.key for b in app.button] == []
    assert ("This description is from Neuronpedia." in said(app)) == (page is not None)


def test_trouble_is_one_sentence_and_the_button_stays(server):
    server.first[f"/api/feature/{SOURCE}/5"].append(Reply(403))
    app = ask(opened())
    assert "refused the request" in app.error[0].value.replace("\\", "") and app.button(key="ask_2-5")
    server.pages[SOURCE, 5] = feature(SOURCE, 5, "now there")
    assert "now there" in ask(app).expander[0].label


def test_labels_made_here_are_shown_as_such(server, monkeypatch):
    from cache.store.labels import made_folder

    engine = engines.get_engine(PAGE_MODEL)
    make_labels(engine, sample_of(engine, ["How do I bake bread?", "Tell me a story."]), made_folder(PAGE_MODEL), [3])
    app = opened()
    assert "Label made here (2 prompts, " in said(app) and "This feature has no label" in said(app)


def test_what_is_known_is_said_and_what_is_not_is_left_out():
    bare = FeatureNote("bulk", None, None, (), "", origin="Neuronpedia")
    assert feature_note.sentences(bare) == ["Label from Neuronpedia."]
    shipped = FeatureNote("x", 0.0123, 4.0, (), "a, b")
    assert feature_note.sentences(shipped) == [
        "Label shipped with the model.",
        "Active on 1.23% of sample tokens, at most 4.00. Its decoder row promotes: a, b.",
    ]
    html = feature_note.contexts(replace(shipped, contexts=(Context("<i>", "&", '"', 1.0),)))
    assert "&lt;i&gt;<mark>&amp;</mark>&quot;" in html
    assert "No example" in feature_note.contexts(shipped)
