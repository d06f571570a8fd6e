"""What a torch file says of itself is read and never run: hostile, needless and damaged descriptions.

Python's pickle is used here alone, to show that the hostile programs do what they say where they are run.
"""

import copyreg
import io
import pickle
from contextlib import suppress

import pytest
import torch

from core.saes.formats.torch_zip import TorchFile
from tests.torch_files import described, number, refused, tensor, text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ae.pt"


def test_the_programs_written_here_are_torchs_own(path):
    described(path, tensor(shape=(3, 2), stride=(4, 1), offset=1))
    expected = torch.arange(12.0).as_strided((3, 2), (4, 1), 1)
    assert torch.equal(TorchFile(path).tensor("W"), expected) and torch.equal(torch.load(path)["W"], expected)


ORDERED = b"ccollections\nOrderedDict\n"
HOSTILE = {
    "REDUCE": lambda run: b"\x80\x02cos\nsystem\n" + run + b"\x85R.",
    "REDUCE of a builtin": lambda run: (
        b"\x80\x02c__builtin__\ngetattr\ncos\npath\n" + text("os") + b"\x86R" + b"0cos\nsystem\n" + run + b"\x85R."
    ),
    "STACK_GLOBAL": lambda run: b"\x80\x04\x8c\x02os\x8c\x06system\x93" + run + b"\x85R.",
    "a dotted name": lambda run: b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93" + run + b"\x85R.",
    "INST": lambda run: b"(" + run + b"ios\nsystem\n.",
    "OBJ": lambda run: b"(cos\nsystem\n" + run + b"o.",
    "BUILD": lambda run: b"\x80\x02" + ORDERED + b")R}" + text("__setstate__") + b"cos\nsystem\nsb" + run + b"b.",
    "EXT1": lambda run: b"\x80\x02\x82\xe1" + run + b"\x85R.",
    "EXT2": lambda run: b"\x80\x02\x83\xe1\x00" + run + b"\x85R.",
    "EXT4": lambda run: b"\x80\x02\x84\xe1\x00\x00\x00" + run + b"\x85R.",
    "behind a good tensor": lambda run: tensor()[:-1] + b"0cos\nsystem\n" + run + b"\x85R.",
    "inside an allowed call": lambda run: b"\x80\x02" + ORDERED + b"cos\nsystem\n" + run + b"\x85R\x85R.",
    "as a storage": lambda run: (
        b"\x80\x02("
        + text("storage")
        + b"cos\nsystem\n"
        + run
        + b"\x85R"
        + text("0")
        + text("cpu")
        + number(1)
        + b"tQ."
    ),
}


class Persistent(pickle.Unpickler):
    def persistent_load(self, named):
        return torch.zeros(12)._typed_storage()


@pytest.fixture
def extension():
    copyreg.add_extension("os", "system", 0xE1)
    yield
    copyreg.remove_extension("os", "system", 0xE1)


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_a_hostile_program_is_refused_and_nothing_of_it_runs(kind, path, tmp_path, extension):
    marker = tmp_path / "ran"
    program = HOSTILE[kind](text(f"touch {marker}"))
    with suppress(Exception):  # the harm is done before it fails
        Persistent(io.BytesIO(program)).load()
    assert marker.exists(), "run by Python, it does what it says"
    marker.unlink()
    refused(described(path, program), "nothing in it was run", "safetensors")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (b"cos\nsystem\n.", "os.system"),
        (b"\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
        (b"\x8c\x05a\x1b[2J\x8c\x03b\nc\x93.", "“a[2J.bc”"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ctorch._utils\n_rebuild_wrapper_subclass\n.", "_rebuild_wrapper_subclass"),
        (b"ctorch\nComplexFloatStorage\n.", "torch.ComplexFloatStorage"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"ccollections\nOrderedDict.fromkeys\n.", "OrderedDict.fromkeys"),
        (ORDERED + b")\x81.", "NEWOBJ"),
        (ORDERED + b")}\x92.", "NEWOBJ_EX"),
        (b"(" + ORDERED + b"o.", "OBJ"),
        (b"(icollections\nOrderedDict\n.", "INST"),
        (b"\x82\x01.", "EXT1"),
        (b"]\x97.", "NEXT_BUFFER"),
        (b"P0\n.", "PERSID"),
        (b"N2.", "DUP"),
        (b"I1\n.", "INT"),
        (b"S'x'\n.", "STRING"),
        (ORDERED + b")R}" + text("x") + b"Nsb.", "BUILD"),
        (ORDERED + b")RNb.", "BUILD"),
        (b"N}" + text("_metadata") + b"Nsb.", "fills something other"),
        (ORDERED + b"]\x85R.", "ordered dictionary"),
        (b"N)R.", "calls something"),
        (b"ctorch\nFloatStorage\n)R.", "calls something"),
        (ORDERED + b"NR.", "calls something"),
        (text("W") + b"Q.", "outside the file"),
        (b"(" + text("storage") + text("FloatStorage") + text("0") + text("cpu") + number(1) + b"tQ.", "outside"),
        (b"(" + text("storage") + ORDERED + text("0") + text("cpu") + number(1) + b"tQ.", "OrderedDict"),
        (b"}))s.", "keys"),
        (b"\x8a\x09" + b"\xff" * 8 + b"\x00" + b".", "64 bits"),
        (b"N" * 30_000 + b".", "values at once"),
        (b"N\x85" + b"\x85" * 40 + b".", "nests containers"),
        (b"N" + b"q\x00" * 520_000 + b".", "instructions"),
        (text("x" * 4_000_000) + b".", "4000008 bytes"),
        (b"].", "other than a dictionary"),
        (tensor(metadata=b"}" + text("neg") + b"\x88s")[2:], "lazy view"),
    ],
)
def test_what_no_plain_file_needs_is_named_and_refused(path, program, told):
    refused(described(path, b"\x80\x02" + program), told, "nothing in it was run")


@pytest.mark.parametrize(
    "program",
    [
        b"q\x00" + text("itself") + b"h\x00s",
        # Fifteen tuples, each two hundred times the one before: more values than could be gone through.
        text("grown")
        + b"(" * 15
        + b"]q\x00"
        + b"".join(bytes([ord("h"), n]) * 199 + b"tq" + bytes([n + 1]) for n in range(15))
        + b"s",
    ],
)
def test_a_description_without_end_is_gone_through_once(path, program):
    assert TorchFile(described(path, b"\x80\x02}" + program + b".")).names() == ()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (tensor(length=13), "shorter than it says"),
        (tensor(length=2**31 - 1), "shorter than it says"),
        (tensor(storage="DoubleStorage"), "shorter than it says"),
        (tensor(shape=(13,)), "reaches outside"),
        (tensor(offset=1), "reaches outside"),
        (tensor(shape=(3, 4), stride=(4, 2)), "reaches outside"),
        (tensor(shape=(2,), stride=(12,)), "reaches outside"),
        (tensor(shape=(1000, 12), stride=(0, 1)), "repeats"),
        (tensor(offset=-1), "not a whole number"),
        (tensor(stride=(-1,), offset=11), "not a whole number"),
        (tensor(shape=(-1,)), "not a whole number"),
        (tensor(length=-1), "not a whole number"),
        (tensor(shape=(3, 4), stride=(4,)), "different lengths"),
        (tensor(key="1"), "is missing"),
        (tensor(key="\x1b\n"), "'\\x1b\\n' is missing"),
        (tensor(key="../data.pkl"), "is missing"),
        (tensor()[:-1], "Restore it"),
        (tensor()[:40], "Restore it"),
        (b"\x80\x02.", "one value"),
        (b"\x80\x02NN.", "one value"),
        (b"\x80\x02}t.", "not begin"),
        (b"\x80\x02(}e.", "Restore it"),
        (b"\x80\x02h\x05.", "Restore it"),
        (b"\x80\x02q\x05.", "not exist"),
        (b"\x80\x02\x87.", "not exist"),
        (b"\x80\x02}(Nu.", "without a value"),
        (b"\xff\xfe garbage", "Restore it"),
        (b"", "Restore it"),
    ],
)
def test_a_damaged_description_is_one_sentence(path, program, told):
    refused(described(path, program), told)
