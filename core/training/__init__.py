"""Training SAEs for a model that has none.

    texts → answers.py (the model's own) → chats.py (conversations as token ids) → record.py (a float16 file a layer)
          → train.py (sae-lens: BatchTopK, saved as JumpReLU) → card.py (quality on conversations held out)

Knows: plain transformers models, conversations, residuals after a layer, sae-lens's trainer. Does not know: edits, the
registry, pages, queues. A training goes on where it was stopped, and ends the same as if it had never been; sae-lens is
imported only when one begins.
Public: `pipeline.train_saes`, `settings.TrainingSettings` (every choice).
"""
