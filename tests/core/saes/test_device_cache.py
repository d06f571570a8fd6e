"""What is held of the dictionaries: never more than the budget, oldest out first, and no number depends on it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import Edits, Engine, Feature, InputError, load
from core.hydra.wakening import refresh
from core.saes.columns import activations
from core.saes.device_cache import LISTS, Residency, budget_for
from core.saes.dictionary import Dictionary
from core.settings import MEMORY
from tests.conftest import D_MODEL, D_SAE
from tests.oracles import PROMPTS, random_edits

CPU = torch.device("cpu")
COLUMN = (2 * D_MODEL + 2) * 4  # bytes of one feature
ENCODERS, DECODERS = D_SAE * (D_MODEL + 2) * 4, D_SAE * D_MODEL * 4  # bytes of a whole layer's halves


@pytest.fixture
def saes(tiny):
    return tiny.runtime.dictionaries


@pytest.fixture
def reads(monkeypatch):
    """What is read from disk, in order: (“columns”, layer, indices), (“encoders”, layer, start), (“decoders”, …)."""
    seen = []

    def watch(name, told):
        whole = getattr(Dictionary, name)

        def watched(self, *where):
            seen.append((name, self.layer, told(*where)))
            return whole(self, *where)

        monkeypatch.setattr(Dictionary, name, watched)

    watch("columns", lambda indices: tuple(int(i) for i in indices))
    watch("encoders", lambda start, stop: start)
    watch("decoders", lambda where: where.start if isinstance(where, slice) else "rows")
    return seen


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def walk(held, dictionary):
    return list(held.blocks(dictionary, CPU))


@pytest.mark.parametrize("budget", [0, 5 * COLUMN, 10**9])
@given(asked=st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.lists(st.integers(0, 47), max_size=12)), max_size=8))
@settings(max_examples=25, deadline=None)
def test_columns_are_those_of_the_records_whatever_is_held(tiny, budget, asked):
    held = Residency(budget)
    for layer, indices in asked:
        dictionary = tiny.runtime.dictionaries[layer]
        found = held.columns(dictionary, tuple(indices), CPU)
        assert equal(found, dictionary.columns(indices)) and held.held <= budget
        assert all(part.is_contiguous() and part.untyped_storage().nbytes() == part.nbytes for part in found)


@pytest.mark.parametrize("size", [None, 1, 7, 1000])
@pytest.mark.parametrize("block", [5, 8192])
@pytest.mark.parametrize("budget", [0, 3000, 10**9])
def test_blocks_make_up_the_whole_dictionary(saes, tiny_saes, monkeypatch, size, block, budget):
    monkeypatch.setattr("core.saes.device_cache.PART", block)
    held, x = Residency(budget), torch.randn(5, D_MODEL, generator=torch.Generator().manual_seed(1)) * 5
    for layer, dictionary in (*saes.items(), *saes.items()):
        parts = list(held.blocks(dictionary, CPU, size))
        assert [start for start, _ in parts] == [*np.cumsum([0] + [len(c.bias) for _, c in parts])[:-1]]
        whole = [torch.cat(part) for part in zip(*(columns for _, columns in parts), strict=True)]
        assert equal(whole, dictionary.columns(range(D_SAE))) and held.held <= budget
        found = torch.cat([activations(x, columns, dictionary.input_bias) for _, columns in parts], dim=-1)
        torch.testing.assert_close(found, tiny_saes[layer].encode(x).detach(), rtol=1e-5, atol=1e-5)
        for halves, which in ((held.encoders, (0, 2, 3)), (held.decoders, (1,))):
            seen = [found if which != (1,) else (found,) for _, found in halves(dictionary, CPU)]
            assert equal([torch.cat(p) for p in zip(*seen, strict=True)], [whole[number] for number in which])


def test_what_is_asked_for_again_is_not_read_again(saes, reads):
    held = Residency(10**9)
    first = held.columns(saes[1], (3, 9), CPU)
    again = held.columns(saes[1], (3, 9), CPU)
    assert all(a is b for a, b in zip(first, again, strict=True))
    walk(held, saes[1])
    walk(held, saes[1])
    list(held.encoders(saes[1], CPU)), list(held.decoders(saes[1], CPU))
    assert reads == [("columns", 1, (3, 9)), ("encoders", 1, 0), ("decoders", 1, 0)]
    assert held.held == 2 * COLUMN + ENCODERS + DECODERS
    held.clear()
    assert held.held == 0
    held.columns(saes[1], (3, 9), CPU)
    assert reads[3:] == [("columns", 1, (3, 9))]


def test_with_a_budget_of_nothing_everything_is_read_and_nothing_held(saes, reads):
    held = Residency(0)
    for _ in range(2):
        held.columns(saes[1], (3, 9), CPU)
        walk(held, saes[2])
    assert held.held == 0 and len(reads) == 6


def test_a_toggle_reads_only_what_is_new(saes, reads):
    held = Residency(10**9)
    held.columns(saes[2], (1, 4, 9, 30), CPU)
    fewer = held.columns(saes[2], (1, 9, 30), CPU)
    more = held.columns(saes[2], (1, 7, 9, 30, 40), CPU)
    assert reads == [("columns", 2, (1, 4, 9, 30)), ("columns", 2, (7, 40))]
    assert equal(fewer, saes[2].columns([1, 9, 30])) and equal(more, saes[2].columns([1, 7, 9, 30, 40]))


def test_another_layers_columns_are_never_taken_for_this_ones(saes):
    held = Residency(10**9)
    for layer in (1, 2, 3):
        assert equal(held.columns(saes[layer], (5, 6), CPU), saes[layer].columns([5, 6]))


def test_an_index_outside_is_one_plain_error_held_or_not(saes):
    held = Residency(10**9)
    held.columns(saes[1], (5, 6, 7), CPU)
    for indices in ((5, 6, 48), (48,), (-1, 5, 6)):
        with pytest.raises(InputError, match="does not exist"):
            held.columns(saes[1], indices, CPU)


def test_the_least_recently_used_leaves_first_across_both_kinds(saes, reads):
    held = Residency(ENCODERS + DECODERS + 4 * COLUMN)
    walk(held, saes[1])
    held.columns(saes[2], (1, 2), CPU)
    held.columns(saes[3], (1, 2), CPU)
    list(held.decoders(saes[1], CPU))
    # full; the oldest is now layer 1's encoder half, then the columns of 2 and of 3, then layer 1's decoder half
    reads.clear()
    held.columns(saes[2], tuple(range(20, 30)), CPU)
    assert held.held == DECODERS + 14 * COLUMN <= held.budget
    held.columns(saes[2], (1, 2), CPU), held.columns(saes[3], (1, 2), CPU), list(held.decoders(saes[1], CPU))
    assert reads == [("columns", 2, tuple(range(20, 30)))]
    list(held.encoders(saes[1], CPU))
    assert reads[1:] == [("encoders", 1, 0)]


def test_layers_that_do_not_all_fit_are_not_thrown_out_just_before_their_turn(saes, reads):
    held = Residency(2 * ENCODERS)
    for _ in range(3):
        for layer in (1, 2, 3):
            list(held.encoders(saes[layer], CPU))
    assert reads == [("encoders", n, 0) for n in (1, 2, 3, 3, 3)]  # 1 and 2 stay, 3 never finds room
    for _ in range(2):  # until it is the one that is asked for
        list(held.encoders(saes[3], CPU))
    assert reads[5:] == [("encoders", 3, 0)] and held.held == 2 * ENCODERS


def test_of_one_dictionary_a_few_lists_of_columns_are_held(saes):
    held = Residency(10**9)
    for index in range(30):
        held.columns(saes[1], (index,), CPU)
    assert held.held == LISTS * COLUMN


def test_what_is_too_large_for_the_budget_pushes_nothing_out(saes, reads):
    held = Residency(2 * COLUMN)
    held.columns(saes[1], (1, 2), CPU)
    held.columns(saes[1], (1, 2, 3), CPU)
    walk(held, saes[2])
    held.columns(saes[1], (1, 2), CPU)
    assert [name for name, *_ in reads] == ["columns", "columns", "encoders", "decoders"] and held.held == 2 * COLUMN


def test_threads_share_it_and_all_read_the_records(saes):
    held, start = Residency(ENCODERS + 20 * COLUMN), threading.Barrier(4)
    expected = {n: dictionary.columns(range(D_SAE)) for n, dictionary in saes.items()}

    def work(seed):
        draw = np.random.default_rng(seed)
        start.wait(10)
        for _ in range(60):
            layer = int(draw.integers(1, 4))
            indices = np.sort(draw.choice(D_SAE, int(draw.integers(0, 12)), replace=False))
            found = held.columns(saes[layer], tuple(indices.tolist()), CPU)
            assert equal(found, (part[indices] for part in expected[layer])) and held.held <= held.budget
            for _, half in held.encoders(saes[layer], CPU):
                assert torch.equal(half.encoder, expected[layer].encoder)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert held.held == sum(held.sizes) <= held.budget


@pytest.fixture(scope="module")
def engines(tiny):
    """The same model with nothing held, a little, and everything."""
    return [_like(tiny, Residency(budget)) for budget in (0, ENCODERS + DECODERS + 10 * COLUMN, 10**9)]


def _like(tiny, residency):
    engine = Engine(replace(tiny.runtime, residency=residency), "for a test")
    engine.use_direction(tiny.direction())
    return engine


def test_every_number_is_the_same_to_the_bit_whatever_is_held(engines):
    sets = [Edits(), *(random_edits(seed, engines[0].direction()) for seed in range(4))]
    watch = [Feature(2, index) for index in range(0, 48, 5)]
    seen = []
    for engine in engines:
        for _ in range(2):  # the second time from what is held
            measured = engine.measure(list(PROMPTS), sets, watch, kl=True)
            woken = refresh(engine, PROMPTS[1], sets[1])
            frames = [
                engine.features(PROMPTS[0], sets[2]),
                engine.alignment(),
                engine.reconstruction(PROMPTS[1]),
                engine.activity(list(PROMPTS)),
                woken.marks,
                woken.margins,
            ]
            numbers = [measured.p_refusal, measured.activations, measured.kl, measured.cosine]
            seen.append((numbers, frames, engine.answers(PROMPTS[:2], sets, 6)))
    assert engines[0].runtime.residency.held == 0 < engines[1].runtime.residency.held
    for numbers, frames, answers in seen[1:]:
        for one, other in zip(numbers, seen[0][0], strict=True):
            np.testing.assert_array_equal(one, other)
        for one, other in zip(frames, seen[0][1], strict=True):
            assert one.equals(other)
        assert answers == seen[0][2]


def test_a_second_look_at_a_prompt_reads_only_the_decoder_rows_of_what_fires(tiny, reads):
    engine = _like(tiny, Residency(10**9))
    for _ in range(2):
        engine.features(PROMPTS[0], Edits.ablate([(1, 3), (2, 5)]))
    rows = [("decoders", n, "rows") for n in (1, 2, 3)]
    encoders = [("encoders", n, 0) for n in (1, 2, 3)]
    assert reads == [("columns", 1, (3,)), ("columns", 2, (5,)), *encoders, *rows, *rows]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6GB", 6 * 10**9),
        ("512MB", 512 * 10**6),
        ("0", 0),
        ("1.5 gb", 1_500_000_000),
        ("2GiB", 2**31),
        ("2G", 2 * 10**9),
        ("4096", 4096),
        ("10 kB", 10_000),
        ("", None),
        ("  ", None),
    ],
)
def test_a_size_is_read_as_people_write_it(monkeypatch, text, size):
    monkeypatch.setenv("HYDRASCOPE_MEMORY", text)
    assert MEMORY.read() == size
    assert size is None or budget_for([CPU]) == size


@pytest.mark.parametrize("text", ["lots", "-1GB", "GB", "1e9", "6 GB of it", "1,5GB", "nan", "6PB"])
def test_a_size_that_is_none_is_one_plain_error_before_the_long_work(monkeypatch, tiny_spec, text):
    monkeypatch.setenv("HYDRASCOPE_MEMORY", text)
    seen = []
    with pytest.raises(InputError, match=r"HYDRASCOPE_MEMORY is “.+”, which is no size; write one such as 6GB"):
        load(tiny_spec, device="cpu", progress=lambda *now: seen.append(now))
    assert not seen


def test_the_budget_of_a_loaded_model_is_what_was_asked_for(monkeypatch, tiny_spec):
    monkeypatch.setenv("HYDRASCOPE_MEMORY", "12kB")
    engine = load(tiny_spec, device="cpu")
    engine.features(PROMPTS[0])
    engine.measure(PROMPTS[0], Edits.ablate([(1, 3), (2, 5)]))
    assert engine.runtime.residency.budget == 12_000 and 0 < engine.runtime.residency.held <= 12_000


def test_without_a_wish_it_is_a_share_of_what_is_free(monkeypatch):
    monkeypatch.delenv("HYDRASCOPE_MEMORY", raising=False)
    free = {"cpu": 4 * 10**9, "cuda:0": 80 * 10**9, "cuda:1": 10 * 10**9}
    monkeypatch.setattr("core.saes.device_cache.free_memory", lambda device: free[str(device)])
    assert budget_for([CPU]) == 5 * 10**8
    assert budget_for([torch.device("cuda:0")] * 3) == 40 * 10**9
    assert budget_for(map(torch.device, ("cuda:0", "cuda:1"))) == 5 * 10**9  # it must fit the fullest of them
