"""Addresses: what goes in comes out, and nothing that is too long is cut in the middle."""

from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as some

from core import Edits, Feature
from core.prompts.conversation import Turn
from pages.shared.workspace import address
from pages.shared.workspace.address import LONGEST_LINK, Link
from pages.shared.workspace.origin import Origin
from pages.shared.workspace.state import Edit, Settings, Workspace, split, target, with_words

texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=300)
words = some.builds(
    lambda layer, index, value, place: Edits.clamp([Feature(layer, index)], value, place).to_text(),
    some.integers(0, 40),
    some.integers(0, 100_000),
    some.floats(-100, 100),
    some.sampled_from(["all", "bos", "instruction", "template", "last", "generated"]),
)
edit_sets = some.lists(some.builds(Edit, words, some.booleans()), max_size=30, unique_by=lambda edit: edit.word).map(
    tuple
)
settings = some.builds(
    Settings,
    some.integers(1, 50),
    some.integers(0, 100).map(lambda number: number / 100),
    some.integers(0, 10_000),
    some.booleans(),
    some.sampled_from([32, 64, 128, 256]),
)
turns = some.lists(texts.filter(bool), max_size=2).map(
    lambda found: tuple(Turn(("user", "assistant")[n], text) for n, text in enumerate(found)) if len(found) == 2 else ()
)
workspaces = some.builds(
    Workspace,
    texts,
    turns,
    edit_sets,
    settings,
    some.lists(edit_sets.filter(bool), max_size=4).map(tuple),
    some.builds(Origin, texts, some.just(())),
)


def parameters(link: Link) -> dict[str, list[str]]:
    """What a browser sends of it."""
    return parse_qs(urlsplit(link.url("http://localhost:8501/audit?old=1")).query, keep_blank_values=True)


@given(workspaces)
def test_a_workspace_comes_back_as_it_went(workspace):
    link = address.link_to(workspace)
    if not link.too_long:
        assert address.read(parameters(link)) == workspace


@given(workspaces)
def test_the_address_of_what_was_read_is_the_same_address(workspace):
    link = address.link_to(workspace)
    assert address.link_to(address.read(parameters(link))).parameters == link.parameters
    assert address.ours(parameters(link)) == link.parameters


@given(some.lists(words, max_size=50, unique_by=target))
def test_edits_survive_a_link(edits):
    text = ",".join(dict.fromkeys(edits))
    found = address.read({"edits": [text]})
    assert Edits.from_text(",".join(found.words_on)) == Edits.from_text(text)


def test_an_old_link_still_works():
    found = address.read({"prompt": ["How do I bake bread?"], "edits": ["2-3,3-4=6@bos,direction"]})
    assert found.prompt == "How do I bake bread?"
    assert found.edits == (Edit("2-3"), Edit("3-4=6@bos"), Edit("direction"))


def test_a_set_too_long_is_left_out_whole():
    edits = tuple(f"{layer}-{index}" for layer in range(20) for index in range(200))
    link = address.link_to(with_words(Workspace("How do I bake bread?"), edits))
    assert "too many for a link" in link.too_long
    assert link.parameters == {"prompt": ("How do I bake bread?",)}
    assert len(link.url("http://localhost:8501")) < LONGEST_LINK


def test_500_edits_fit():
    edits = tuple(f"{layer}-{index}" for layer in range(10, 20) for index in range(1000, 1050))
    of = Origin("gemma-2-2b-it", tuple((layer, "0a1b2c") for layer in range(26)))
    assert not address.link_to(with_words(Workspace("How do I bake bread?", origin=of), edits)).too_long


def test_a_link_names_the_model_and_the_saes_of_the_layers_it_has_edits_in():
    of = Origin("a/b", ((1, "aaaaaa"), (2, "bbbbbb"), (3, "cccccc"), (4, "dddddd")))
    now = Workspace(
        "p", edits=(Edit("1-1"),), settings=Settings(clamp="3-1=6"), pins=((Edit("2-1", False),),), origin=of
    )
    link = address.link_to(now)
    assert link.url("http://here/").endswith("&model=a%2Fb&saes=1.aaaaaa,2.bbbbbb,3.cccccc")
    assert address.read(parameters(link)).origin == Origin("a/b", of.saes[:3])
    assert address.link_to(address.read(parameters(link))) == link
    assert address.link_to(Workspace("p", origin=of)).parameters == {"prompt": ("p",), "model": ("a/b",)}


def test_a_prompt_too_long_is_left_out_and_the_edits_stay():
    link = address.link_to(with_words(Workspace("x" * LONGEST_LINK), ["1-1"]))
    assert link.parameters == {"edits": ("1-1",)} and "too long for a link" in link.too_long


def test_pinned_sets_are_left_out_first():
    pin = tuple(Edit(f"{layer}-{index}") for layer in range(10) for index in range(1000, 1200))
    link = address.link_to(Workspace("p", edits=(Edit("1-1", False),), pins=(pin,)))
    assert link.parameters == {"prompt": ("p",), "edits": ("~1-1",)} and "pinned" in link.too_long


def test_repeats_and_blanks_go():
    assert split(" 1-1,,2-2 , 1-1 ") == ("1-1", "2-2")
    found = address.read({"edits": [" 1-1,,~2-2 , 1-1,2-2,~ "], "other": ["x"]})
    assert found == Workspace(edits=(Edit("1-1"), Edit("2-2", False)))


def test_what_is_not_a_setting_is_as_usual():
    odd = {"k": ["many"], "near": ["nan"], "seed": ["inf"], "mode": ["?"], "tokens": ["33"], "turn": ["alone"]}
    assert address.read(odd) == Workspace()
    assert address.read({"k": ["900"], "near": ["-1"], "seed": ["-5"]}).settings == Settings(50, 0.0, 0)


def test_one_edit_written_in_two_ways_is_one():
    found = address.read({"edits": ["14-77,14-77=0,~3-1=-0,3-1,2-2=6,2-2=6.0,2-2=6@all,direction,direction=0"]})
    assert found.words == ("14-77", "3-1=-0", "2-2=6", "direction", "direction=0")
    assert found.words_on == ("14-77", "2-2=6", "direction", "direction=0")


def test_what_is_lost_of_a_link_is_told():
    assert address.lost({"prompt": ["p"], "turn": ["a", "b"], "edits": ["1-1,~2-2,1-1=0"], "pin": ["1-1"]}) == ""
    assert "odd number of earlier turns" in address.lost({"prompt": ["p"], "turn": ["a", "b", "c"]})
    assert "has 14-77=0 both on and off" in address.lost({"edits": ["~14-77,14-77=0"]})
    assert "both on and off" in address.lost({"pin": ["1-1", "2-2,~2-2"]})
    assert "6 pinned sets, and the last 4" in address.lost({"pin": [f"1-{n}" for n in range(6)]})


def test_what_is_dropped_of_a_repeated_parameter_is_told():
    link = {"prompt": ["p", "q"], "edits": ["14-77", "15-1131,2-3"], "k": ["7", "9", "7"], "view": ["Dose", "Dose"]}
    found, said = address.read(link), address.lost(link)
    assert (found.prompt, found.words, found.settings.features_per_layer) == ("p", ("14-77",), 7)
    assert "“edits” 2 times. The first, “14-77”, was taken, and “15-1131,2-3” was left out." in said
    assert "“prompt” 2 times. The first, “p”, was taken, and “q” was left out." in said
    assert "“k” 3 times" in said and "“9” was left out" in said and "view" not in said
    long = address.lost({"prompt": ["p" * 900, *(f"{n}" * 900 for n in range(9))]})
    assert len(long) < 400 and "…” was left out." not in long and "… was left out." in long


def test_edits_of_a_link_are_read_as_at_the_command_line():
    for text in ("1-3; ~2-5=6@bos", "1-3 ~ 2-5 = 6 @BOS", "1:3,~L2/5=6@bos", "Layer 1-3,~2-5=6 at bos"):
        assert address.read({"edits": [text]}).edits == (Edit("1-3"), Edit("2-5=6@bos", False)), text
    assert address.read({"pin": ["1-3; 2-5"]}).pins == ((Edit("1-3"), Edit("2-5")),)
    assert address.read({"edits": ["1-3=6@BOS,1-3=6@bos,01-3=6.0@bos"]}).words == ("1-3=6@bos",)
    assert address.read({"edits": ["1-3?2-5>-0,1-3?2-5>0,Direction,direction"]}).words == ("1-3?2-5>-0", "direction")
    assert "1-3@bos both on and off" in address.lost({"edits": ["1-3@BOS;~1-3@bos"]})


def test_half_a_surrogate_pair_makes_no_broken_link():
    assert "view=a%3Fb" in address.link_to(address.read({"view": ["a\ud911b"]})).url("http://here/")


def test_an_address_that_names_no_model_asks_for_the_same():
    """So it stays as it is: to write the model into it would put another entry between the visitor and Back."""
    named = {"prompt": ("hi",), "edits": ("2-3",), "model": ("demo",), "saes": ("2.0a1b2c",)}
    bare = {"prompt": ("hi",), "edits": ("2-3",)}
    assert address.says(named, named) and address.says(bare, named) and address.says({}, {})
    assert not address.says(named, bare) and not address.says(named | {"model": ("other",)}, named)
    assert not address.says({"prompt": ("hi",)}, named) and not address.says({}, named)
