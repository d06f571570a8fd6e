"""The page: self-contained, nothing in it runs, and every text stays text."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from core import Edits
from core.answers.answer import Answer
from core.card.features import About
from core.card.html import card_page
from core.card.make import Asked, make_card
from tests.cards import HOSTILE, PROMPT, made


class Seen(HTMLParser):
    """Tags with their attributes, and the text outside of style and data."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict]] = []
        self.text, self._skipped = "", 0

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._skipped += tag in ("script", "style")

    def handle_endtag(self, tag):
        self._skipped -= tag in ("script", "style")

    def handle_data(self, data):
        self.text += "" if self._skipped else data


def seen(text):
    parser = Seen()
    parser.feed(text)
    return parser


@pytest.fixture(scope="module")
def card(tiny):
    return made(tiny)


@pytest.fixture(scope="module")
def page(card):
    return card_page(card)


def test_nothing_runs_and_nothing_is_fetched(page):
    found = seen(page)
    scripts = [attributes for tag, attributes in found.tags if tag == "script"]
    assert [one["type"] for one in scripts] == ["application/json"]
    assert not {tag for tag, _ in found.tags} & {"img", "iframe", "link", "object", "embed", "form", "base"}
    names = {name for _, attributes in found.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href", "srcset")]
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "script-src" not in policy
    assert not re.search(r"@import|url\(", page.split("</style>")[0])


def test_what_people_and_models_wrote_is_shown_as_text(page):
    assert page.count("</script>") == 1 and "<img" not in page
    assert seen(page).text.count(HOSTILE) == 2  # an earlier answer, and the request


def test_it_says_what_stands_beside_each_claim(page, card):
    text = " ".join(seen(page).text.split())
    assert text.count("remove as much of the residual stream") == 1 and "random directions" in text
    assert f"κ {card.source.judge.kappa:.2f}" in text and "does not prove" in text
    assert all(one.digest in text for one in card.source.saes)
    assert "hydrascope card verify FILE" in text


def test_pictures_take_their_colours_from_the_page(page):
    assert page.count("<svg ") == 4 and "var(--series-1)" in page
    assert not re.findall(r'(?:fill|stroke)="#', page)


@pytest.mark.parametrize("agreed", [True, False])
def test_texts_are_in_it_only_where_that_was_agreed_to(tiny, agreed):
    known = {Edits(): Answer("The secret answer.", True)}
    shown = card_page(make_card(tiny, [Asked(PROMPT, (), 3, known)], page="a test", agreed=agreed, about=About()))
    assert ("The secret answer." in shown) is agreed and ("nobody agreed" in shown) is not agreed


def test_roles_and_categories_are_shown_where_they_are_known(card):
    case = card.cases[0]
    first = case.features[0]._replace(role="refusal writer", categories={"<b>drugs": 0.75, "theft": 0.5})
    shown = card_page(replace(card, cases=(replace(case, features=(first, *case.features[1:])),)))
    text = seen(shown).text
    assert "refusal writer" in text and "<b>drugs 75%, theft 50%" in text
    assert "refusal writer" not in card_page(card)
