"""The workspace as a value: what each change makes of it, and undo and redo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core import Conversation, Edits, Feature, InputError
from core.prompts.conversation import Turn
from pages.shared.workspace import state
from pages.shared.workspace.state import Edit, Workspace
from pages.shared.workspace.undo import MOST_STEPS, History

START = Workspace("How do I bake bread?", edits=(Edit("2-3"), Edit("2-4", False), Edit("direction")))


def test_words_are_checked_before_they_join_the_edits():
    assert state.words_for([Feature(2, 3), Feature(3, 4)]) == ("2-3", "3-4")
    assert state.words_for([Feature(2, 3)], 2.5, "bos") == ("2-3=2.5@bos",)
    assert state.words_of(Edits.ablate([Feature(2, 3)], strength=0.5)) == ("2-3*0.5",)
    with pytest.raises(InputError):
        state.words_for([Feature(2, 3)], float("nan"))


def test_what_is_on_and_what_is_named():
    assert START.words == ("2-3", "2-4", "direction") and START.words_on == ("2-3", "direction")
    assert START.features == (Feature(2, 3), Feature(2, 4))


@pytest.mark.parametrize("prompt", ["", " ", " \n\t "])
def test_blanks_are_no_prompt(prompt):
    assert state.with_prompt(START, prompt) is START


def test_a_conversation_ends_with_the_prompt():
    earlier = (Turn("user", "Hello"), Turn("assistant", "Hello!"))
    assert START.asked == "How do I bake bread?"
    asked = Workspace("And bread?", earlier).asked
    assert isinstance(asked, Conversation) and asked.text == "And bread?" and asked.history == earlier


def test_an_example_is_asked_outside_the_conversation():
    now = Workspace("And bread?", (Turn("user", "Hello"), Turn("assistant", "Hello!")))
    assert state.with_prompt(now, "Why?").earlier == now.earlier
    assert state.with_other_prompt(now, "Why?") == Workspace("Why?")


def test_adding_keeps_what_is_off_and_replaces_the_same_feature_at_the_same_positions():
    found = state.with_more_words(START, ["2-4=3.0", "2-3@bos", "3-1"])
    assert found.edits == (Edit("2-3"), Edit("direction"), Edit("2-4=3.0"), Edit("2-3@bos"), Edit("3-1"))
    assert state.with_more_words(START, ["3-1"]).edits == (*START.edits, Edit("3-1"))


@given(some.sets(some.sampled_from(START.words)))
def test_switching_changes_nothing_but_the_switches(on):
    off = set(START.words) - on
    found = state.with_switched(START, on, off)
    assert found.words == START.words and set(found.words_on) == on
    assert state.with_switched(found, off, ()).words_on == START.words
    assert state.with_switched(START, (), ()) == START


def test_edits_of_the_direction_replace_those_they_cannot_stand_beside():
    start = state.with_words(Workspace("x"), ["direction@bos", "direction=5.0@bos", "1-1"])
    assert state.with_more_words(start, ["direction"]).words == ("direction=5.0@bos", "1-1", "direction")
    assert state.with_more_words(start, ["direction=-3@bos"]).words == ("direction@bos", "1-1", "direction=-3@bos")
    assert state.with_more_words(start, ["direction=2@last"]).words == (*start.words, "direction=2@last")


@pytest.mark.parametrize("text", ["1-1@bos; 2-2=6", "1-1@BOS 2-2=6", "L1/1 at bos\n2-2 = 6", "1-1@bos,2-2=6,1-1@Bos"])
def test_edits_are_parted_as_at_the_command_line(text):
    assert state.split(text) == ("1-1@bos", "2-2=6")


def test_there_is_a_most_of_edits_and_of_pins():
    words = [f"1-{number}" for number in range(state.MOST_EDITS + 5)]
    assert len(state.with_words(START, words).edits) == state.MOST_EDITS
    now = START
    for number in range(state.MOST_PINS + 2):
        now = state.with_pin(state.with_words(now, [f"1-{number}"]))
    assert len(now.pins) == state.MOST_PINS and now.pins[-1] == now.edits


def test_a_pin_is_put_back_once_and_can_go():
    pinned = state.with_pin(START)
    assert state.with_pin(pinned) is pinned and state.with_pin(Workspace("p")).pins == ()
    cleared = state.with_words(pinned, ())
    assert state.with_pinned_edits(cleared, 0).edits == START.edits
    assert state.with_pinned_edits(cleared, 7) is cleared
    assert state.without_pin(cleared, 0).pins == () and state.without_pin(cleared, 3).pins == cleared.pins


prompts = some.lists(some.text(min_size=1, max_size=3), max_size=8)


@given(prompts)
def test_undo_and_redo_are_each_others_reverse(texts):
    now = History(START)
    for text in texts:
        now = now.change(Workspace(text))
    steps = len(now.past)
    back = now
    for _ in range(steps):
        back = back.undo()
    assert back.present == START and back.undo() is back
    for _ in range(steps):
        back = back.redo()
    assert back == now and back.redo() is back


def test_a_change_forgets_what_was_undone_and_no_change_is_no_step():
    now = History(START).change(Workspace("a")).change(Workspace("b")).undo()
    assert now.undone == (Workspace("b"),)
    assert now.change(Workspace("a")) == now
    assert now.change(Workspace("c")).undone == ()


def test_settings_are_no_step_and_stay_through_undo():
    now = History(START).change(Workspace("a"))
    set_ = now.change(state.with_settings(now.present, features_per_layer=9))
    assert set_.past == now.past
    assert set_.undo().present == state.with_settings(START, features_per_layer=9)
    assert set_.undo().redo().present.settings.features_per_layer == 9


def test_the_oldest_steps_are_forgotten():
    now = History(START)
    for number in range(MOST_STEPS + 10):
        now = now.change(Workspace(str(number)))
    assert len(now.past) == MOST_STEPS


def test_ticks_of_a_table_are_edits_and_what_is_not_shown_stays():
    start = state.with_words(Workspace("x"), ["1-1", "1-2=6.0@bos", "2-9", "direction"])
    start = state.with_switched(start, (), ["1-2=6.0@bos"])
    assert state.with_ticks(start, [Feature(1, 1)], []) == start, "it is ticked already"
    added = state.with_ticks(start, [Feature(1, 3)], [])
    assert added.words_on == ("1-1", "2-9", "direction", "1-3")
    again = state.with_ticks(start, [Feature(1, 2)], [])
    assert again.words_on == ("1-1", "1-2=6.0@bos", "2-9", "direction"), "an edit that was off is on again"
    none = state.with_ticks(start, [], [Feature(1, 1), Feature(1, 2), Feature(1, 3)])
    assert none.words == ("1-2=6.0@bos", "2-9", "direction"), "an edit that is off is left alone"


def test_a_clamp_takes_the_place_of_every_edit_of_its_features():
    start = state.with_words(Workspace("x"), ["1-1", "1-1=3.0@bos", "2-9"])
    assert state.with_clamps(start, [Feature(1, 1)], 6.0, "bos").words == ("2-9", "1-1=6.0@bos")
    with pytest.raises(InputError):
        state.with_clamps(start, [Feature(1, 1)], 6.0, "nowhere")
