"""Files from a model hub: listed, fetched into the user's own hub cache, resumed, checked.

Knows: HTTP through huggingface_hub, its cache, and what can go wrong between. Does not know: what a file means;
models, SAEs and prompts are read elsewhere. Nothing is unpickled.
Public: `fetch.fetch`, `listing.Wanted`, `listing.look`, `errors.trouble`.
"""
