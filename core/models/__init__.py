"""Models: which are known, what each takes, where its files lie, and its weights in memory.

Knows: names, hubs, transformers, this machine. Does not know: hooks, passes, what is measured (`core.forward` puts a
model, its SAEs and the hooks together).
Public: spec (ModelSpec), registry (find_spec, model_names), catalogue (MODELS), added (added_models) with check_added
(check_draft), compatibility (does an SAE belong to a model), architecture (decoder_layers, empty_model), files
(model_folder, make_ready), weights (load_weights), footprint (Footprint, footprint), refusal_tokens, demo_base, lora,
placement.
"""
