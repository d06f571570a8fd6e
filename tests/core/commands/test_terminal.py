"""What subcommands print with: bars for those who watch, plain lines in a log, results apart from the rest."""

import io
import sys

from core.commands.terminal import note, progress_bar, run_progress, table
from core.discovery.runner import RunProgress


class Watched(io.StringIO):
    def isatty(self):
        return True


def watch(monkeypatch):
    """In the test itself: pytest puts its own stream back between a fixture and the test."""
    stream = Watched()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def stands(done, stage="prune", left=0.0):
    return RunProgress(stage, "Stage 2: pruning", done, 20, 1, 3, left)


def test_a_note_stays_out_of_the_result(capsys):
    note("A guess.")
    told = capsys.readouterr()
    assert told.out == "" and told.err == "A guess.\n"


def test_a_table_is_aligned_without_trailing_spaces(capsys):
    table([("name", "from"), ("a longer name", "you"), ("b", "")])
    assert capsys.readouterr().out.splitlines() == ["name           from", "a longer name  you", "b"]


def test_a_bar_is_drawn_for_those_who_watch(monkeypatch):
    watched = watch(monkeypatch)
    with progress_bar() as progress:
        for share in (0.0, 0.5, 1.0):
            progress("Packing", share)
    assert "Packing" in watched.getvalue() and "100%" in watched.getvalue()


def test_there_is_no_bar_in_a_log(capsys):
    with progress_bar() as progress:
        progress("Packing", 0.5)
    assert capsys.readouterr().err == ""


def test_a_log_has_a_line_every_tenth_of_a_stage(capsys):
    with run_progress() as progress:
        for done in range(21):
            progress(stands(done, left=20.0 - done))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and lines[0] == "Stage 2: pruning: 0 of 20, 20 s left in this stage"
    assert lines[-1] == "Stage 2: pruning: 20 of 20"


def test_each_stage_has_its_bar(monkeypatch):
    watched = watch(monkeypatch)
    with run_progress() as progress:
        progress(stands(20))
        progress(RunProgress("probe", "A probe", 1, 2, 2, 3, 0.0))
    assert "Stage 2: pruning: 100%" in watched.getvalue() and "A probe:  50%" in watched.getvalue()
