"""Sparse autoencoders: packed into records of one feature each, of which a few columns are read.

Knows: SAE files, records, what of them is held on a device. Does not know: models, prompts, edits. `formats` is
imported only where files are opened, never at a forward pass.
Public: `columns.Columns`, `columns.activations`, `dictionary.Dictionary`, `packed.read_records`,
`device_cache.Residency`, `published.SaeRef`, `published.open_published`, `folder.open_dictionary`, `find.find_saes`.
"""
