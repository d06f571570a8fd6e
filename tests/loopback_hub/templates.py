"""Chat templates of the families, for turns of plain text.

Knows: what each family's published template makes of turns of text, to the letter; the tests hold the rendered text.
They are written anew from the published prompt formats (Gemma's formatting guide, Llama 3.1's model card) and leave out
what is never used here: tools, images, code interpreters. Does not know: tokens.
"""

from __future__ import annotations

_GEMMA_TURN = """\
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif -%}
{%- set speaker = 'model' if message['role'] == 'assistant' else message['role'] -%}
"""

# No system turn: refused.
GEMMA2 = (
    """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}
{%- for message in messages -%}
"""
    + _GEMMA_TURN
    + """\
{{ '<start_of_turn>' + speaker + '\n' + (message['content'] | trim) + '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}
"""
)

# A system turn is put before the first user's words. Contents may be lists of parts.
GEMMA3 = (
    """\
{{ bos_token }}
{%- set opening = namespace(text='') -%}
{%- set turns = messages -%}
{%- if messages[0]['role'] == 'system' -%}
{%- set system = messages[0]['content'] -%}
{%- set opening.text = (system if system is string else system[0]['text']) + '\n\n' -%}
{%- set turns = messages[1:] -%}
{%- endif -%}
{%- for message in turns -%}
"""
    + _GEMMA_TURN
    + """\
{{ '<start_of_turn>' + speaker + '\n' + (opening.text if loop.first else '') }}
{%- if message['content'] is string -%}{{ message['content'] | trim }}
{%- else -%}{%- for part in message['content'] -%}{{ part['text'] | trim }}{%- endfor -%}
{%- endif -%}
{{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}
"""
)

# Always a system block with two dates, the second an option (`date_string`), and in it the system turn's words.
LLAMA31 = """\
{{- bos_token }}
{%- set today = date_string if date_string is defined else '26 Jul 2024' %}
{%- set system, turns = '', messages %}
{%- if messages[0]['role'] == 'system' %}
{%- set system, turns = messages[0]['content'] | trim, messages[1:] %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}
{{- 'Cutting Knowledge Date: December 2023\nToday Date: ' + today + '\n\n' + system + '<|eot_id|>' }}
{%- for message in turns %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + (message['content'] | trim) + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
"""
