"""What features are about: categories they answer to, their part in a refusal, what labels say and are worth.

Knows: activity on labelled prompts, labels as text, measured effects. Does not know: pages, stores, making labels.
Public: `firing.read_firing`, `categories.categorise`, `counts.counts`, `roles.role_of`, `roles.read_effects`,
`words.frequent_words`, `groups.group_labels`, `label_score.score_labels`, `about.read_about`, `tables.about_tables`,
`lists.write_list`, `lists.read_list`.
"""
