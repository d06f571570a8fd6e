"""A tokenizer of Llama 2's kind with a vocabulary of a few words: it puts a blank before a text, and takes the first
one away when it decodes."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

WORDS = ("how", "to", "bake", "bread", "one", "or", "two", "of", "them")


def blank_taker() -> PreTrainedTokenizerFast:
    pieces = ["<unk>", *"▁abcdefghijklmnopqrstuvwxyz.", *(f"▁{word}" for word in WORDS)]
    made = Tokenizer(models.Unigram([(piece, float(n - len(pieces))) for n, piece in enumerate(pieces)], unk_id=0))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
