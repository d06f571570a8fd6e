"""Prompts: from a person's text or conversation to token ids, and lists of prompts from files and public sets.

Knows: chat templates, prompt files, published sets. Does not know: models, edits, what is measured on a prompt.
Public: conversation (Conversation, Turn), template (Prompt, make_prompt, read_template), files (read_prompts,
write_prompts), checks (check_prompts, split, prompts_digest), public_sets (find_set, fetch_set, load_set) with sources
(SOURCES), shipped (read_shipped, shipped_texts, held_out).
"""
