"""Training SAEs: prompts → answers.py (the model's own) → chats.py (conversations as token ids) → record.py (a float16
file a layer) → train.py (sae-lens: BatchTopK, saved as JumpReLU) → card.py (quality on conversations held out) →
labelling.py. pipeline.py has the order, command.py makes it a suite of a model known by its name.

Knows: models, conversations, residuals after a layer, sae-lens's trainer. Does not know: edits, pages, queues. A
training that was stopped goes on and ends the same as one that was not.
Public: `command.train_for`, `pipeline.train_saes`, `estimate.probed`, `settings.TrainingSettings` (every choice).
"""
