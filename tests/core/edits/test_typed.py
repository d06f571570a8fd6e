"""Features and edits as people write them."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from core import Edits, Feature, InputError
from core.edits.typed import from_neuronpedia, tidy

SOURCES = {12: "gemma-2-2b/12-gemmascope-res-65k", 20: "gemma-2-2b/20-gemmascope-res-65k"}


@pytest.mark.parametrize(
    "typed",
    [
        "12-40",
        " 12-40 ",
        "12/40",
        "L12/40",
        "l12/40",
        "12:40",
        "L12:40",
        "12–40",
        "12—40",
        "12−40",
        "12 - 40",
        "12-40,",
        ";12-40",
        "Layer 12-40",
        "layer 12/40",
        "LAYER 12:40",
        "012-040",
    ],
)
def test_a_feature_is_read_however_it_is_written(typed):
    assert Feature.parse(tidy(typed)) == Feature(12, 40)
    assert Edits.from_text(typed) == Edits.ablate([Feature(12, 40)])


@pytest.mark.parametrize(
    "typed", ["12-40,14-7", "12-40 14-7", "12-40;14-7", "12-40; 14-7", "12-40\n14-7", "L12/40 , L14/7"]
)
def test_several_are_separated_by_anything_usual(typed):
    assert Edits.from_text(typed) == Edits.ablate([Feature(12, 40), Feature(14, 7)])


@pytest.mark.parametrize(
    ("typed", "tidied"),
    [
        ("12-40=−3", "12-40=-3"),
        ("12-40 = −3.5 @ BOS", "12-40=-3.5@bos"),
        ("12-40@BOS", "12-40@bos"),
        ("12-40 * 0.5", "12-40*0.5"),
        ("12-40 ? 9-3 > 2.5", "12-40?9-3>2.5"),
        ("direction", "direction"),
        ("Direction", "direction"),
        ("DIRECTION = 5 @ Template", "direction=5@template"),
        ("Refusal direction × 0.5 at Last, 12-40", "direction*0.5@last,12-40"),
        ("12-40 × 0.5", "12-40*0.5"),
        ("12-40×0.5", "12-40*0.5"),
        ("12-40 at bos", "12-40@bos"),
        ("12-40 AT BOS 14-7", "12-40@bos,14-7"),
        ("12-40 = 6 × 0.5 at template if 9-3 > 2.5", "12-40=6*0.5@template?9-3>2.5"),
        ("12-40?09-3>2.5", "12-40?9-3>2.5"),
        ("12-40=1e-05@bos", "12-40=1e-05@bos"),
        ("12-40=6*0.5@template?9-3>2.5,14-7", "12-40=6*0.5@template?9-3>2.5,14-7"),
    ],
)
def test_values_positions_and_conditions(typed, tidied):
    assert tidy(typed) == tidied == tidy(tidied)
    if "direction" not in tidied:
        assert Edits.from_text(typed) == Edits.from_text(tidied)


@pytest.mark.parametrize(
    "typed", ["12.40", "12", "12-40-3", "v12-40", "12/40/7", "12--40", "one-two", "12-4x", "1234567890-1"]
)
def test_what_could_be_something_else_is_refused(typed):
    with pytest.raises(InputError):
        Edits.from_text(typed)


@pytest.mark.parametrize(
    "pasted",
    [
        "gemma-2-2b/12-gemmascope-res-65k/40",
        "https://www.neuronpedia.org/gemma-2-2b/12-gemmascope-res-65k/40",
        "neuronpedia.org/gemma-2-2b/12-gemmascope-res-65k/40/",
        "https://neuronpedia.org/gemma-2-2b/12-gemmascope-res-65k/40?embed=true",
        "https://www.neuronpedia.org/Gemma-2-2B/12-gemmascope-res-65k/40",
    ],
)
def test_a_page_of_the_models_own_saes_is_its_feature(pasted):
    assert from_neuronpedia(pasted, SOURCES) == "12-40"
    assert from_neuronpedia(f"{pasted}, 14-7", SOURCES) == "12-40, 14-7"
    if "?" not in pasted:
        assert from_neuronpedia(f"{pasted}=6@bos", SOURCES) == "12-40=6@bos"
        assert from_neuronpedia(f"{pasted}×0.5", SOURCES) == "12-40×0.5"


def test_a_page_of_other_saes_is_refused_and_other_text_is_left_alone():
    with pytest.raises(InputError, match="another SAE on Neuronpedia"):
        from_neuronpedia("gemma-2-2b/12-gemmascope-res-16k/40", SOURCES)
    with pytest.raises(InputError, match="This model has none"):
        from_neuronpedia("https://www.neuronpedia.org/gpt2-small/6-res-jb/1", {})
    for text in ("12-40,14-7", "12/40", "L12/40", "direction@bos", "12-40=6*0.5@bos?9-3>2"):
        assert from_neuronpedia(text, SOURCES) == text


@pytest.mark.parametrize(
    "run",
    [
        "x",
        " ",
        "a/",
        "1-",
        "1 ",
        "L",
        "Layer ",
        " at",
        " if ",
        "direction ",
        "×",
        "=1,1",
        "@",
        "a/b",
        "=",
        "\n",
        "http://",
        "12-3=",
        "\u2212",
    ],
)
@pytest.mark.parametrize("end", ["", "!"])
def test_a_long_paste_is_read_soon(run, end):
    text = run * (60_000 // len(run)) + end
    begin = time.process_time()
    for _ in range(3):
        tidy(text)
        with suppress(InputError):
            from_neuronpedia(text, {})
    assert time.process_time() - begin < 6
