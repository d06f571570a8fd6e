"""The paper's search (arXiv 2509.09708): each step of it is a module.

0. `stage0_screening`: keep harmful prompts that are refused, and benign ones that are answered.
1. `stage1_candidates`: the smallest top-K set near the direction whose ablation flips a prompt.
2. `stage2_pruning`: Algorithm 1, greedy pruning to a minimal set.
3. `stage3_factorization` on `stage3_rows`: a factorization machine ranks new features.
`steps` and `control_steps` call them; `runner` keeps their order, resumes, and writes rows to a `ledger`.
Knows the engine; does not know pages or the store.
Public: `runner.run`, `runner.STAGES`, `settings.Settings`, `context.Inputs`, `ledger.Row`, `tables.report`.
"""
