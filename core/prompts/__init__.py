"""Prompts: from a person's text or conversation to token ids, and lists of prompts from files and public sets.

Knows: chat templates, prompt files, published sets. Does not know: models, edits, what is measured on a prompt.
Public: `conversation.Conversation`, `template.Prompt`, `template.make_prompt`, `files.read_prompts`,
`checks.check_prompts`, `checks.split`, `checked.check_list`, `public_sets.fetch_set`, `public_sets.load_set`,
`sources.SOURCES`, `categories.Labelled`, `categories.labelled`, `shipped.read_shipped`, `shipped.shipped_texts`,
`references.read_references`, `references.Reference`.
"""
