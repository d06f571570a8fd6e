"""The paper's search for the features that mediate refusal (arXiv 2509.09708), one module a stage:

0. stage0_screening: the harmful prompts that the unedited model refuses, and the benign ones that it answers.
1. stage1_candidates: the K features a layer nearest the refusal direction, for the least K that flips a prompt.
2. stage2_pruning: Algorithm 1 removes blocks that P("I") does not depend on, down to a minimal faithful set.
3. stage3_factorization, over stage3_rows: a factorization machine ranks features that act together with that set.
Knows: an engine. Does not know: pages, the store.
Public: `runner.run_stages`, `context.Inputs`, `context.Work`, `settings.Settings`, `ledger.Ledger`, `ledger.Row`,
`estimate.estimate`, `steps`, `control_steps`, `analyses`, `tables`.
"""
