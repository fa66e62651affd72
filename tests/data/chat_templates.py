"""Small chat templates, each with the shape of a family: what it writes around a turn and does to it."""

from __future__ import annotations

CHATML = """{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}
{{- '<|im_start|>system\\nBe kind.<|im_end|>\\n' -}}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""

LLAMA3 = """{{- bos_token -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}"""

MISTRAL = """{{- bos_token -}}
{%- set start = 0 -%}
{%- if messages[0]['role'] == 'system' -%}{%- set start = 1 -%}{%- endif -%}
{%- for message in messages[start:] -%}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('After the optional system message, roles must alternate') -}}
{%- endif -%}
{%- if message['role'] == 'user' -%}
{%- if start and loop.last -%}
{{- '[INST] ' + messages[0]['content'] + '\\n\\n' + message['content'] + '[/INST]' -}}
{%- elif start and loop.revindex == 2 -%}
{{- '[INST] ' + messages[0]['content'] + '\\n\\n' + message['content'] + '[/INST]' -}}
{%- else -%}
{{- '[INST] ' + message['content'] + '[/INST]' -}}
{%- endif -%}
{%- else -%}
{{- ' ' + message['content'] + eos_token -}}
{%- endif -%}
{%- endfor -%}"""

GEMMA = """{{- bos_token -}}
{%- if messages[0]['role'] == 'system' -%}{{- raise_exception('System role not supported') -}}{%- endif -%}
{%- for message in messages -%}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
{{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}"""

STRIPS_EARLIER_THINKING = """{%- set ns = namespace(last_user=-1) -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{%- set ns.last_user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}
{%- set content = message['content'] -%}
{%- set thinking = '' -%}
{%- if message['reasoning_content'] is string -%}
{%- set thinking = message['reasoning_content'] -%}
{%- elif '</think>' in content -%}
{%- set thinking = content.split('</think>')[0].split('<think>')[-1].strip('\\n') -%}
{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if loop.index0 > ns.last_user -%}
{{- '<think>\\n' + thinking.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') -}}
{%- else -%}
{{- content -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- else -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""

LLAMA2 = """{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{{- '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' -}}
{%- elif message['role'] == 'user' -%}
{{- bos_token + '[INST] ' + message['content'].strip() + ' [/INST]' -}}
{%- else -%}
{{- ' ' + message['content'].strip() + ' ' + eos_token -}}
{%- endif -%}
{%- endfor -%}"""

ZEPHYR = """{%- for message in messages -%}
{{- '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' -}}
{%- endfor -%}"""

ENDS_WITH_EOS = """{%- for message in messages -%}
{{- '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' -}}
{%- endfor -%}
{{- '<|assistant|>\\n' if add_generation_prompt else eos_token -}}"""

WITHOUT_STOP = """{%- for message in messages -%}
{{- '<|' + message['role'] + '|>\\n' + message['content'] -}}
{%- endfor -%}"""

STOP_IN_PLAIN_TEXT = """{%- for message in messages -%}
{{- '### ' + message['role'] + ':\\n' + message['content'] + '\\n### End\\n' -}}
{%- endfor -%}"""

STRIPS_ALL_THINKING = """{%- for message in messages -%}
{%- set content = message['content'] -%}
{%- if message['role'] == 'assistant' and '</think>' in content -%}
{%- set content = content.split('</think>')[-1] -%}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' + content + '<|im_end|>\\n' -}}
{%- endfor -%}"""

TWICE = """{%- for message in messages -%}{{- message['content'] + '|' + message['content'] + '\\n' -}}{%- endfor -%}"""

ENDLESS = "{%- for a in range(100000) -%}{%- for b in range(100000) -%}{{- '' -}}{%- endfor -%}{%- endfor -%}"

READS_ATTRIBUTES = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
