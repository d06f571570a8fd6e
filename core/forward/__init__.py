"""A forward pass under edits: what each layer's hook does, and how prompts and edit sets become passes.

Knows: a loaded model, plans, hooks, the device's lock. Does not know: scores, answers, pages.
Public: `assembly.load_runtime`, `runtime.Runtime`, `plan.make_plan`, `tables.make_tables`, `hooks.install_hooks`,
`passes.PassRequest`, `batches.run`, `batches.prefix_pass`, `growing.Growing`, `loaded.loaded_runtime`,
`token_budget.at_most`, `device_lock.in_background`.
"""
