"""Models: by name, loaded, added by a person, and what each takes before it is loaded.

Knows: weights, adapters, devices, refusal tokens, the catalogue and the list of added models. Does not know: what is
measured on a model, or pages. No code from a model's folder is ever run.
Public: `spec.ModelSpec`, `registry.find_spec`, `registry.model_names`, `weights.load_weights`, `files.make_ready`,
`catalogue.MODELS`, `added.added_models`, `check_added.check_draft`, `footprint.footprint`.
"""
