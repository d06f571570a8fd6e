"""What SAE features are about, and who says so: shipped, from Neuronpedia, or made here.

Knows: notes and their sources, Neuronpedia's addresses, where a feature fires and what it promotes. Does not know:
stores (`cache.store.labels` keeps notes), pages, edits.
Public: `notes.Labels`, `notes.read_labels`, `neuronpedia.Neuronpedia`, `making.make_labels`.
"""
