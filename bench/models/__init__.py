"""The models that onnxcc is measured on: one function per model, by family.

A function decorated with `model("name")` is called as `function(small)` and
returns a `Built`: what to export and which inputs to record.  `small` asks for
a variant of the same structure that compiles and runs in a blink.
"""

from . import diffusion, light, others, recurrent, speech, text, vision  # noqa: F401 (they fill TABLE)
from .build import TABLE, Built, Entry  # noqa: F401
