"""What comes from outside as JSON: the shape it must have, said once, and checked before anything is read from it.

Knows: the fields of a hub's listings, Neuronpedia's answers, and the small files beside weights; pydantic checks them.
Does not know: who asked, or what is said to people. What has another shape is a ValueError in plain words, and whoever
asked makes it a sentence: `GarbledAnswerError` of a server's answer with status 200, `AssetError` of a file.
Public: `schema.checked` (JSON goes through core.shaped); the shapes in `hub`, `neuronpedia`, `weights`, `saes`.
"""
