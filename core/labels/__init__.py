"""What is known of each feature in words: labels, where it fires, what it promotes.

Knows: notes and their files, Neuronpedia, how labels are made from prompts. Does not know: pages, the store.
Public: `notes.FeatureNote`, `notes.Labels`, `notes.read_labels`, `neuronpedia.Neuronpedia`, `making.make_labels`,
`sample.sample_of`.
"""
