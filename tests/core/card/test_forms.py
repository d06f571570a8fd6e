"""The other forms of a card: a notebook whose code repeats it, and a control vector that llama.cpp reads."""

import json
from dataclasses import replace

import numpy as np
import pytest
from gguf import GGUFReader

from core import Edits, InputError
from core.card.contents import Card
from core.card.files import card_bytes, write_card
from core.card.notebook import notebook
from core.card.source import direction_of
from core.models import registry
from tests.cards import HOSTILE, PROMPT, made


@pytest.fixture(scope="module")
def card(tiny):
    return made(tiny)


def test_the_notebooks_code_repeats_the_numbers(card, tiny_spec):
    registry.register(tiny_spec)
    cells = json.loads(card_bytes(card, ".ipynb"))["cells"]
    seen, prompts = {}, 0
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile(cell["source"], "cell", "exec"), seen)
            if "differences" in cell["source"]:
                case = card.cases[prompts]
                assert set(seen["differences"]) == {state.name for state in case.states}
                assert max(map(abs, seen["differences"].values())) < 1e-3
                assert np.allclose(list(seen["cosine"].values()), [s.cosine for s in case.states], atol=1e-4)
                prompts += 1
            if "verdicts" in cell["source"]:
                verdicts = {s.name: s.judgement.verdict for s in card.cases[prompts - 1].states}
                assert seen["verdicts"] == verdicts
    assert prompts == 2 and seen["prompt"].text == HOSTILE


def test_it_has_the_shape_of_a_notebook(card):
    made = notebook(card)
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    for cell in made["cells"]:
        extra = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | extra


def read_back(data: bytes, tmp_path):
    (tmp_path / "vector.gguf").write_bytes(data)
    reader = GGUFReader(tmp_path / "vector.gguf")
    fields = {name: reader.get_field(name).contents() for name in reader.fields}
    return fields, {tensor.name: np.array(tensor.data) for tensor in reader.tensors}


def test_ggufs_own_reader_reads_the_control_vector(card, tmp_path, tiny):
    fields, tensors = read_back(card_bytes(card, ".gguf"), tmp_path)
    assert fields["general.architecture"] == "controlvector"
    assert fields["controlvector.model_hint"] == "llama" and fields["controlvector.layer_count"] == 4
    assert list(tensors) == ["direction.2"] and tensors["direction.2"].dtype == np.float32
    assert fields["general.name"] == "+4 times the unit refusal direction of tiny"
    # The card adds the direction with amount 4 in its second case: scale 1 is that edit.
    assert np.array_equal(tensors["direction.2"], (tiny.direction().vector * 4.0).numpy())


def test_added_after_its_block_it_does_what_the_edit_does(card, tmp_path, plain, tiny):
    """What llama.cpp does with a control vector, with a plain hook."""
    import torch

    _, tensors = read_back(card_bytes(card, ".gguf"), tmp_path)
    vector = torch.from_numpy(tensors["direction.2"])
    block = plain.model.layers[2]
    handle = block.register_forward_hook(
        lambda module, given, out: (out[0] + vector, *out[1:]) if isinstance(out, tuple) else out + vector
    )
    try:
        with torch.no_grad():
            logits = plain(torch.tensor([list(tiny.prompt(PROMPT).ids)])).logits[0, -1].double()
    finally:
        handle.remove()
    steered = logits.softmax(-1)[list(tiny.spec.refusal_tokens)].sum().item()
    edits = Edits.add_direction(tiny.direction(), 4.0)
    assert steered == pytest.approx(tiny.measure([PROMPT], [edits]).p_refusal[0, 0], rel=1e-4)


def test_without_an_addition_it_is_the_difference_of_means(card, tmp_path):
    fields, tensors = read_back(card_bytes(replace(card, cases=card.cases[:1]), ".gguf"), tmp_path)
    assert fields["general.name"] == "Refusal direction of tiny"
    used = card.source.direction
    assert np.linalg.norm(tensors["direction.2"]) == pytest.approx(used.norm, rel=1e-4)
    assert np.allclose(tensors["direction.2"] / used.norm, direction_of(used).vector.numpy(), atol=1e-6)


def test_of_several_amounts_none_is_chosen(card, tmp_path):
    case = card.cases[1]
    (added,) = [state for state in case.states if state.edits.startswith("direction=4")]
    less = replace(added, name="less", edits="direction=-10")
    with pytest.raises(InputError, match=r"4 in “.*”, -10 in “less”"):
        card_bytes(replace(card, cases=(replace(case, states=(*case.states, less)),)), ".gguf")
    fields, tensors = read_back(card_bytes(replace(card, cases=(replace(case, states=(less,)),)), ".gguf"), tmp_path)
    assert fields["general.name"] == "-10 times the unit refusal direction of tiny"
    assert np.linalg.norm(tensors["direction.2"]) == pytest.approx(10.0, rel=1e-5)


def at_layer(card: Card, layer: int) -> Card:
    return replace(card, source=replace(card.source, direction=card.source.direction._replace(layer=layer)))


def test_what_has_no_such_form_is_one_sentence(card, tmp_path):
    with pytest.raises(InputError, match="layer 0"):
        card_bytes(at_layer(replace(card, cases=card.cases[:1]), 0), ".gguf")
    with pytest.raises(InputError, match="no refusal direction"):
        card_bytes(replace(card, source=replace(card.source, direction=None)), ".gguf")
    with pytest.raises(InputError, match="nothing for a notebook"):
        card_bytes(replace(card, cases=()), ".ipynb")
    with pytest.raises(InputError, match=r"“\.pdf” is not a form"):
        card_bytes(card, ".pdf")
    with pytest.raises(InputError, match="cannot be written"):
        write_card(card, tmp_path / "nowhere" / "card.json")
