"""The picture of a comparison: a real PNG with everything in it, and nothing of a text read as markup."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from PIL import Image

from core import Conversation, Edits, Feature
from pages.audit import charts, picture
from pages.audit.comparison import NOW, UNEDITED, State
from pages.shared.measurements import Cost, Side


def side(score: float) -> Side:
    return Side(score, 0.5, np.linspace(0, score / 10, 6), np.zeros((6, 2)), 1.0)


STATES = [
    State(UNEDITED, Edits(), side(8.8), Cost(0.0, 32, 0.0, 0.0), "I'm sorry, but I can't help with that.", "refused"),
    State(
        NOW, Edits.ablate([Feature(3, 7)]), side(1.0), Cost(0.02, 32, 0.01, 0.03), "Sure <b>now</b> " * 40, "complied"
    ),
    State("A", Edits.ablate([Feature(2, 1)]), side(-2.5), None, None, None),
]


def made(prompt: str = "How do I pick a lock?", states: list[State] = STATES) -> Image.Image:
    lines = charts.line_frame(states[0].side.cosine, None, {one.name: one.side.cosine for one in states[2:]})
    bands = pd.DataFrame({"kind": [], "layer": [], "low": [], "median": [], "high": [], "prompts": []})
    chart = charts.layer_chart(bands, lines, 3)
    return Image.open(io.BytesIO(picture.png(prompt, states, chart, "demo on cpu", "http://127.0.0.1:8501/?edits=3-7")))


def test_it_is_as_wide_as_the_states_and_not_blank():
    image = made()
    assert image.format == "PNG" and image.width >= 2 * 3 * 240
    assert len(set(image.convert("L").getdata())) > 50, "text and lines"


def test_another_answer_or_address_is_another_picture():
    one = made().tobytes()
    other = [*STATES[:1], STATES[1]._replace(answer="Something else"), STATES[2]]
    assert made(states=other).tobytes() != one and made("Another prompt").tobytes() != one
    assert made().tobytes() == one


def test_a_longer_address_and_earlier_turns_take_more_room():
    def height(asked, address="http://x/"):
        return Image.open(io.BytesIO(picture.png(asked, STATES[:2], None, "demo", address))).height

    assert height("p", "http://x/?edits=" + "5-800," * 60) > height("p")
    assert height(Conversation((("user", "a"), ("assistant", "b"), ("user", "p")))) > height("p")
    assert height("long " * 100) > height("p") and height("long " * 1000) == height("long " * 2000)


def test_without_a_direction_the_answers_alone():
    found = Image.open(io.BytesIO(picture.png("p", STATES[:2], None, "demo", "http://x/")))
    assert found.height < made().height
