"""Performance as ratios: each figure is measured beside its peer or the unhooked model, in one run."""
