"""What `python -m core …` prints, one module a subcommand.

Knows: a terminal, and in this folder alone of `core` the store. Does not know: how anything is measured, or pages.
Public: `judge.judge_answers`, `labels.label`, `models.add_model`, `models.list_models`, `prompts.prompts`.
"""
