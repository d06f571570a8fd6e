"""Models: which are known, what each takes, where its files lie, and its weights in memory.

Knows: names, hubs, transformers, this machine. Does not know: hooks, passes, what is measured (`core.forward` puts a
model, its SAEs and the hooks together).
Public: `spec.ModelSpec`, `registry.find_spec`, `registry.model_names`, `catalogue.KNOWN_MODELS`, `added.added_models`,
`check_added.check_draft`, `architecture.decoder_layers`, `files.model_folder`, `files.make_ready`,
`weights.load_weights`, `footprint.Footprint`, `footprint.footprint`, `refusal_tokens.refusal_tokens`.
"""
