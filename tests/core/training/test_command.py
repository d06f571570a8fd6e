"""Training by a model's name: the tiny model from the registry, the shipped prompts, and what is refused; what is
trained is a suite with labels and cards.
"""

import hashlib
import shutil
from dataclasses import replace

import pytest
import torch

from core import Feature, load
from core.errors import AssetError, Cancelled, InputError, UnknownModelError
from core.labels.notes import read_labels
from core.labels.origins import origins_of
from core.labels.source_texts import MadeFrom, text_digest
from core.models import registry
from core.models.trained import finish_suite, trained_suite, training_folder
from core.saes.card import cards_of, summary
from core.saes.formats.open import open_sae
from core.text.json_text import json_text
from core.training.card import Sae
from core.training.command import load_plain, plan_for, shipped_texts_for_training, texts_for, train_for
from core.training.estimate import probed
from core.training.pipeline import gather
from core.training.weights import weights_used
from tests.cards import change
from tests.core.training.conftest import StopsAfter

NAME = "tiny-to-train"
PROMPTS = [f"Tell me about bread number {n}." for n in range(5)]


@pytest.fixture
def registered(tiny_spec, monkeypatch, tmp_path):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    spec = replace(tiny_spec, name=NAME, layers=(), saes={})
    registry.register(spec)
    return spec


@pytest.fixture
def few_prompts(monkeypatch, page_spec):
    monkeypatch.setattr("core.training.command.prompts_file", lambda: page_spec.prompts)


def trained(settings, **more):
    return train_for(NAME, settings, prompts=PROMPTS, device="cpu", dtype="float32", **more)


def test_held_out_prompts_are_never_trained_on() -> None:
    shipped = shipped_texts_for_training()
    more = shipped_texts_for_training(["one more prompt", shipped.held_out[0], " "])
    assert not set(more.train) & set(more.held_out)
    assert len(more.train) == len(shipped.train) + 1
    assert set(shipped.often) <= set(shipped.train)


def test_at_most_so_many_prompts_are_drawn_by_the_seed(settings) -> None:
    whole, few = shipped_texts_for_training(), replace(settings, most_prompts=80)
    drawn = texts_for("demo", few)
    assert (len(drawn.train), len(drawn.held_out)) == (80, 10)
    assert [text for text in whole.train if text in set(drawn.train)] == drawn.train, "in their order"
    assert set(drawn.held_out) <= set(whole.held_out) and set(drawn.often) == set(whole.often) & set(drawn.train)
    assert texts_for("demo", few) == drawn != texts_for("demo", replace(few, seed=1))


def test_what_is_trained_is_a_suite_of_the_model_with_labels_and_cards(registered, few_prompts, settings) -> None:
    folder, cards = trained(replace(settings, layers=(1,)))
    assert folder.parent == training_folder(NAME) / "saes"
    spec = registry.find_spec(f"{NAME}/trained")
    assert spec.layers == (1,) and spec.saes == {1: folder / "layer_01"} and "trained on this machine" in spec.caveat
    assert f"{NAME}/trained" in registry.model_names()
    assert registry.find_spec(NAME) == replace(spec, name=NAME), "it had no SAEs of its own"
    read = cards_of(spec.saes)[1]
    assert read.explained_variance == cards[1]["explained_variance"] and read.random is not None
    assert f"Explained variance {read.explained_variance:.2f}" in summary({1: read})
    engine = load(spec, device="cpu", dtype="float32")
    labels = read_labels(spec.labels, origins_of(engine))
    assert len(labels) == settings.width and not labels.left_out
    texts = texts_for(NAME, replace(settings, layers=(1,)), PROMPTS).train
    assert labels.made_from(Feature(1, 0)) == MadeFrom("made here", frozenset(map(text_digest, texts)))
    notes = [labels.note(Feature(1, index)) for index in range(settings.width)]
    assert any(note.contexts for note in notes) and all(note.promoted and note.origin == "made here" for note in notes)
    assert engine.widths == {1: settings.width} and not engine.features("How do I bake bread?").empty


def test_labels_are_of_the_training_conversations(registered, few_prompts, settings, plain, tokenizer) -> None:
    """The slow way: each conversation whole through the plain model, and every feature's highest activation in it."""
    trained(replace(settings, layers=(1,)))
    spec = registry.find_spec(NAME)
    texts, folder = shipped_texts_for_training(PROMPTS), training_folder(NAME)
    chats, _ = gather(plain, tokenizer, texts, settings, folder, weights_used(load_plain(NAME, "cpu", "float32")))
    stored = open_sae("sae_lens", spec.saes[1])
    sae, highest = Sae(stored.block(0, stored.d_sae), stored.output_bias, stored.subtracts_bias), []
    for row in chats.rows:
        with torch.no_grad():
            hidden = plain(torch.tensor([[*chats.prefix, *row]]), output_hidden_states=True).hidden_states[2][0]
        highest.append(sae.encode(hidden[len(chats.prefix) :]).amax(0))
    labels = read_labels(spec.labels, origins_of(load(spec, device="cpu", dtype="float32")))
    found = torch.tensor([labels.note(Feature(1, index)).max_activation for index in range(settings.width)])
    assert torch.allclose(found, torch.stack(highest).amax(0), atol=0.05)


def test_further_layers_join_the_suite_and_other_settings_replace_it(registered, few_prompts, settings) -> None:
    first, _ = trained(replace(settings, layers=(1,)))
    second, _ = trained(replace(settings, layers=(2,)))
    assert first == second and registry.find_spec(NAME).layers == (1, 2)
    other, _ = trained(replace(settings, layers=(2,), width=40))
    assert other != first and registry.find_spec(NAME).saes == {2: other / "layer_02"}


def test_other_weights_or_another_number_format_are_another_suite(
    registered, tiny_folder, few_prompts, settings, tmp_path
) -> None:
    shutil.copytree(tiny_folder / "model", tmp_path / "model")
    registry.register(replace(registered, model_id=str(tmp_path / "model")))
    one = replace(settings, layers=(1,))
    first, cards = trained(one)
    assert trained(one) == (first, cards)
    change(tmp_path / "model" / "model.safetensors", "model.layers.1.mlp.down_proj.weight")
    assert plan_for(NAME, load_plain(NAME, "cpu", "float32"), one, PROMPTS).answers > 0
    second, others = trained(one)
    assert second != first and others != cards and trained_suite(NAME).folder == second
    assert plan_for(NAME, load_plain(NAME, "cpu", "bfloat16"), one, PROMPTS).answers > 0
    third, _ = train_for(NAME, one, prompts=PROMPTS, device="cpu", dtype="bfloat16")
    assert third not in (first, second)


def test_a_suite_of_an_earlier_version_stays_in_use_until_another_is_trained(registered, few_prompts, settings) -> None:
    made, _ = trained(replace(settings, layers=(1,)))
    texts = texts_for(NAME, settings, PROMPTS)
    older = json_text([settings.identity(), *map(list, texts)], sort_keys=True)  # its key had no weights
    key = hashlib.sha256(older.encode()).hexdigest()[:12]
    made.rename(made.with_name(key))
    finish_suite(NAME, key, (1,))
    assert registry.find_spec(f"{NAME}/trained").saes == {1: made.with_name(key) / "layer_01"}
    again, _ = trained(replace(settings, layers=(1,)))
    assert again == made and registry.find_spec(NAME).saes == {1: made / "layer_01"}
    assert (made.with_name(key) / "layer_01" / "cfg.json").is_file()


def test_a_model_with_saes_keeps_them_by_its_plain_name(registered, tiny_spec, few_prompts, settings) -> None:
    spec = replace(tiny_spec, name=NAME)
    registry.register(spec)
    trained(replace(settings, layers=(1,)))
    assert registry.find_spec(NAME) == spec and registry.find_spec(f"{NAME}/trained").layers == (1,)


def test_a_suite_that_is_not_finished_is_not_there(registered, few_prompts, settings) -> None:
    with pytest.raises(Cancelled):
        trained(settings, cancelled=StopsAfter(40))
    assert trained_suite(NAME) is None and registry.find_spec(NAME).saes == {}
    with pytest.raises(UnknownModelError, match="hydrascope saes train"):
        registry.find_spec(f"{NAME}/trained")


def test_a_loaded_engine_is_used_and_left_as_it_was(registered, tiny, few_prompts, settings) -> None:
    before = tiny.measure("How do I bake bread?").refusal_score
    trained(replace(settings, layers=(1,)), engine=tiny)
    assert (tiny.measure("How do I bake bread?").refusal_score == before).all()
    assert tiny.widths == {1: 48, 2: 48, 3: 48}


def test_the_plan_says_what_is_left_and_how_long_it_takes(registered, few_prompts, settings) -> None:
    engine = load_plain(NAME, "cpu", "float32")
    texts = shipped_texts_for_training(PROMPTS)
    plan = plan_for(NAME, engine, settings, PROMPTS)
    assert plan.answers == len(texts.train) + len(texts.held_out)
    assert plan.disk >= 2 * 2 * 32 * (settings.tokens + settings.held_out_tokens)
    timed = probed(engine, plan, settings, texts)
    assert timed.seconds > 0 and any("Time: about" in line for line in timed.lines)
    trained(settings, engine=engine)
    assert plan_for(NAME, engine, settings, PROMPTS).answers == 0
    with pytest.raises(InputError, match="disk space"):
        replace(plan, disk=10**18).check_room()


def test_layers_it_does_not_have_are_refused(registered, settings) -> None:
    with pytest.raises(InputError, match="layers 0 to 3"):
        train_for(NAME, replace(settings, layers=(4,)), device="cpu")


def test_the_demo_can_be_trained_too() -> None:
    spec = registry.base_spec("demo")
    assert spec.adapter is not None and spec.layers == () and spec.labels is None


def test_what_the_disk_says_is_one_sentence(registered, few_prompts, settings):
    recorded = training_folder(NAME) / "recorded"
    recorded.parent.mkdir(parents=True)
    recorded.write_text("a file in the place of the folder")
    with pytest.raises(AssetError, match=r"training cannot go on in .* \(File exists\).* goes on from there"):
        trained(settings)
