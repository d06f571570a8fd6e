"""Small inputs that once failed, each with what is right. The files are in `corpus/`."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core import AssetError, InputError
from core.commands.command_line import main
from core.models.footprint import footprint
from core.prompts.checks import check_prompts
from core.prompts.files import read_file, read_prompts, write_prompts

CORPUS = Path(__file__).parent / "corpus"
BREAD, STORY, CAPITAL = "How do I bake bread?", "Tell me a story", "What is the capital of France?"

READ = {
    "trailing_comma.csv": ([BREAD, STORY], "separated by commas (utf-8): 2 rows, column “goal”; not read: target."),
    "semi.csv": (["How do I bake bread, quickly?", STORY], "separated by semicolons"),
    "semi2.csv": ([BREAD, STORY], "separated by semicolons"),
    "messages.jsonl": ([BREAD, "Tell me a story, please", CAPITAL], "the user's message of each “messages”"),
    "array_named.jsonl": ([BREAD, STORY], "one value in a file of JSON lines"),
    "lines_named.json": ([BREAD, STORY], "JSON, one object per line"),
    "in.json": (["How do I\u2028bake bread?"], "JSON (utf-8): 1 row"),
    "u2028.jsonl": (["How do I\u2028bake bread?", STORY], "JSON, one object per line"),
    "lonequote.tsv": (['"How do I bake bread', STORY, 'What is 5" in cm?'], "tabs, with quotation marks as text"),
    "user_query.csv": ([BREAD, STORY], "column “user_query”; not read: id, reference_answer."),
}
REFUSED = {
    "lfs.csv": "is a Git LFS pointer and not the file itself. Fetch the file with `git lfs pull`",
    "noheader1.csv": "“How do I bake bread\\?” in the first row does not look like a column's name",
    "utf16_nobom.csv": "contains bytes that are not text .* Save it as UTF-8",
}


@pytest.mark.parametrize("name", READ)
def test_a_list_of_prompts_is_read_and_said_how(name, capsys):
    texts, how = READ[name]
    assert read_file(CORPUS / name).rows() == texts
    assert main(["prompts", str(CORPUS / name)]) == 0
    printed = capsys.readouterr().out
    assert how in printed and f"{len(texts)} of {len(texts)} prompts kept." in printed


@pytest.mark.parametrize("name", REFUSED)
def test_a_list_that_cannot_be_read_for_certain_is_refused(name, capsys):
    with pytest.raises(InputError, match=REFUSED[name]):
        read_file(CORPUS / name)
    assert main(["prompts", str(CORPUS / name)]) == 2


def test_a_damaged_row_is_left_out_and_told_and_the_others_stay():
    report = check_prompts(read_file(CORPUS / "lonesurrogate.jsonl").rows())
    assert report.kept == (STORY,) and [(one.row, one.reason) for one in report.dropped] == [(0, "damaged")]
    assert "half a surrogate pair, U+D83D" in report.dropped[0].detail


@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "json", "jsonl", "parquet"])
def test_what_was_written_with_a_line_separator_in_it_is_read_back(ending, tmp_path):
    texts = ["How do I\u2028bake bread?", "a\u2029b\x85c", STORY]
    write_prompts(texts, tmp_path / f"a.{ending}")
    assert read_prompts((tmp_path / f"a.{ending}").read_bytes(), f"a.{ending}").rows() == texts


@pytest.mark.parametrize(
    ("name", "verdict"), [("form.jsonl", "complied"), ("repeated.jsonl", "refused"), ("think.jsonl", "complied")]
)
def test_a_verdict_that_was_once_wrong(name, verdict, capsys):
    assert main(["judge", "--judge", "substrings", "--file", str(CORPUS / name)]) == 0
    assert f"1 answers: {verdict} 100.0% (1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["a pointer", "cut off"])
def test_weights_that_are_none_are_one_sentence_before_the_load(tiny_spec, tmp_path, damage):
    folder = tmp_path / "model"
    shutil.copytree(tiny_spec.model_id, folder)
    weights = folder / "model.safetensors"
    pointer = (CORPUS / "lfs_weights.txt").read_bytes()
    weights.write_bytes(pointer if damage == "a pointer" else weights.read_bytes()[:100])
    with pytest.raises(AssetError, match="git lfs pull" if damage == "a pointer" else "cannot be read") as caught:
        footprint(replace(tiny_spec, model_id=str(folder)))
    assert "\n" not in str(caught.value)
