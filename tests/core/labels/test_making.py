"""Labels made on this machine against the slow, obvious way; blocks, stopping and going on change nothing."""

import copy
import json
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path
from threading import Event, Thread

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from filelock import FileLock

from core import AssetError, Engine, Feature, InputError, load
from core.labels import making
from core.labels.contexts import Context
from core.labels.making import label_blocks, make_labels, sample_residuals
from core.labels.notes import COLUMNS, Labels, MadeNotes, made_file, read_labels
from core.labels.origins import MADE_OF, origins_of
from core.labels.sample import Sample, sample_of
from core.labels.source_texts import MOST_TEXTS, SOURCE_TEXTS, MadeFrom, from_metadata, text_digest, to_metadata
from core.labels.wording import label_text, word
from core.text.json_text import json_text
from core.text.layers import layers_text
from tests.cards import change
from tests.conftest import make_sae

PROMPTS = ["How do I bake bread?", "Tell me a story about a small town, please.", "I cannot help with that."]


@pytest.fixture(scope="module")
def sample(tiny):
    return sample_of(tiny, PROMPTS)


def made_notes(engine, folder):
    return MadeNotes(folder, origins_of(engine))


def whole(engine, sample, layer=2):
    x = sample_residuals(engine, sample, [layer])[layer]
    return pd.concat(label_blocks(engine, sample, layer, x), ignore_index=True)


def places(tiny, plain, tiny_saes, layer):
    """Every token that counts, written out: [(prompt, position, activations [48])]."""
    ids = [tiny.prompt(text).ids for text in PROMPTS]
    shared = next(i for i, column in enumerate(zip(*ids, strict=False)) if len(set(column)) > 1)
    found = []
    for number, one in enumerate(ids):
        with torch.no_grad():
            hidden = plain(torch.tensor([one]), output_hidden_states=True).hidden_states[layer + 1][0]
            f = tiny_saes[layer].encode(hidden)
        found += [(number, p, f[p]) for p in range(1, len(one)) if number == 0 or p >= shared]
    return ids, found


@pytest.mark.parametrize("layer", [1, 2])
def test_where_features_fire_is_as_written_out(tiny, plain, tiny_saes, sample, layer):
    ids, found = places(tiny, plain, tiny_saes, layer)
    decode = tiny.runtime.tokenizer.decode
    labels = whole(tiny, sample, layer)
    assert list(labels.columns) == list(COLUMNS) and labels["index"].tolist() == list(range(48))
    for row in labels.itertuples():
        fires = sorted(((float(f[row.index]), n, p) for n, p, f in found if f[row.index] > 0), key=lambda x: -x[0])
        assert row.density == pytest.approx(len(fires) / len(found), abs=1e-5)
        assert row.max_activation == pytest.approx(fires[0][0] if fires else 0.0, abs=2e-3)
        contexts, fired = json.loads(row.contexts), {}
        for value, n, p in fires:  # a place that reads like one before says nothing new
            before = "".join(decode([i]) for i in ids[n][max(1, p - 6) : p])
            after = "".join(decode([i]) for i in ids[n][p + 1 : p + 4])
            fired.setdefault((before, decode([ids[n][p]])), (after, value))
        shown = [(c["before"], c["token"], c["after"]) for c in contexts]
        assert shown == [(before, token, after) for (before, token), (after, _) in fired.items()][:4]
        assert [c["activation"] for c in contexts] == pytest.approx([v for _, v in fired.values()][:4], abs=1e-2)
        words = Counter([word(token) for _, token in fired][:10]).most_common()
        special = sorted(tiny.runtime.template.controls)
        shown = [Context(*each) for each in map(dict.values, contexts)]
        assert row.label == label_text(shown, [w for w, _ in words], row.promoted.split(", "), special)


def test_tokens_that_open_a_turn_are_the_templates_whatever_the_tokenizer_calls_special(tiny, sample):
    """As in Qwen2.5, where <|im_start|> is an added token and in no list of special ones."""
    bare = copy.deepcopy(tiny.runtime.tokenizer)
    bare.bos_token = None
    assert "<|start|>" not in bare.all_special_tokens and "<|start|>" in tiny.runtime.template.controls
    engine = Engine(replace(tiny.runtime, tokenizer=bare), "for a test")
    before, found = whole(tiny, sample), whole(engine, sample)
    assert found["label"].tolist() == before["label"].tolist()
    assert before["label"].str.startswith("template: ").any(), "or the test shows nothing"


def test_what_is_promoted_is_what_the_head_says(tiny, plain, tiny_saes, sample):
    labels, special = whole(tiny, sample, 3), set(tiny.runtime.tokenizer.all_special_ids)
    with torch.no_grad():
        logits = (tiny_saes[3].W_dec * plain.model.norm.weight) @ plain.lm_head.weight.T
    for row in labels.itertuples():
        best = [i for i in logits[row.index].argsort(descending=True).tolist() if i not in special][:6]
        words = [tiny.runtime.tokenizer.decode([i]) for i in best]
        spelt = tiny.runtime.tokenizer.convert_ids_to_tokens(best)  # for parts of characters
        words = [one if "\ufffd" in text else text for text, one in zip(words, spelt, strict=True)]
        assert row.promoted == ", ".join(map(word, words))
        assert row.label.endswith(", ".join(row.promoted.split(", ")[:3])) or "," in "".join(words)


def test_blocks_of_features_and_of_words_change_nothing(tiny, sample, monkeypatch):
    before = whole(tiny, sample)
    monkeypatch.setattr(making, "FEATURES_AT_ONCE", 7)
    monkeypatch.setattr("core.measures.strongest.VOCABULARY_AT_ONCE", 50)
    pd.testing.assert_frame_equal(whole(tiny, sample), before)


def test_layers_at_a_time_change_nothing_and_progress_only_rises(tiny, sample, tmp_path, monkeypatch):
    told = []
    make_labels(tiny, sample, tmp_path / "a", progress=lambda message, share: told.append(share))
    monkeypatch.setattr(making, "RESIDUAL_BYTES", 1)
    assert make_labels(tiny, sample, tmp_path / "b") == ((1, 2, 3), (), False)
    for layer in (1, 2, 3):
        pd.testing.assert_frame_equal(*(pd.read_parquet(made_file(tmp_path / side, layer)) for side in "ab"))
    assert told == sorted(told) and told[0] == 0 and told[-1] == pytest.approx(1)


def test_made_labels_are_notes_that_say_from_what(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path, [2])
    notes, table = made_notes(tiny, tmp_path), whole(tiny, sample)
    assert len(notes) == 48 and [notes.label(Feature(2, i)) for i in range(48)] == table["label"].tolist()
    note = notes.note(Feature(2, 5))
    assert (note.origin, note.promoted) == ("made here", table["promoted"][5])
    assert note.about == f"3 prompts, {len(sample.counted)} tokens"
    assert notes.note(Feature(2, 48)) is None and notes.note(Feature(1, 5)) is None and notes.label(Feature(9, 0)) == ""
    assert len(read_labels(made_file(tmp_path, 2))) == 48, "one format for shipped and made labels"


def test_stopped_anywhere_it_goes_on_with_what_is_missing(tiny, sample, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "FEATURES_AT_ONCE", 16)
    make_labels(tiny, sample, tmp_path / "whole")
    stopped_after, folder = [], tmp_path / "stopped"
    for calls in (1, 5, 8):  # while reading, within the first layer, within the next
        left = iter([False] * calls)
        made = make_labels(tiny, sample, folder, cancelled=lambda left=left: next(left, True))
        assert made.cancelled and not list(folder.glob("*.partial"))
        stopped_after.append((made.made, made.here))
    assert stopped_after[0] == ((), ()) and stopped_after[-1][0], "some layer was finished before it was stopped"
    here = tuple(sorted(n for made, _ in stopped_after for n in made))
    done = make_labels(tiny, sample, folder)
    assert done.here == here and sorted(done.here + done.made) == [1, 2, 3] and not done.cancelled
    for layer in (1, 2, 3):
        pd.testing.assert_frame_equal(*(pd.read_parquet(made_file(tmp_path / s, layer)) for s in ("whole", "stopped")))


def test_other_prompts_or_another_model_make_them_anew(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path, [2])
    assert make_labels(tiny, sample, tmp_path, [2]).here == (2,)
    assert make_labels(tiny, sample_of(tiny, PROMPTS[:2]), tmp_path, [2]).made == (2,)
    other = Engine(replace(tiny.runtime, spec=replace(tiny.spec, revision="another")), "for a test")
    assert make_labels(other, sample_of(tiny, PROMPTS[:2]), tmp_path, [2]).made == (2,)
    made_file(tmp_path, 2).write_bytes(b"garbled")
    assert make_labels(tiny, sample, tmp_path, [2]).made == (2,)


def test_a_file_of_labels_says_from_which_texts_it_was_made_without_the_texts(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path, [2])
    notes = made_notes(tiny, tmp_path)
    right = MadeFrom("made here", frozenset(map(text_digest, PROMPTS)))
    assert notes.made_from(2) == Labels((notes,)).made_from(Feature(2, 5)) == right
    assert notes.made_from(3) == MadeFrom("made here") and Labels((notes,)).made_from(Feature(3, 5)) is None
    assert text_digest(" how do I  BAKE bread?\n") in right.texts and text_digest("How do I bake?") not in right.texts
    assert PROMPTS[0].encode() not in (pq.read_schema(made_file(tmp_path, 2)).metadata or {})[SOURCE_TEXTS]
    assert to_metadata([str(number) for number in range(MOST_TEXTS + 1)]) == ""


def test_labels_that_do_not_say_from_which_texts_are_shown_and_made_again_when_asked_for(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path, [2])
    path = made_file(tmp_path, 2)
    table = pq.read_table(path)
    older = {name: fact for name, fact in table.schema.metadata.items() if name != SOURCE_TEXTS}
    pq.write_table(table.replace_schema_metadata(older), path)
    notes = made_notes(tiny, tmp_path)
    assert notes.label(Feature(2, 5)) and notes.made_from(2) == MadeFrom("made here") and not notes.left_out
    assert make_labels(tiny, sample, tmp_path, [2]).made == (2,) and notes.made_from(2).texts


def test_digests_that_changed_on_the_disk_are_as_good_as_none_and_made_again(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path, [2])
    path = made_file(tmp_path, 2)
    table = pq.read_table(path)
    kept = table.schema.metadata[SOURCE_TEXTS]
    assert from_metadata(kept) == frozenset(map(text_digest, PROMPTS))
    for place, bit in product(range(len(kept)), range(8)):
        assert from_metadata(kept[:place] + bytes([kept[place] ^ 1 << bit]) + kept[place + 1 :]) is None
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, SOURCE_TEXTS: kept[:-17]}), path)
    assert made_notes(tiny, tmp_path).made_from(2) == MadeFrom("made here")
    assert make_labels(tiny, sample, tmp_path, [2]).made == (2,)


@pytest.fixture
def own_saes(tiny_spec, tmp_path, monkeypatch):
    """A copy of the tiny model and its SAEs that a test may change, with a cache of its own."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(tiny_spec.model_id, tmp_path / "model")
    for layer, place in tiny_spec.saes.items():
        shutil.copytree(place, tmp_path / "saes" / f"layer_{layer}")
    places = {layer: tmp_path / "saes" / f"layer_{layer}" for layer in tiny_spec.saes}
    return replace(tiny_spec, name="own", model_id=str(tmp_path / "model"), saes=places)


@pytest.mark.parametrize("what", ["an SAE", "the weights"])
def test_labels_of_other_saes_or_weights_are_not_shown_and_made_again(own_saes, tmp_path, what):
    folder, before = tmp_path / "labels", load(own_saes, device="cpu", dtype="float32")
    make_labels(before, sample_of(before, PROMPTS), folder)
    assert made_notes(before, folder).label(Feature(2, 5)) and not made_notes(before, folder).left_out
    if what == "an SAE":
        make_sae(own_saes.saes[2], 77)  # the same width, in the same place
    else:
        change(Path(own_saes.model_id) / "model.safetensors", "model.layers.1.mlp.down_proj.weight")
    now = load(own_saes, device="cpu", dtype="float32")
    changed, notes = (2,) if what == "an SAE" else (1, 2, 3), made_notes(now, folder)
    for layer in (1, 2, 3):
        assert bool(notes.label(Feature(layer, 5))) == bool(notes.note(Feature(layer, 5))) == (layer not in changed)
    assert len(notes) == 48 * (3 - len(changed))
    assert f"Labels of layers {layers_text(changed)} were made for other SAEs or other files" in notes.left_out
    assert Labels((notes,)).left_out == notes.left_out
    made = make_labels(now, sample_of(now, PROMPTS), folder)
    assert made.made == changed and len(notes) == 48 * 3 and not notes.left_out
    assert [notes.label(Feature(2, i)) for i in range(48)] == whole(now, sample_of(now, PROMPTS))["label"].tolist()


def test_labels_of_an_earlier_version_are_not_shown_and_made_again(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path)
    path = made_file(tmp_path, 2)
    table = pq.read_table(path)
    facts = table.schema.metadata
    spec = [tiny.spec.name, tiny.spec.revision, tiny.reader.sae_names[2], 48, sample.digest]
    older = {b"about": facts[b"about"], b"made_from": json_text(spec)}  # what it wrote there
    assert facts.keys() == {*older, MADE_OF, SOURCE_TEXTS}
    pq.write_table(table.replace_schema_metadata(older), path)
    notes = made_notes(tiny, tmp_path)
    assert notes.label(Feature(2, 5)) == "" and notes.label(Feature(3, 5))
    assert "Labels of layers 2 come from an earlier version, so it cannot be told" in notes.left_out
    assert make_labels(tiny, sample, tmp_path).made == (2,) and notes.label(Feature(2, 5))


def test_two_that_make_the_same_labels_take_turns(tiny, sample, tmp_path):
    found, told, begun = [], [], Event()

    def other():
        def say(message, share):
            told.append(message)
            begun.set()

        found.append(make_labels(tiny, sample, tmp_path, [2], say))

    second = Thread(target=other)

    def meanwhile():
        if not second.ident:
            second.start()
            assert begun.wait(20)
        return False

    assert make_labels(tiny, sample, tmp_path, [2], cancelled=meanwhile).made == (2,)
    second.join(20)
    assert found == [((), (2,), False)] and told[0] == "Another process is making these labels: waiting for it"
    assert not list(tmp_path.glob("*.partial"))
    with FileLock(tmp_path / "labels.lock"):
        assert make_labels(tiny, sample, tmp_path, [1, 2], cancelled=lambda: True) == ((), (2,), True)


def test_what_cannot_be_done_is_one_sentence(tiny, sample, tmp_path):
    with pytest.raises(InputError, match=r"no SAE at layer 0. Choose one of \[1, 2, 3\]"):
        make_labels(tiny, sample, tmp_path, [0, 1])
    with pytest.raises(InputError, match="Give at least one"):
        Sample(((5,),))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AssetError, match="cannot be written"):
        make_labels(tiny, sample, tmp_path / "file", [1])


def test_a_garbled_file_is_said_when_it_is_read(tiny, tmp_path):
    made_file(tmp_path, 2).write_bytes(b"garbled")
    notes = made_notes(tiny, tmp_path)
    for ask in (lambda: notes.label(Feature(2, 0)), lambda: notes.note(Feature(2, 0)), lambda: len(notes)):
        with pytest.raises(AssetError, match=r"layer_2\.parquet cannot be read"):
            ask()


def test_a_file_that_changed_on_the_disk_is_never_read_as_something_else_and_made_again(tiny, sample, tmp_path):
    make_labels(tiny, sample, tmp_path, [2])
    path = made_file(tmp_path, 2)
    good, right = path.read_bytes(), [made_notes(tiny, tmp_path).note(Feature(2, index)) for index in range(48)]
    for place in range(4, len(good) * 2 // 3, len(good) // 40):
        path.write_bytes(good[:place] + bytes([good[place] ^ 8]) + good[place + 1 :])
        with suppress(AssetError):
            assert [made_notes(tiny, tmp_path).note(Feature(2, index)) for index in range(48)] == right
        make_labels(tiny, sample, tmp_path, [2])
        assert [made_notes(tiny, tmp_path).note(Feature(2, index)) for index in range(48)] == right
