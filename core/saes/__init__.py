"""Sparse autoencoders as records of one feature each, so that any few features are a few small reads.

Knows: records on disk, columns on the device, SAELens's directory of releases. Does not know: file formats
(`formats`), models, edits.
Public: `dictionary.Dictionary`, `folder.open_dictionary`, `columns.activations`, `packed.pack`,
`device_cache.Residency`, `published.open_published`, `find.find_saes`.
"""
