"""What was clicked, read from a state that may be built on what the browser showed before."""

from hypothesis import given
from hypothesis import strategies as some

from pages.shared.workspace.mirrors import difference

MEMBERS = some.frozensets(some.sampled_from("abcdef"))


@given(MEMBERS, some.lists(MEMBERS, min_size=1, max_size=4), some.sampled_from("abcdef"))
def test_one_click_on_the_newest_set_is_read_as_that_click(now, others, member):
    clicked = now ^ {member}
    sets = [each for each in others if len(each ^ clicked) > 1] + [now]
    added, removed = difference(clicked, sets)
    assert (added, removed) == ((frozenset(member), frozenset()) if member in clicked else (frozenset(), {member}))


@given(some.lists(MEMBERS, min_size=1, max_size=4), some.data())
def test_what_the_browser_showed_before_is_no_click(sets, data):
    assert difference(data.draw(some.sampled_from(sets)), sets) == (frozenset(), frozenset())


def test_a_click_made_on_an_older_set_is_only_that_click():
    older, newer = frozenset("abc"), frozenset("bc")
    assert difference(frozenset("ac"), [older, newer]) == (frozenset(), frozenset("b"))
