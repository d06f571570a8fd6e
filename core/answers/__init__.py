"""Answers: greedy text under edits, and what an answer is, by rules.

Knows: tokens one after the other, wordings of refusal, how likely an answer is to the unedited model, what a judge is.
Does not know: how passes are made, scores, judges that are models (`core.judges`).
Public: `generate.stream`, `generate.streams`, `generate.answers`, `judge.Judge`, `judge.Judgement`,
`rule_judges.verdicts_of`, `rule_judges.rules_judge`, `verdicts.Verdict`, `verdicts.Judged`, `fitted.with_people`.
"""
