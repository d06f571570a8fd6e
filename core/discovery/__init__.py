"""The paper's search for the features that mediate refusal (arXiv 2509.09708), one module a stage:

0. stage0_screening: keep the harmful prompts that the unedited model refuses, and the benign ones that it answers.
1. stage1_candidates: a prompt's candidates are the K features a layer nearest the refusal direction, for the least K
   that flips it.
2. stage2_pruning: Algorithm 1 removes blocks that P("I") does not depend on, down to a minimal faithful set.
3. stage3_factorization (rows: stage3_rows): a factorization machine ranks further features that act together with it.
Knows: an engine. Does not know: pages, the store. Public: runner (run_stages; steps and control_steps are its steps),
context (Inputs, Work), settings (Settings), ledger (Ledger, Row), estimate, analyses; results are in tables.
"""
