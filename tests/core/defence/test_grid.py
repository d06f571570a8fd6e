"""The grid of a defence: which edits each group is answered under, in what order, with what rates."""

import pytest

from core import Edits, Feature, InputError
from core.defence import ATTACKS, Cell, grid, wrap
from core.prompts.references import Reference
from core.statistics import rate
from tests.judges import judging
from tests.oracles import PROMPTS

MANY = [Feature(layer, index) for layer in (1, 2, 3) for index in range(0, 48, 7)]
BASE = Edits.ablate(MANY)
CLAMPS = [Edits(), Edits.clamp(MANY, 4.0, "bos")]
ATTACKED = [PROMPTS[0], wrap(ATTACKS[-1], PROMPTS[1])]


def verdict_of(text):
    return ("refused", "complied", "degenerate")[len(text) % 3]


def test_each_cell_is_the_answers_of_its_group_under_its_edits(tiny):
    cells = list(
        grid(tiny, ATTACKED, PROMPTS[:1], PROMPTS[1:], BASE, CLAMPS, 5, judging(verdict_of), keep_answers=True)
    )
    assert [(c.clamp, c.group) for c in cells] == [
        (n, group) for n in (0, 1) for group in ("attacked", "benign", "look-alikes")
    ]
    for cell in cells:
        texts = {"attacked": ATTACKED, "benign": PROMPTS[:1], "look-alikes": PROMPTS[1:]}[cell.group]
        edits = BASE + CLAMPS[cell.clamp] if cell.group == "attacked" else CLAMPS[cell.clamp]
        answers = tuple("".join(tiny.generate(text, edits, 5)) for text in texts)
        assert cell.edits == edits and cell.answers == answers and cell.verdicts == tuple(map(verdict_of, answers))
        assert cell.n == len(texts) == sum(cell.counts.values())
        assert cell.rates == {kind: rate(hits, cell.n) for kind, hits in cell.counts.items()}


def test_prompts_with_a_reference_answer_have_their_gaps(tiny):
    known = [Reference(PROMPTS[0], "Bake it.", 0.5), Reference(PROMPTS[2], "Yes.", 0.5), Reference("other", "No.")]
    cells = list(grid(tiny, ATTACKED, PROMPTS[:1], PROMPTS[1:3], BASE, CLAMPS, 3, references=known))
    for cell in cells:
        answers = known[1:2] if cell.group == "look-alikes" else known[:1]
        assert [list(row) for row in zip(cell.gaps)] == tiny.recovery(answers, [cell.edits])
    assert all(cell.gaps == () for cell in grid(tiny, ATTACKED, [], [], BASE, CLAMPS, 3))


def test_cells_come_one_by_one_and_without_answers_unless_asked_for(tiny, monkeypatch):
    asked = []
    answers = tiny.answers
    monkeypatch.setattr(tiny, "answers", lambda *args: asked.append(args) or answers(*args))
    cells = grid(tiny, ATTACKED, PROMPTS[:1], [], BASE, CLAMPS, 3)
    assert asked == []
    first = next(cells)
    assert len(asked) == 1 and first.answers is None
    assert [c.group for c in cells] == ["benign", "attacked", "benign"]


def test_a_cell_counts_every_verdict():
    cell = Cell(0, Edits(), "benign", ("refused", "complied", "refused"))
    assert (
        cell.counts == {"refused": 2, "complied": 1, "off-topic": 0, "degenerate": 0, "undetermined": 0} and cell.n == 3
    )
    assert cell.rates["refused"] == rate(2, 3)


def test_bad_input_is_said_before_the_first_cell(tiny):
    for arguments in (
        ([], [], [], BASE, CLAMPS),
        (ATTACKED, [], [], BASE, []),
        (ATTACKED, [""], [], BASE, CLAMPS),
        (ATTACKED, [], [], Edits.ablate([Feature(0, 1)]), CLAMPS),
        (ATTACKED, [], [], BASE, [Edits.ablate([Feature(1, 48)])]),
    ):
        with pytest.raises(InputError):
            grid(tiny, *arguments)
