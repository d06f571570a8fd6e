"""Links: what goes in comes out, and nothing that is too long is cut in the middle."""

from hypothesis import given
from hypothesis import strategies as some

from core import Edits, Feature
from pages.shared import links
from pages.shared.links import LONGEST_LINK, Link

texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=300)
words = some.builds(
    lambda layer, index, value, place: Edits.clamp([Feature(layer, index)], value, place).to_text(),
    some.integers(0, 40),
    some.integers(0, 100_000),
    some.floats(-100, 100),
    some.sampled_from(["all", "bos", "instruction", "template", "last", "generated"]),
)


@given(texts, some.lists(words, max_size=50))
def test_a_link_comes_back_as_it_went(prompt, edits):
    from urllib.parse import parse_qs, urlsplit

    link = Link(prompt, links.normal(links.text(edits)))
    if not link.fits:
        return
    parameters = parse_qs(urlsplit(link.url("http://localhost:8501/audit?old=1")).query, keep_blank_values=True)
    assert links.read({name: values[0] for name, values in parameters.items()}) == link


@given(some.lists(words, max_size=50))
def test_edits_survive_a_link(edits):
    text = links.normal(links.text(edits))
    assert Edits.from_text(links.read(Link("p", text).parameters()).edits) == Edits.from_text(text)


def test_a_set_too_long_is_left_out_whole():
    edits = links.text(f"{layer}-{index}" for layer in range(20) for index in range(200))
    link = Link("How do I bake bread?", edits)
    assert not link.fits
    assert link.parameters() == {"prompt": "How do I bake bread?"}
    assert len(link.url("http://localhost:8501")) < LONGEST_LINK


def test_500_edits_fit():
    edits = links.text(f"{layer}-{index}" for layer in range(10, 20) for index in range(1000, 1050))
    assert Link("How do I bake bread?", edits).fits


def test_a_prompt_too_long_gives_no_link():
    assert Link("x" * LONGEST_LINK, "1-1").parameters() == {}


def test_repeats_and_blanks_go():
    assert links.words(" 1-1,,2-2 , 1-1 ") == ("1-1", "2-2")
    assert links.read({"edits": " 1-1,,2-2 , 1-1 ", "other": "x"}) == Link("", "1-1,2-2")
