"""Small chat templates that write tool calls and thoughts, each in the way of a family."""

from __future__ import annotations

_TURN = "{{- '<|im_start|>' + message.role + '\\n' -}}"

# Arguments as an object, which the template writes as JSON; earlier thoughts are dropped.
OBJECTS = (
    """{%- if tools -%}{{- '<|im_start|>system\\n' + tools | tojson + '<|im_end|>\\n' -}}{%- endif -%}
{%- set ns = namespace(last=-1) -%}
{%- for message in messages -%}{%- if message.role == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}"""
    + _TURN
    + """{%- if message.reasoning_content and loop.index0 > ns.last -%}
{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' -}}{%- endif -%}
{{- message.content -}}
{%- for call in message.tool_calls or [] -%}
{{- '<tool_call>{"name": "' + call.function.name -}}
{{- '", "arguments": ' + call.function.arguments | tojson + '}</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
)

# Arguments as text, which the template writes as it is; an object fails.
TEXTS = (
    "{%- for message in messages -%}"
    + _TURN
    + """{{- message.content -}}
{%- for call in message.tool_calls or [] -%}
{{- '<call>' + call.function.name + '\\n' + call.function.arguments + '</call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}"""
)

# Ids of nine characters only, and calls in place of words.
SHORT_IDS = """{{- bos_token -}}{%- for message in messages -%}
{%- if message.role == 'user' -%}{{- '[INST] ' + message.content + ' [/INST]' -}}
{%- elif message.tool_calls -%}
{{- '[TOOL_CALLS] ' -}}
{%- for call in message.tool_calls -%}
{%- if call.id | length != 9 -%}{{- raise_exception('Ids must have nine characters') -}}{%- endif -%}
{{- {'name': call.function.name, 'arguments': call.function.arguments, 'id': call.id} | tojson -}}
{%- endfor -%}
{{- eos_token -}}
{%- elif message.role == 'tool' -%}
{%- if message.tool_call_id | length != 9 -%}{{- raise_exception('Ids must have nine characters') -}}{%- endif -%}
{{- '[RESULT] ' + message.content + ' ' + message.tool_call_id + ' [/RESULT]' -}}
{%- else -%}{{- ' ' + message.content + eos_token -}}
{%- endif -%}
{%- endfor -%}"""

# Thoughts under a name of their own, in a channel; the model writes the channel's name itself.
CHANNELS = """{%- for message in messages -%}
{%- if message.role == 'assistant' -%}
{%- if message.thinking and loop.last -%}
{{- '<|start|>assistant<|channel|>aside<|message|>' + message.thinking + '<|end|>' -}}
{%- endif -%}
{{- '<|start|>assistant<|channel|>main<|message|>' + message.content + ('<|return|>' if loop.last else '<|end|>') -}}
{%- else -%}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start|>assistant' -}}{%- endif -%}"""

# Words after the result of a call that came before them.
SPLIT = """{%- for message in messages -%}
{%- if message.role == 'user' -%}{{- '<|user|>' + message.content + '<|end|>' -}}
{%- elif message.tool_calls -%}
{%- for call in message.tool_calls -%}{{- '<|assistant|>' + call.function.arguments | tojson -}}{%- endfor -%}
{%- if not loop.last -%}{{- '<|result|>' + messages[loop.index0 + 1].content -}}{%- endif -%}
{{- message.content + '<|end|>' -}}
{%- elif message.role == 'assistant' -%}{{- '<|assistant|>' + message.content + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}"""

# Content in parts, as for models that see pictures.
PARTS = (
    "{%- for message in messages -%}"
    + _TURN
    + "{%- for part in message.content -%}{%- if part.type == 'text' -%}{{- part.text -}}{%- endif -%}{%- endfor -%}"
    "{{- '<|im_end|>\\n' -}}{%- endfor -%}"
)

DATED = (
    "{%- macro head() -%}{{- 'Today is ' + strftime_now('%d %b %Y') -}}{%- endmacro -%}"
    "{{- '<|im_start|>system\\n' + head() + '<|im_end|>\\n' -}}{%- for message in messages -%}" + _TURN
    + "{{- message.content + '<|im_end|>\\n' -}}{%- endfor -%}"
)  # fmt: skip

CONTROL = (
    "<|im_start|>", "<|im_end|>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|user|>",
    "<|assistant|>", "<|result|>",
)  # fmt: skip
