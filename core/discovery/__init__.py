"""The paper's three-stage search (arXiv 2509.09708), one module a stage.

Knows the engine; does not know pages or the store.
"""
