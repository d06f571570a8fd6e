"""A set of features on the tiny model, put together and as tables; and the command that prints them."""

from __future__ import annotations

import json

import pytest

from core import Feature, InputError
from core.commands.command_line import main
from core.commands.exit_codes import ExitCode
from core.labels.notes import no_labels
from core.models import registry
from core.semantics.about import ALL, RANDOM, random_like, read_about
from core.semantics.firing import read_firing
from core.semantics.tables import about_tables
from tests.core.semantics.planted import known
from tests.core.semantics.small_list import CONTRAST, FEATURES, PROMPTS


@pytest.fixture(scope="module")
def found(tiny):
    return read_about(tiny, PROMPTS, "mine", FEATURES, known())


def test_it_is_about_the_set_and_as_many_random_features_of_its_layers(found):
    assert found.groups["mine"] == FEATURES and set(found.features) == {*FEATURES, *found.groups[RANDOM]}
    assert [f.layer for f in found.groups[RANDOM]] == [1, 2, 3] and not {*FEATURES} & {*found.groups[RANDOM]}
    assert set(found.place) >= set(found.features) == set(found.labels) == set(found.by_label)
    assert all(len(found.suppressed[f]) for f in found.features)


def test_suppressed_tokens_are_the_lowest_logits_of_the_decoder_row(tiny, found, plain, tiny_saes):
    feature = FEATURES[1]
    gain = plain.model.norm.weight.detach()
    logits = plain.lm_head.weight.detach() @ (tiny_saes[2].W_dec[feature.index].detach() * gain)
    logits[tiny.tokenizer.all_special_ids] = float("inf")
    lowest = tiny.tokenizer.decode([int(logits.argmin())])
    assert found.suppressed[feature][0] == (lowest.strip() or lowest.replace(" ", "␣"))


def test_what_was_read_before_is_not_read_again(tiny, found, monkeypatch):
    monkeypatch.setattr(tiny, "activity", None)
    again = read_about(tiny, PROMPTS, "mine", FEATURES, no_labels(), found.firing)
    for taken in (RANDOM, ALL):  # a list can be called anything, and is no other group for that
        named = read_about(tiny, PROMPTS, taken, FEATURES, known(), found.firing)
        assert named.groups == {f"the list “{taken}”": FEATURES, RANDOM: found.groups[RANDOM]}
        assert len(about_tables(named)) == len(about_tables(found))
    assert (again.tests.area == found.tests.area).all() and again.evidence == found.evidence


def test_every_table_has_its_columns_and_a_note(found):
    tables = {table.name: table for table in about_tables(found)}
    assert (
        len(tables["features"].frame) == 6 and tables["features"].frame["set"].tolist() == ["mine"] * 3 + [RANDOM] * 3
    )
    counts = tables["category_counts"].frame.query("definition == 'corrected'")
    assert counts.groupby("group")["features"].sum().to_dict().items() >= {"mine": 2, RANDOM: 3}.items()
    assert [*map(str, found.silent)] == ["1-3"], "it fires on no prompt, so it is not counted"
    assert "mine, categories shuffled" in set(counts["group"])
    assert tables["roles"].frame.groupby("group")["features"].sum().to_dict() == {"mine": 3, RANDOM: 3}
    assert tables["words"].frame["word"].tolist() == ["label", "word"]
    assert all(table.note for table in tables.values())


def test_features_that_never_fire_are_in_no_count_and_are_named(tiny, found):
    fires = {*found.firing.features}
    silent = [f for layer, n in tiny.widths.items() for i in range(n) if (f := Feature(layer, i)) not in fires][:6]
    asked = read_about(tiny, PROMPTS, "mine", [*FEATURES, *silent], known(), found.firing)
    assert len(silent) == 6 and set(asked.silent) == {*found.silent, *silent}
    others = [feature for feature in FEATURES if feature in fires]
    fewer = read_about(tiny, PROMPTS, "mine", others, known(), found.firing)
    for name in ("category_counts", "harm_types"):
        mine, alone = ({t.name: t for t in about_tables(one)}[name] for one in (asked, fewer))
        of = mine.frame.groupby("group")["of"].unique().map(list)
        assert of[ALL] == [len(fires)] and of["mine"] == [len(others)]
        every = [
            frame[frame["group"].str.startswith(ALL)].reset_index(drop=True) for frame in (mine.frame, alone.frame)
        ]
        assert every[0].equals(every[1])
        assert "because they fire on no prompt: 1-" in mine.note and "fire on no prompt" not in alone.note
    rows = {table.name: table for table in about_tables(asked)}["features"].frame.set_index("feature")
    assert set(rows.loc[[*map(str, silent)], "role"]) == {"silent"}
    assert asked.tests.q[[asked.place[f] for f in found.firing.features]].tolist() == fewer.tests.q.tolist()


def test_random_ones_are_drawn_layer_by_layer_and_never_of_the_set():
    pool = [Feature(layer, index) for layer in (1, 2) for index in range(5)]
    drawn = random_like(pool, [Feature(1, 0), Feature(1, 1), Feature(2, 4)], 0)
    assert [f.layer for f in drawn] == [1, 1, 2] and not {*drawn} & {Feature(1, 0), Feature(1, 1), Feature(2, 4)}
    assert random_like(pool, pool, 0) == ()


def test_bad_input_and_stopping(tiny):
    with pytest.raises(InputError, match="No features were given"):
        read_about(tiny, PROMPTS, "mine", [], no_labels())
    firing = read_firing(tiny, [*PROMPTS.texts, *PROMPTS.contrast])
    with pytest.raises(InputError, match="no feature 2-999"):
        read_about(tiny, PROMPTS, "mine", [Feature(2, 999)], no_labels(), firing)
    assert read_about(tiny, PROMPTS, "mine", FEATURES, no_labels(), cancelled=lambda: True) is None


def test_the_command_prints_markdown_or_json_and_writes_files(page_spec, tmp_path, capsys):
    registry.register(page_spec)
    rows = [*zip(PROMPTS.texts, PROMPTS.categories, strict=True)]
    harmful = "".join(json.dumps({"prompt": text, "category": name}) + "\n" for text, name in rows)
    (tmp_path / "harmful.jsonl").write_text(harmful)
    (tmp_path / "contrast.txt").write_text("\n".join(CONTRAST))
    asked = ["features", "--model", page_spec.name, "--prompts", str(tmp_path / "harmful.jsonl")]
    asked += ["--contrast", str(tmp_path / "contrast.txt"), "--features", "1-3,2-7"]
    assert main([*asked, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# What the features are about") and "| 1-3 | given | label 1.3 |" in text
    assert (tmp_path / "out" / "features.csv").is_file()
    assert main([*asked, "--json", "--category", "drugs", "--write-labels", page_spec.name]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["facts"]["sentences by"] == page_spec.name and "sentence" in value["tables"]["features"][0]
    assert [row["feature"] for row in value["tables"]["features"]][:2] == ["1-3", "2-7"]
    assert {row["type"] for row in value["tables"]["harm_types"]} == {"only drugs"}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--features", "1-3", "--run", "x"], "Use one of them"),
        (["--contrast", "xstest"], "goes with --prompts"),
        (["--most", "0"], "Use at least 1"),
        (["--features", "9-1"], "no feature 9-1"),
        (["--features", "1-3", "--category", "arson"], "no category “arson”"),
        (["--list", "nowhere.json"], "cannot be read"),
        ([], "no example run"),
    ],
)
def test_what_the_command_is_given_wrong_is_one_sentence(page_spec, capsys, asked, says, tmp_path):
    rows = ["prompt,category"] + [
        f"{text},{name}" for text, name in zip(PROMPTS.texts, PROMPTS.categories, strict=True)
    ]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    if "--contrast" not in asked:
        asked = [*asked, "--prompts", str(tmp_path / "list.csv")]
    registry.register(page_spec)
    assert main(["features", "--model", page_spec.name, *asked]) == ExitCode.REFUSED
    assert says in capsys.readouterr().err
