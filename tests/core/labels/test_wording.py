"""What a label says."""

from core.labels.contexts import Context
from core.labels.wording import SILENT, in_context, in_template, label_text, without_promoted, word

SPECIAL = ("<|im_start|>", "<|im_end|>")
DEADLY = Context(" for teaching extremists to grow", " deadly", " bacteria.<|im_end|>", 53.2)
TURN = Context(" fire<|im_end|>\n<|im_start|>assistant", "\n", "I'm sorry", 185.3)
END = Context(" manual for soldiers.<|im_end|>", "\n", "<|im_start|>assistant", 165.3)


def test_the_strongest_context_then_other_words_then_what_it_promotes():
    said = label_text([DEADLY, TURN], ["crack", "deadly", "gas", "over"], ["other", "ous", "per", "or"], SPECIAL)
    assert said == "…extremists to grow ⟦deadly⟧ bacteria.‹im_en… · crack · gas → other, ous, per"


def test_a_feature_of_the_template_says_so_and_a_line_break_is_seen():
    assert label_text([TURN, END], ["↵"], ["otive"], SPECIAL).startswith("template: …")
    assert "assistant⟦↵⟧I'm sorry" in in_context(TURN)
    assert not label_text([TURN, DEADLY], ["↵"], ["otive"], SPECIAL).startswith("template")


def test_arrows_in_a_context_are_its_own():
    for before, token in (("Sort 3 →", " 1"), ("Translate cat ", "→"), ("f: x", " →")):
        context = Context(before, token, " → Katze", 3.0)
        for promoted in (["nargs", "x"], ["→", "b"], [""], []):
            said = label_text([context], [word(token), "H"], promoted, SPECIAL)
            assert without_promoted(said) == f"{in_context(context)} · H", said
    assert without_promoted(label_text([], [], ["a", "b"], SPECIAL)) == SILENT
    assert without_promoted("cat → dog translations") == "cat → dog translations", "an explanation from elsewhere"


def test_what_belongs_to_the_template():
    assert in_template(TURN, SPECIAL) and in_template(END, SPECIAL)
    assert in_template(Context("x", "<|im_end|>", "", 1.0), SPECIAL)
    assert not in_template(DEADLY, SPECIAL)
    assert not in_template(Context("<|im_start|>user\n", "Hello", "", 1.0), SPECIAL), "the first word of a request"
    assert not in_template(TURN, ()), "nothing is known of the template"


def test_blanks_and_silence():
    assert word("\n\n") == "↵↵" and word("  ") == "␣␣" and word(" crack") == "crack"
    assert in_context(Context("a", "  ", "b", 1.0)) == "a⟦␣⟧b"
    assert label_text([], [], ["x"], SPECIAL) == "silent on the sample → x"
