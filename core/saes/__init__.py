"""Sparse autoencoders: published and local ones, packed into records of one feature, of which a few columns are read.

Knows: SAE files, records, what of them is held on a device. Does not know: models, prompts, edits.
Public: columns (Columns, Encoders, activations, preactivations), dictionary (Dictionary), packed (read_records,
check_records), device_cache (Residency), published (SaeRef, open_published), folder (open_dictionary), find
(find_saes); formats (open_sae) is imported only where files are opened, never at a forward pass.
"""
