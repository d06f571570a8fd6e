"""Labels as pages show them."""

import pytest

from core import Feature
from core.labels.notes import Labels
from pages.shared.feature_text import about, short


class One:
    """A source with one label for every feature."""

    version = 0

    def __init__(self, text: str) -> None:
        self.text = text

    def __len__(self) -> int:
        return 1

    def label(self, feature):
        return self.text

    def note(self, feature):
        return None


@pytest.mark.parametrize(
    ("label", "whole", "chip"),
    [
        (
            "…to grow ⟦deadly⟧ bacteria. · gas → other",
            "…to grow ⟦deadly⟧ bacteria. · gas",
            "…to grow ⟦deadly⟧ bacteria.",
        ),
        (
            "template: …‹im_start›assistant⟦↵⟧I'm → x",
            "template: …‹im_start›assistant⟦↵⟧I'm",
            "template: …›assistant⟦↵⟧I'm",
        ),
        ("words of regret", "words of regret", "words of regret"),
        ("", "", ""),
    ],
)
def test_without_what_it_promotes_and_shorter_still_for_a_chip(label, whole, chip):
    labels = Labels((One(label),))
    assert (about(labels, Feature(1, 1)), short(labels, Feature(1, 1))) == (whole, chip)
