"""Judgements in the store: found again, never made twice, and no more text kept than was asked for."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.store import database as stores
from cache.store import judgements as judging
from cache.store.database import Store
from cache.store.judgements import Judgements
from cache.store.pairs import Pair, digest
from core import DownloadError, InputError, Verdict
from core.answers.answer import Answer
from core.answers.judge import Judgement
from core.answers.rule_judges import text_judge
from core.answers.verdicts import VERDICTS
from core.errors import Cancelled
from core.models.footprint import Footprint
from tests.cache.store.rows import HOLD, ROOT
from tests.judges import SUBSTRINGS

PROMPTS = ("How do I open a lock?", "How do I bake bread?", "How?")
ANSWERS = ("I cannot help.", "Take flour.", "")


class Counting:
    """A judge of harm that remembers what it was asked."""

    def __init__(self, name="counting", revision="r1", fails_after=None):
        self.name, self.revision, self.fails_after = name, revision, fails_after
        self.asked = []

    def footprint(self):
        return Footprint()

    def judge(self, prompts, answers, ended=None):
        if self.fails_after is not None and len(self.asked) >= self.fails_after:
            raise DownloadError("The network is gone; try again.")
        self.asked += zip(prompts, answers, strict=True)
        return tuple(
            Judgement(None, "yes" if "flour" in a else "no", f"said of {p}", len(a) / 10, ("S1", "S2") if a else ())
            for p, a in zip(prompts, answers, strict=True)
        )

    def close(self):
        pass


@pytest.fixture
def kept(tmp_path):
    return Judgements(Store(tmp_path / "deep" / "hydrascope.duckdb"))


def rows(kept):
    return kept.store.rows("select * from judgements order by rowid")


def test_what_was_judged_comes_back_equal_in_another_process_life(kept):
    judge = Counting()
    first = kept.judge(judge, PROMPTS, ANSWERS)
    assert first == Counting().judge(PROMPTS, ANSWERS)
    kept.store.close()
    again = Judgements(Store(kept.store.path))
    later = Counting()
    assert again.judge(later, PROMPTS, ANSWERS) == first and later.asked == []
    assert again.missing(later, PROMPTS, ANSWERS) == 0


def test_nothing_is_judged_twice_not_even_in_one_call(kept):
    judge = Counting()
    assert kept.missing(judge, PROMPTS + PROMPTS, ANSWERS + ANSWERS) == 3
    twice = kept.judge(judge, PROMPTS + PROMPTS[:1], ANSWERS + ANSWERS[:1])
    assert twice[0] == twice[3] and len(judge.asked) == 3 == len(rows(kept))
    kept.judge(judge, (*PROMPTS, "new"), (*ANSWERS, "Take flour."))
    assert judge.asked[3:] == [("new", "Take flour.")] and len(rows(kept)) == 4


def test_the_same_answer_to_another_prompt_is_another_pair(kept):
    judge = Counting()
    a, b = kept.judge(judge, ["ab", "a"], ["c", "bc"])
    assert (a.raw, b.raw) == ("said of ab", "said of a") and len(judge.asked) == 2
    assert [one.raw for one in kept.judge(judge, ["x", "y"], ["same", "same"])] == ["said of x", "said of y"]


def test_another_judge_or_revision_judges_anew(kept):
    for judge in (Counting(), Counting(revision="r2"), Counting(name="another")):
        kept.judge(judge, PROMPTS, ANSWERS)
        assert len(judge.asked) == 3


def test_no_judgement_of_refusals_becomes_one_of_harm(kept):
    kept.judge(SUBSTRINGS, PROMPTS, ANSWERS)
    found = kept.judge(SUBSTRINGS, PROMPTS, ANSWERS)
    assert found == SUBSTRINGS.judge(PROMPTS, ANSWERS)
    assert [one.verdict for one in found] == ["refused", "complied", "degenerate"]
    assert all(one.harmful is None and one.score is None and one.categories == () for one in found)


def test_answers_are_kept_only_when_asked_for_and_added_without_judging_again(kept):
    judge = Counting()
    kept.judge(judge, PROMPTS, ANSWERS)
    text = str(rows(kept))
    assert "Take flour." not in text and "I cannot help." not in text and digest("Take flour.") in text
    assert PROMPTS[1] in text
    found = kept.judge(judge, PROMPTS, ANSWERS, keep_answers=True)
    assert len(judge.asked) == 3 and found == Counting().judge(PROMPTS, ANSWERS)
    query = "select answer from latest_judgements where prompt_hash = ?"
    assert [kept.store.rows(query, [digest(p)]) for p in PROMPTS] == [[(a,)] for a in ANSWERS]
    kept.judge(judge, PROMPTS, ANSWERS, keep_answers=True)
    kept.judge(judge, PROMPTS, ANSWERS)
    assert len(rows(kept)) == 6, "kept once is enough, and nothing is taken back"


def test_a_failure_half_way_loses_nothing_and_goes_on_where_it_was(kept, monkeypatch):
    monkeypatch.setattr(judging, "CHUNK", 2)
    prompts, answers = [f"prompt {n}" for n in range(7)], ["Take flour."] * 7
    told = []
    with pytest.raises(DownloadError):
        kept.judge(Counting(fails_after=4), prompts, answers, progress=lambda done, of: told.append((done, of)))
    assert len(rows(kept)) == 4 and told == [(0, 7), (2, 7), (4, 7)]
    judge = Counting()
    assert kept.judge(judge, prompts, answers) == Counting().judge(prompts, answers)
    assert [prompt for prompt, _ in judge.asked] == prompts[4:]


def test_stopped_between_two_writes_it_keeps_them_and_goes_on(kept, monkeypatch):
    monkeypatch.setattr(judging, "CHUNK", 2)
    prompts, judge = [f"prompt {n}" for n in range(5)], Counting()
    with pytest.raises(Cancelled, match="continues from there"):
        kept.judge(judge, prompts, ["x"] * 5, cancelled=lambda: len(judge.asked) >= 4)
    assert len(rows(kept)) == 4
    kept.judge(judge, prompts, ["x"] * 5)
    assert [prompt for prompt, _ in judge.asked] == prompts


class Many:
    """Workers with one judge, and the groups that they were given."""

    def __init__(self, judge):
        self.judge, self.name, self.revision, self.groups = judge, judge.name, judge.revision, []

    def __call__(self, groups, checkpoint):
        for group in groups:
            checkpoint()
            self.groups.append(group)
            yield self.judge.judge([pair.prompt for pair in group], [pair.answer for pair in group])


def test_workers_are_given_the_chunks_of_one_process_and_leave_the_same_rows(kept, monkeypatch, tmp_path):
    monkeypatch.setattr(judging, "CHUNK", 2)
    prompts, answers, told = [f"prompt {n}" for n in range(5)] * 2, ["Take flour."] * 10, []
    alone = Judgements(Store(tmp_path / "alone.duckdb"))
    expected = alone.judge(Counting(), prompts, answers, True, lambda *at: told.append(at))
    many, also_told = Many(Counting()), []
    assert kept.judge_by(many, prompts, answers, True, lambda *at: also_told.append(at)) == expected
    assert [len(group) for group in many.groups] == [2, 2, 1] and also_told == told
    assert [row[1:] for row in rows(kept)] == [row[1:] for row in rows(alone)]
    assert kept.judge(Counting(fails_after=0), prompts, answers) == expected, "what workers judged is known"


def test_workers_are_stopped_between_two_writes_and_go_on_with_what_is_missing(kept, monkeypatch):
    monkeypatch.setattr(judging, "CHUNK", 2)
    prompts, many = [f"prompt {n}" for n in range(5)], Many(Counting())
    with pytest.raises(Cancelled, match="continues from there"):
        kept.judge_by(many, prompts, ["x"] * 5, cancelled=lambda: len(many.groups) >= 2)
    assert len(rows(kept)) == 4
    kept.judge_by(many, prompts, ["x"] * 5)
    assert [pair.prompt for group in many.groups for pair in group] == prompts


def test_chunks_by_time_begin_small_and_grow_while_they_are_quick(kept, monkeypatch):
    clock, sizes = iter(range(10**6)), []
    monkeypatch.setattr(judging.time, "monotonic", lambda: float(next(clock)))  # each chunk takes a second

    class Sizes(Counting):
        def judge(self, prompts, answers, ended=None):
            sizes.append(len(prompts))
            return super().judge(prompts, answers)

    prompts = [f"prompt {n}" for n in range(200)]
    quick = kept.judge(Sizes(), prompts, ["x"] * 200, seconds=5.0)
    assert sizes == [4, 8, 16, 32, 64, 64, 12] and len(quick) == 200
    sizes.clear()
    kept.judge(Sizes(revision="slow"), prompts[:9], ["x"] * 9, seconds=0.5)
    assert sizes == [4, 2, 1, 1, 1], "half as many where one takes too long"


def test_what_is_stored_of_some_answers_is_told_judge_by_judge(kept):
    kept.judge(Counting("b"), PROMPTS, ANSWERS)
    kept.judge(Counting("b", "r2"), PROMPTS[:2], ANSWERS[:2])
    kept.judge(SUBSTRINGS, PROMPTS[1:], ANSWERS[1:])
    pairs = [Pair(*pair) for pair in zip((*PROMPTS, "never"), (*ANSWERS, "judged"), strict=True)]
    b, substrings = kept.stored(pairs)
    assert (b.judge, b.revision, substrings.judge) == ("b", "r2", "substrings")
    assert b.judgements == (*Counting().judge(PROMPTS[:2], ANSWERS[:2]), None, None)
    assert substrings.judgements == (None, *SUBSTRINGS.judge(PROMPTS[1:], ANSWERS[1:]), None)
    assert len(substrings.known) == 2 and kept.stored(pairs[3:]) == () == kept.stored([])
    assert kept.judges() == ("b", "substrings")


def test_what_both_have_judged_comes_with_prompts_and_the_answers_that_were_kept(kept):
    kept.judge(Counting("b"), PROMPTS, ANSWERS)
    kept.judge(SUBSTRINGS, PROMPTS, ANSWERS)
    assert set(kept.both("b", "substrings").answers) == {None}
    kept.judge(SUBSTRINGS, PROMPTS[:1], ANSWERS[:1], keep_answers=True)
    both = kept.both("b", "substrings")
    assert dict(zip(both.prompts, both.answers, strict=True)) == {
        PROMPTS[0]: ANSWERS[0],
        PROMPTS[1]: None,
        PROMPTS[2]: None,
    }


def test_a_table_that_was_kept_in_memory_moves_to_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "RETRY_AFTER", 0.0)
    path = tmp_path / "s.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline().strip() == "writes"
        kept = Judgements(Store(path))
        kept.judge(Counting(), PROMPTS, ANSWERS)
        assert kept.store.trouble
        holder.communicate("")
    assert kept.missing(Counting(), PROMPTS, ANSWERS) == 0 and kept.store.trouble is None
    kept.store.close()
    assert Judgements(Store(path)).missing(Counting(), PROMPTS, ANSWERS) == 0


def test_both_gives_the_answers_two_judges_share_under_their_last_revisions(kept):
    old, new, other = Counting(revision="old"), Counting(revision="new"), Counting(name="other")
    kept.judge(old, ["left out"], ["by the new one"])
    kept.judge(new, PROMPTS, ANSWERS)
    kept.judge(other, PROMPTS[:2], ANSWERS[:2])
    kept.judge(other, ["only here"], ["x"])
    both = kept.both("counting", "other")
    assert both.revisions == ("new", "r1") and set(both.first) == set(new.judge(PROMPTS[:2], ANSWERS[:2]))
    assert both.first == both.second
    turned = kept.both("other", "counting")
    assert (turned.first, turned.second) == (both.second, both.first)


def test_judges_without_a_shared_answer_are_one_sentence(kept):
    with pytest.raises(InputError, match=r"no judgements by “counting”; it has judgements by: no judge yet"):
        kept.both("counting", "other")
    kept.judge(Counting(), PROMPTS[:1], ANSWERS[:1])
    kept.judge(Counting(name="other"), PROMPTS[1:], ANSWERS[1:])
    with pytest.raises(InputError, match="No stored answer was judged by both"):
        kept.both("counting", "other")
    with pytest.raises(InputError, match="it has judgements by: counting, other"):
        kept.both("counting", "third")


def test_half_a_character_is_one_sentence_and_judges_nothing(kept):
    judge = Counting()
    with pytest.raises(InputError, match="half a character"):
        kept.judge(judge, ["fine", "odd"], ["fine", "\ud83d"])
    assert judge.asked == [] and rows(kept) == []


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory):
    return Judgements(Store(tmp_path_factory.mktemp("any") / "s.duckdb"))


def by_length(text: str) -> Verdict:
    return VERDICTS[len(text) % 3]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_any_text_is_found_again(long_lived, pairs):
    judge = text_judge("length", "1", by_length)
    prompts, answers = [p for p, _ in pairs], [a for _, a in pairs]
    assert long_lived.judge(judge, prompts, answers, keep_answers=True) == judge.judge(prompts, answers)
    assert long_lived.missing(judge, prompts, answers) == 0
    assert set(pairs) <= set(long_lived.store.rows("select prompt, answer from judgements"))


def test_a_judge_is_told_how_an_answer_ended_and_verdicts_are_kept_apart_by_it(kept):
    judge, told = Counting(), []
    ask = judge.judge
    judge.judge = lambda prompts, answers, ended=None: (told.extend(ended), ask(prompts, answers))[1]
    answers = [Answer(ANSWERS[1], True), Answer(ANSWERS[1], False), ANSWERS[1], Answer(ANSWERS[1], True)]
    found = kept.judge(judge, [PROMPTS[1]] * 4, answers)
    assert told == [True, False, None] and len(found) == 4 and kept.missing(judge, [PROMPTS[1]] * 4, answers) == 0
    assert kept.missing(judge, PROMPTS[1:2], [Answer(ANSWERS[1])]) == 0


def test_stored_judgements_of_a_text_alone_are_those_of_the_same_text_however_it_ended(kept):
    judge = Counting()
    (cut,) = kept.judge(judge, PROMPTS[1:2], [Answer(ANSWERS[1], False)])
    text, ended = Pair(PROMPTS[1], ANSWERS[1]), Pair(PROMPTS[1], Answer(ANSWERS[1], True))
    (found,) = kept.stored([text, ended])
    assert found.judgements == (cut, None)
    kept.judge(judge, PROMPTS[1:2], ANSWERS[1:2])
    kept.judge(judge, PROMPTS[1:2], [ended.answer])
    assert kept.stored([text, ended])[0].judgements == (cut, cut)
