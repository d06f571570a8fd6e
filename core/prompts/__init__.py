"""Prompts: what a person typed as token ids with named spans, and lists of prompts from files and public sets.

Knows: chat templates, conversations, file formats, checks and splits. Does not know: models, SAEs, edits.
Public: `template.make_prompt`, `template.Prompt`, `conversation.Conversation`, `files.read_prompts`, `checks.check`,
`checks.split`, `public_sets.load`, `sources.SOURCES`, `shipped.read_bundled`.
"""
