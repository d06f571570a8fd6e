"""A study with people: what features are about (the paper's “Human Study”, Figure 7), or what answers are.

Knows: pools, choices, agreement, scores, as values. Does not know: stores, pages, who the annotators are.
Public: `pool` and `sizes` (which features), `answers` (what may be chosen), `agreement`, `score`, `items` (what an
annotator is shown), `results` (everything together), `taxonomy` (the five categories of the bundled prompts).
"""
