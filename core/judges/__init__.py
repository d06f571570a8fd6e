"""Judges: what an answer is, decided by rules, a score, a classifier or a chat model.

    from core.judges.catalogue import find_judge
    judgements = find_judge("harmbench-mistral").judge(prompts, answers)

Knows: every judge; a model is loaded when it is first asked, and released by `close()`. Does not know: pages, the
store. Nothing is imported here, so that the names (`names`) can be had without torch.
What a judge is (`Judge`, `Judgement`) and the rules are in `core.answers`, where searches can reach them.
Public: `catalogue.find_judge`, `names.judge_names`, `first_token.first_token_judge`, `agreement.compare`.
"""
