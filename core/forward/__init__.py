"""A forward pass under edits: what each layer's hook does, and how prompts and edit sets become passes.

Knows: a loaded model, plans, hooks, the device's lock. Does not know: scores, answers, pages.
Public: assembly (load_runtime), runtime (Runtime), plan (make_plan) with tables (what a set asks of a layer's
features), hooks (install_hooks, Pass, PassRequest), batches (run, prefix_pass, Growing: every Pass is made there),
token_budget (at_most), device_lock (DEVICE, in_background), half_precision.
"""
