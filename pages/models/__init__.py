"""The Models page: what each model takes, choosing one, adding one.

Knows: the catalogue and this process's choice. Does not know: how a model is loaded or checked.
Public: `page` (the order of things), `picker.show_models`, `train.show_train`, `add_model.show_add`.
"""
