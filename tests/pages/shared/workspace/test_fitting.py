"""Which edits of a workspace an engine can apply: what is kept can be applied together, whatever a link holds."""

import time

from hypothesis import given, settings
from hypothesis import strategies as some

from core import InputError
from pages.shared.workspace.address import read
from pages.shared.workspace.fitting import edits_of, fitted

written = some.builds(
    "{}{}{}{}{}".format,
    some.sampled_from(["1-3", "2-5", "direction", "9-1", "2-4800", "what"]),
    some.sampled_from(["", "", "=6", "=-0", "=x", "=0,5"]),
    some.sampled_from(["", "", "*0.5", "*99"]),
    some.sampled_from(["", "@bos", "@BOS", "@last", "@mars"]),
    some.sampled_from(["", "", "?1-4>0", "?1-4>-0", "?3-1>2"]),
)
texts = some.lists(written, max_size=8).map(";".join)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(texts)
def test_what_is_kept_can_be_applied_and_what_is_not_is_named(tiny, text):
    asked = read({"edits": [text], "pin": [text]})
    found, said = fitted(asked, tiny)
    tiny.check(edits_of(found.words, tiny))
    gone = [edit for edit in asked.edits if edit not in found.edits]
    assert [edit for edit in asked.edits if edit not in gone] == list(found.edits)
    assert bool(gone) == bool(said) and (not gone or f"left out: {gone[0].word}" in said)
    for edit in gone:  # each stands in the way, of the model or of one that is kept
        try:
            tiny.check(edits_of([edit.word], tiny))
            tiny.check(edits_of([*found.words, edit.word], tiny))
        except InputError:
            continue
        raise AssertionError(edit)


def test_a_link_full_of_edits_that_exclude_each_other_is_read_soon(tiny):
    asked = read({"edits": [",".join(f"1-3={number}" for number in range(1, 2000))]})
    begin = time.process_time()
    found, said = fitted(asked, tiny)
    assert found.words == ("1-3=1",) and "left out: 1-3=2, 1-3=3, 1-3=4, 1-3=5, 1-3=6 …. “1-3=1.0” and" in said
    assert time.process_time() - begin < 4
