"""SAE files as they are published, each layout read a block of features at a time.

Knows: safetensors, npz and torch files, key names, and SAELens's normal form. Does not know: where files come from,
records, models. Nothing of a file is ever run: torch files are read without unpickling.
Public: `open.open_sae`, `open.FILES`, `normal_form.SaeFile`, `normal_form.Columns`, `config.read_config`,
`torch_zip.TorchFile`.
"""
