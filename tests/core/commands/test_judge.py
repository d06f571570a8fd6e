"""`hydrascope judge`: answers of a file and of a run, told, stored and compared; what cannot be done is said."""

import json

import pytest

from cache.store import database as stores
from cache.store.answers import all_of, run_answers
from cache.store.database import shared_store
from cache.store.pairs import Pair
from cache.store.runs import Runs
from core.commands.command_line import main
from core.discovery.ledger import Row
from core.discovery.runner import run_steps
from core.judges import classifier, place
from core.judges.catalogue import find_judge
from core.judges.first_token import first_token_judge
from core.models import registry
from tests.core.judges.language_models import reading_spec
from tests.core.judges.standins import ANSWERS, PROMPTS
from tests.judges import SUBSTRINGS
from tests.small_search import INPUTS, SETTINGS, judge

SAID = ("I cannot help with that.", *ANSWERS[1:-1], "")


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_spec):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    registry.register(tiny_spec)
    lines = [
        json.dumps({"id": n, "prompt": p, "response": a}) for n, (p, a) in enumerate(zip(PROMPTS, SAID, strict=True))
    ]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))
    yield tmp_path
    stores.close_all()


@pytest.fixture
def file(home):
    return ["--file", str(home / "answers.jsonl")]


def phrases(prompt, answer):
    """The verdict of the published phrases."""
    return SUBSTRINGS.judge([prompt], [answer])[0].verdict


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_is_judged_told_and_written_and_then_known(home, file, capsys):
    out = home / "out.jsonl"
    assert main(["judge", "--judge", "substrings", *file, "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "9 answers: refused 11.1% (1 of 9" in told and "degenerate 11.1% (1 of 9" in told and "known" not in told
    found = lines(out)
    assert [(row["prompt"], row["verdict"]) for row in found] == [
        (p, phrases(p, a)) for p, a in zip(PROMPTS, SAID, strict=True)
    ]
    assert {row["judge"] for row in found} == {"substrings"} and "answer" not in found[0]
    assert main(["judge", "--judge", "substrings", *file]) == 0
    assert "9 answers, 9 already stored: refused" in capsys.readouterr().out


def test_a_classifier_tells_its_needs_before_it_loads_and_only_where_it_must(home, file, harmbench_folders, capsys):
    folder, out = harmbench_folders["harmbench-mistral"], home / "out.jsonl"
    asked = [
        "judge",
        "--judge",
        "harmbench-mistral",
        "--folder",
        str(folder),
        *file,
        "--out",
        str(out),
        "--keep-answers",
    ]
    assert main(asked) == 0
    told = capsys.readouterr()
    weights = (folder / "model.safetensors").stat().st_size
    assert f"takes {weights / 1000:.0f} kB of weights, already downloaded;" in told.err.splitlines()[0]
    assert classifier.loaded_classifier() is None, "let go at the end"
    expected = find_judge("harmbench-mistral", folder).judge(PROMPTS, SAID)
    assert [(row["answer"], row["harmful"], row["raw"]) for row in lines(out)] == [
        (a, one.harmful, one.raw) for a, one in zip(SAID, expected, strict=True)
    ]
    assert main(asked) == 0
    again = capsys.readouterr()
    assert again.err == "" and "9 already stored" in again.out


def test_a_language_model_tells_its_needs_judges_and_is_let_go(home, file, tiny_spec, capsys):
    registry.register(reading_spec(tiny_spec, home))
    out = home / "out.jsonl"
    assert main(["judge", "--judge", "llm:reader", *file, "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "llm:reader takes" in told.err and "already downloaded" in told.err
    assert "llm:reader (rubric " in told.out and place.loaded_judge() is None
    expected = find_judge("llm:reader").judge(PROMPTS, SAID)
    assert [(row["judge"], row["verdict"]) for row in lines(out)] == [("llm:reader", one.verdict) for one in expected]
    assert [row["score"] for row in lines(out)] == pytest.approx([one.score for one in expected], abs=1e-5)


def test_first_token_measures_the_model_named(home, file, tiny, capsys):
    out = home / "out.jsonl"
    assert main(["judge", "--judge", "first-token", "--model", "tiny", *file, "--out", str(out)]) == 0
    expected = first_token_judge(tiny).judge(PROMPTS, SAID)
    assert [row["score"] for row in lines(out)] == pytest.approx([one.score for one in expected], abs=1e-4)


def test_no_worker_is_started_where_everything_is_judged(home, file, monkeypatch, capsys):
    from core.commands import workers

    assert main(["judge", "--judge", "substrings", *file]) == 0
    told = capsys.readouterr().out.replace("9 answers:", "9 answers, 9 already stored:")
    monkeypatch.delattr(workers, "judges_for")
    assert main(["judge", "--judge", "substrings", *file, "--ray"]) == 0
    assert capsys.readouterr().out == told


def test_rows_that_repeat_an_answer_count_once(home, capsys):
    rows = [{"prompt": "a", "answer": "I cannot help with that."}] * 3 + [{"prompt": "b", "answer": "Sure! Mix it."}]
    (home / "repeated.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file = ["--file", str(home / "repeated.jsonl")]
    assert main(["judge", "--judge", "substrings", *file, "--out", str(home / "out.jsonl")]) == 0
    told = capsys.readouterr()
    assert "2 answers: " in told.out and "refused 50.0% (1 of 2" in told.out and "complied 50.0% (1 of 2" in told.out
    assert "2 answers repeat earlier ones to the same prompt" in told.err
    assert len(lines(home / "out.jsonl")) == 4, "a line for every row of the file"
    assert main(["judge", "--agreement", "substrings", "wordings", *file]) == 0
    of_file = capsys.readouterr().out.splitlines()
    assert main(["judge", "--agreement", "substrings", "wordings"]) == 0
    stored = capsys.readouterr().out.splitlines()
    assert "n = 2" in stored[0] and stored == of_file[-len(stored) :]


def test_two_judges_are_compared_on_a_file_and_on_what_is_stored(home, file, tiny, capsys):
    out = home / "agreement.json"
    assert main(["judge", "--agreement", "substrings", "first-token", "--model", "tiny", *file, "--out", str(out)]) == 0
    of_file = capsys.readouterr().out.splitlines()[5:]
    assert main(["judge", "--agreement", "substrings", "first-token"]) == 0
    assert capsys.readouterr().out.splitlines() == of_file
    found = json.loads(out.read_text())
    assert found["n"] == 9 and sum(map(sum, found["table"])) == 9
    first = [phrases(*pair) for pair in zip(PROMPTS, SAID, strict=True)]
    second = [one.verdict for one in first_token_judge(tiny).judge(PROMPTS, SAID)]
    for row, a in enumerate(found["labels"]):
        for column, b in enumerate(found["labels"]):
            assert found["table"][row][column] == sum(pair == (a, b) for pair in zip(first, second, strict=True))


def test_a_finished_runs_kept_answers_are_judged_again(home, tiny, capsys):
    from dataclasses import replace

    runs = Runs(shared_store())
    work = runs.work(runs.create(tiny, INPUTS, replace(SETTINGS, stages=(1,), keep_answers=True)), tiny)
    work.judge = judge
    run_steps(work)
    before = shared_store().rows("select * from run_rows order by rowid")
    identifier = work.ledger.run
    pairs = all_of(run_answers(runs, identifier))
    known = work.ledger.read("screen")
    screened = [
        Pair(INPUTS.text(i), r.value["answer"])
        for i, r in known.items()
        if r.value["reason"] in ("refused", "complied", "degenerate")
    ]
    assert pairs[: len(screened)] == screened and 0 < len(screened) < len(known), (
        "repeated and empty ones were never asked"
    )
    assert len(pairs) > len(screened), "and those of Stage 1"
    assert main(["judge", "--judge", "substrings", "--run", identifier]) == 0
    assert f"{len(set(pairs))} answers" in capsys.readouterr().out
    assert shared_store().rows("select * from run_rows order by rowid") == before, "the run itself is not touched"
    assert main(["judge", "--judge", "first-token", "--model", "tiny", "--run", identifier]) == 2
    assert "given under edits" in capsys.readouterr().err


def test_a_run_that_kept_no_answers_is_one_sentence(home, tiny, capsys):
    runs = Runs(shared_store())
    identifier = runs.create(tiny, INPUTS, SETTINGS)
    runs.ledger(identifier).append([Row("screen", "harmful/0000", {"kept": True, "reason": "refused"})])
    assert main(["judge", "--judge", "substrings", "--run", identifier]) == 2
    assert "has no stored answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--judge", "substrings"], "No answers were given"),
        (["--file", "FILE"], "No judge was given"),
        (["--judge", "gpt", "--file", "FILE"], "There is no judge “gpt”"),
        (["--judge", "substrings", "--file", "nowhere.jsonl"], "cannot be read"),
        (["--judge", "substrings", "--file", "FILE", "--run", "x"], "cannot be used together"),
        (["--judge", "substrings", "--run", "nothing"], "no run “nothing”"),
        (["--judge", "a", "--agreement", "a", "b"], "Leave out --judge"),
        (["--agreement", "substrings", "llama-guard-2"], "The store has no judgements by “substrings”"),
        (["--judge", "substrings", "--file", "FILE", "--answer-column", "said"], "no column “said”"),
        (
            ["--judge", "substrings", "--file", "FILE", "--prompt-column", "response"],
            "(--prompt-column on the command line)",
        ),
        (["--judge", "harmbench-llama", "--folder", "FILE", "--file", "FILE"], "has no model"),
        (["--judge", "substrings", "--file", "FILE", "--out", "FILE"], "would be overwritten"),
        (["--judge", "substrings", "--file", "FILE", "--out", "/nowhere/out.jsonl"], "There is no folder /nowhere"),
        (["--judge", "substrings", "--run", "x", "--answer-column", "said"], "does nothing without --file"),
        (["--agreement", "substrings", "rules", "--keep-answers"], "does nothing where two judges are compared"),
        (["--agreement", "substrings", "rules", "--ray"], "does nothing where two judges are compared"),
        (["--judge", "substrings", "--file", "FILE", "--workers", "2"], "go with --ray"),
        (["--judge", "substrings", "--file", "FILE", "--ray", "--workers", "0"], "The number of workers is 0"),
        (["--judge", "rules", "--model", "nobody", "--file", "FILE", "--ray"], "There is no model “nobody”"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(home, capsys, arguments, says):
    arguments = [str(home / "answers.jsonl") if word == "FILE" else word for word in arguments]
    assert main(["judge", *arguments]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_a_store_that_another_process_keeps_is_exit_3(home, file, capsys, monkeypatch):
    monkeypatch.setattr(shared_store(), "trouble", "Another Hydrascope process is keeping the history.")
    assert main(["judge", "--judge", "substrings", *file]) == 2, "3 is for a store that is taken, and for nothing else"
    monkeypatch.setattr(shared_store(), "taken", True)
    assert main(["judge", "--judge", "substrings", *file]) == 3
    assert "Nothing was judged" in capsys.readouterr().err


@pytest.mark.parametrize(("judge", "told"), [("wordings", True), ("substrings", False)])
def test_rules_say_that_they_are_not_told_how_an_answer_ended(home, file, capsys, judge, told):
    assert main(["judge", "--judge", judge, *file]) == 0
    assert ("ended without being cut off is not known" in capsys.readouterr().err) == told
