"""Running the model under edits: plans, hooks and passes. Nothing else in this program runs it.

Knows: edit sets, SAE columns, token ids, the device and its lock. Does not know: what is computed from a pass, or
pages. `hooks` holds the one place that changes the residual stream.
Public: `runtime.Runtime`, `plan.make_plan`, `batches.run`, `batches.Growing`, `hooks.install_hooks`,
`hooks.PassRequest`, `assembly.load_runtime`, `device_lock.in_background`, `token_budget.at_most`.
"""
