"""SAE files as suites publish them, read block by block in SAELens's normal form.

Knows: file formats and key names. Does not know: records, where files come from, models. No code of a file is run.
Public: `open.open_sae`, `open.SAE_FILES`, `open.Layout`, `config.read_config`, `normal_form.SaeFile`,
`torch_zip.TorchFile`, `torch_pickle.read_program`.
"""
