"""SAE files as suites publish them, read block by block in SAELens's normal form.

Knows: file formats and key names. Does not know: records, where files come from, models. No code of a file is run.
Public: open (open_sae, SAE_FILES, Layout), config (read_config, residual_layer), normal_form (SaeFile); torch_suites,
torch_zip and torch_pickle read torch's format, zip_members a member of an archive where it lies.
"""
