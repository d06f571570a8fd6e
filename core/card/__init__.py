"""The audit card: what was measured of prompts under edits, or found by a run, as one file that others can check.

Knows: the card's value, how it is measured, shown, read back and measured again, and its other forms: a notebook, a
control vector. Does not know: stores, pages, the command line.
Public: `contents.Card`, `make.make_card`, `run.run_card`, `files.write_card`, `read.read_card`, `verify.verify`.
"""
