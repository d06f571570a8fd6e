"""Everything that reads something from outside: a strategy for what it is given, and a call that reads all of it.

Knows: the readers, and good inputs to begin with. Does not know: what counts as a failure. A call returns nothing, and
raises AssertionError where what was read is wrong.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from cache.store.answers import file_answers, file_verdicts
from cache.store.database import Store
from cache.store.run_file import add_run
from core import Edits, Engine, Feature, ModelSpec, load
from core.card.contents import card_json, digest_of
from core.card.read import parse_card
from core.discovery.settings import Settings
from core.edits.direction import load_direction, make_direction, save_direction
from core.edits.typed import from_neuronpedia
from core.labels.notes import COLUMNS, read_labels
from core.models import added
from core.models.check_added import Draft, check_draft
from core.prompts.checks import check_prompts, parse_split
from core.prompts.files import ENDINGS, read_pasted, read_prompts, write_prompts
from core.prompts.references import read_references
from core.saes.formats.open import open_sae
from core.semantics.lists import FeatureList, read_list, write_list
from core.settings import FOR_DEVELOPERS, FOR_EVERYBODY, Setting
from core.text.json_text import json_text, json_value
from core.text.layers import parse_layers
from core.text.sizes import parse_size
from pages.shared.workspace.address import link_to, read
from tests.adversity.odd_inputs import mutated, mutated_header, mutated_json, texts, values, with_values
from tests.cards import made

CORPUS = Path(__file__).parent / "corpus"


class Reader(NamedTuple):
    """given: what it is given. call: reads it."""

    given: st.SearchStrategy[Any]
    call: Callable[[Any], object]


def readers(engine: Engine, folder: Path) -> dict[str, Reader]:
    """All of them, over the tiny model. folder: an empty one to work in."""
    return {**_prompt_files(folder), **_other_files(engine, folder), **_typed(engine), **_folders(engine.spec, folder)}


def _prompt_files(folder: Path) -> dict[str, Reader]:
    rows = [
        {"goal": "How do I bake bread?", "target": "Sure", "id": 7},
        {"goal": 'Tell me a\nstory; 5" long', "target": ""},
    ]
    written = io.StringIO()
    writer = csv.DictWriter(written, ["goal", "target", "id"])
    writer.writeheader()
    writer.writerows(rows)
    write_prompts(["How do I bake bread?", "é", "Tell me"], folder / "a.parquet", ["x", "y", ""])
    chats = [{"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}] * 2
    seeds: dict[str, list[bytes]] = {
        "txt": [b"How do I bake bread?\nTell me a story\n"],
        "csv": [written.getvalue().encode()],
        "tsv": [written.getvalue().replace(",", "\t").encode(), written.getvalue().encode("utf-16")],
        "json": [json_text(rows).encode(), json_text({"data": rows}).encode(), json_text(chats).encode()],
        "jsonl": ["\n".join(map(json_text, rows)).encode(), "\n".join(map(json_text, chats)).encode()],
        "parquet": [(folder / "a.parquet").read_bytes()],
    }
    for file in sorted(CORPUS.iterdir()):
        if (ending := file.suffix[1:]) in seeds:
            seeds[ending].append(file.read_bytes())

    def prompts(given: tuple[str, bytes]) -> None:
        file = read_prompts(given[1], f"mine.{given[0]}")
        found = file.prompts(file.suggested)
        assert all(isinstance(text, str) and text.strip() for text in found)
        assert file.sentence() and check_prompts(file.rows(file.suggested)).sentence()

    def answers(given: tuple[str, bytes]) -> None:
        file = read_prompts(given[1], f"mine.{given[0]}")
        pairs = file_answers(file)
        assert len(pairs) == len(file.table) == len(file_verdicts(file))

    def any_file(ending: str) -> st.SearchStrategy[tuple[str, bytes]]:
        every = [mutated(seed) for seed in seeds[ending]]
        if ending in ("json", "jsonl"):
            every += [mutated_json(seeds["json"][0]), mutated_json(seeds["json"][2])]
        return st.tuples(st.just(ending), st.one_of(*every, st.binary(max_size=200)))

    judged = json_text([{"prompt": "a", "answer": "I cannot", "verdict": "refused"}, {"prompt": "b", "answer": ""}])
    reference = b'{"prompt": "a", "answer": "b", "nll": 0.5, "tokens": 3, "model": "x"}\n{"prompt": "c", "answer": "d"}'
    found = {f"prompts in {ending}": Reader(any_file(ending), prompts) for ending in ENDINGS}
    table = st.lists(st.tuples(_cell(), _cell()), min_size=1, max_size=5)
    return found | {
        "a table as the csv module writes it": Reader(st.tuples(table, st.sampled_from(",;\t")), _table_comes_back),
        "pasted text": Reader(st.one_of(texts(), values().map(_loose_json)), lambda text: read_pasted(text).prompts()),
        "answers to judge": Reader(
            st.tuples(st.just("json"), st.one_of(mutated(judged.encode()), mutated_json(judged.encode()))), answers
        ),
        "reference answers": Reader(mutated(reference), lambda data: read_references(data, "mine.jsonl")),
    }


def _cell() -> st.SearchStrategy[str]:
    letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
    return st.text(st.one_of(letters, st.sampled_from(',;\t"\n')), max_size=12).map(lambda text: f"w {text} z")


def _loose_json(value: Any) -> str:
    return json.dumps(value)


def _table_comes_back(given: tuple[list[tuple[str, str]], str]) -> None:
    rows, separator = given
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n").writerows([("prompt", "answer"), *rows])
    file = read_prompts(written.getvalue().encode(), "mine.csv")
    assert file.rows("prompt") == [row[0] for row in rows] and file.rows("answer") == [row[1] for row in rows]


def _other_files(engine: Engine, folder: Path) -> dict[str, Reader]:
    spec = engine.spec
    labels = folder / "labels.parquet"
    pd.DataFrame(
        [(1, 7, "a", 0.1, 3.0, "[]", "b"), (2, 3, "", 0.2, 1.0, '[{"token": "x"}]', "")], columns=list(COLUMNS)
    ).to_parquet(labels)
    good_labels = labels.read_bytes()
    card = json_value(json_text(card_json(made(engine))))
    save_direction(make_direction(engine.direction().vector, 2), folder / "d.safetensors")
    listed = write_list(FeatureList("mine", (Feature(1, 2), Feature(3, 4)), "about", {}), spec).encode()

    def some_labels(data: bytes) -> None:
        labels.write_bytes(data)
        _read_labels(read_labels(labels))

    def odd_labels(given: list[Any]) -> None:
        row = dict(zip(COLUMNS, (1, 7, "a", 0.1, 3.0, "[]", "b"), strict=True)) | dict(
            zip(COLUMNS, given, strict=False)
        )
        try:
            pd.DataFrame([row]).to_parquet(labels)
        except Exception:  # pyarrow cannot write this; so no file can hold it
            return
        _read_labels(read_labels(labels))

    def some_card(data: bytes) -> None:
        parse_card(data, "mine.json")

    def forged_card(given: tuple[int, list[Any]]) -> None:
        try:
            held = with_values(card["card"], random.Random(given[0]), given[1])
            digest = digest_of(json.loads(json_text(held)))
            forged = json_text(card | {"card": held, "digest": digest}).encode()
        except (RecursionError, TypeError, AttributeError):  # no card of that kind can be written
            return
        parse_card(forged, "mine.json")

    def some_direction(data: bytes) -> None:
        (folder / "d2.safetensors").write_bytes(data)
        found = load_direction(folder / "d2.safetensors")
        assert found.vector.isfinite().all() and abs(float(found.vector.norm()) - 1) < 0.02

    def some_list(data: bytes) -> None:
        assert read_list(data.decode("utf-8", "replace"), spec).features

    def some_models(data: bytes) -> None:
        path = folder / "cache" / "own_models.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        added.added_models()
        added.list_trouble()
        for aside in path.parent.glob("*.aside-*"):
            aside.unlink()

    mine = {"model": "o/m", "revision": None, "refusal_tokens": [3], "saes": {"1": {"folder": "x"}}, "neuronpedia": {}}
    models = json_text({"format": 1, "models": {"a": mine | {"removed": False}}}).encode()
    run = b'{"format": 1, "runs": [{"run": "a"}], "run_states": [], "run_rows": []}'

    def some_run(data: bytes) -> None:
        (folder / "run.json").write_bytes(data)
        add_run(Store(folder / "runs" / "a.duckdb"), folder / "run.json")

    direction = (folder / "d.safetensors").read_bytes()
    page = json_text(card).encode()
    drawn = st.tuples(st.integers(0, 2**32), st.lists(values(), min_size=1, max_size=2))
    return {
        "labels": Reader(mutated(good_labels), some_labels),
        "labels of odd kinds": Reader(st.lists(values(), min_size=1, max_size=7), odd_labels),
        "a card": Reader(st.one_of(mutated(page), mutated_json(page)), some_card),
        "a card with a digest that fits": Reader(drawn, forged_card),
        "a direction": Reader(st.one_of(mutated(direction), mutated_header(direction)), some_direction),
        "a list of features": Reader(st.one_of(mutated(listed), mutated_json(listed)), some_list),
        "the list of own models": Reader(st.one_of(mutated(models), mutated_json(models)), some_models),
        "a stored run": Reader(mutated_json(run), some_run),
    }


def _read_labels(found: Any) -> None:
    for layer, index in ((1, 7), (2, 3), (0, 0), (9, 10**9)):
        label, note = found.label(Feature(layer, index)), found.note(Feature(layer, index))
        assert isinstance(label, str) and (note is None or isinstance(note.label, str))
    assert len(found) >= 0


def _typed(engine: Engine) -> dict[str, Reader]:
    bits = [
        "12",
        "1",
        "2",
        "-",
        "=",
        "*",
        "@",
        "?",
        ">",
        ",",
        ";",
        "direction",
        "bos",
        "all",
        "last",
        "L1/4",
        "3:40",
        "−",
        "1e9",
        "nan",
        "inf",
        "~",
        "0.5",
        "everywhere",
        "１",
    ]
    bits += [" ", "\n", "neuronpedia.org/gemma-2-2b/12-res/7"]
    typed = st.one_of(texts(), st.lists(st.sampled_from(bits), max_size=9).map("".join))

    def edits(text: str) -> None:
        found = Edits.from_text(from_neuronpedia(text, {1: "m/1-s"}), engine.direction())
        engine.check(found)
        assert all(item.value is None or math.isfinite(item.value) for item in found.features if hasattr(item, "value"))
        assert Edits.from_text(found.to_text(), engine.direction()) == found

    def address(given: dict[str, list[str]]) -> None:
        workspace = read(given)
        assert read(link_to(workspace).parameters).prompt in (workspace.prompt, "")

    def setting(given: tuple[Setting[Any], str]) -> None:
        one, text = given
        os.environ[one.name] = text.replace("\0", "")
        try:
            one.read()
        finally:
            del os.environ[one.name]

    def measured(text: str) -> None:
        found = engine.measure(text)
        assert np.isfinite(found.refusal_score).all()

    names = st.sampled_from(
        ["prompt", "turn", "edits", "pin", "k", "near", "seed", "mode", "tokens", "thinking", "view", "clamp", "x"]
    )
    encodable = texts().filter(lambda text: text.isprintable() or ("\0" not in text and _encodable(text)))
    return {
        "edits as typed": Reader(typed, edits),
        "an address": Reader(st.dictionaries(names, st.lists(typed, max_size=3), max_size=6), address),
        "environment variables": Reader(
            st.tuples(st.sampled_from((*FOR_EVERYBODY, *FOR_DEVELOPERS)), encodable), setting
        ),
        "layers": Reader(st.one_of(typed, texts()), parse_layers),
        "a split": Reader(typed, parse_split),
        "a size": Reader(typed, _size),
        "settings of a search": Reader(
            st.dictionaries(st.sampled_from(list(Settings.__dataclass_fields__)), values(), max_size=3),
            lambda given: Settings.from_values(given),
        ),
        "a prompt": Reader(texts(), measured),
    }


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _size(text: str) -> None:
    with suppress(ValueError):  # its promise; who asks makes a sentence of it
        assert parse_size(text) >= 0


def _folders(spec: ModelSpec, folder: Path) -> dict[str, Reader]:
    source, model = Path(spec.saes[1]), Path(spec.model_id)
    sae, copy = folder / "sae", folder / "model"
    shutil.copytree(source, sae)
    shutil.copytree(model, copy)

    def restored(target: Path, good: Path, name: str, data: bytes) -> None:
        for file in good.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        (target / name).write_bytes(data)

    def some_sae(given: tuple[str, bytes]) -> None:
        restored(sae, source, *given)
        found = open_sae("sae_lens", sae)
        assert found.d_sae < 10**6
        block = found.block(0, found.d_sae)
        assert block.encoder.shape == (found.d_sae, found.d_model)

    def some_npz(data: bytes) -> None:
        (folder / "params.npz").write_bytes(data)
        open_sae("gemma_2", folder).block(0, 8)

    def checked(given: tuple[str, bytes]) -> None:
        restored(copy, model, *given)
        found = check_draft(Draft("mine-too", str(copy), str(source), refusal="I"))
        assert found.d_model == 32

    def loaded(given: tuple[str, bytes]) -> None:
        restored(copy, model, *given)
        engine = load(replace(spec, model_id=str(copy)), device="cpu", dtype="float32")
        assert np.isfinite(engine.measure("Hello").refusal_score).all()

    def changed(place: Path, name: str) -> st.SearchStrategy[tuple[str, bytes]]:
        data = (place / name).read_bytes()
        every = [mutated(data)]
        if name.endswith(".json"):
            every.append(mutated_json(data))
        elif name.endswith(".safetensors"):
            every.append(mutated_header(data))
        return st.tuples(st.just(name), st.one_of(*every))

    small = [
        name
        for name in ("config.json", "tokenizer_config.json", "chat_template.jinja", "tokenizer.json")
        if (model / name).exists()
    ]
    rng = np.random.default_rng(0)
    shapes = {"W_enc": (4, 8), "W_dec": (8, 4), "b_enc": (8,), "b_dec": (4,), "threshold": (8,)}
    archive = io.BytesIO()
    np.savez(archive, **{name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})
    return {
        "an SAE's folder": Reader(
            st.one_of(changed(source, "cfg.json"), changed(source, "sae_weights.safetensors")), some_sae
        ),
        "an archive of numpy's": Reader(mutated(archive.getvalue()), some_npz),
        "a model that is added": Reader(st.one_of(*(changed(model, name) for name in small)), checked),
        "a model that is loaded": Reader(
            st.one_of(*(changed(model, name) for name in (*small, "model.safetensors"))), loaded
        ),
    }
