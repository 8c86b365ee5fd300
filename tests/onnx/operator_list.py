#!/usr/bin/env python3
"""The list of ai.onnx's operators (operators.txt), as the installed onnx package has it.

    operator_list.py             fails where the file says something else
    operator_list.py --update    writes it"""

import pathlib
import sys

import onnx

FILE = pathlib.Path(__file__).parent / "operators.txt"
versions = {}
for schema in onnx.defs.get_all_schemas_with_history():
    if schema.domain == "" and not schema.deprecated:
        versions.setdefault(schema.name, set()).add(schema.since_version)
text = "# The operators of ai.onnx, and the operator sets that introduced or changed each (onnx.defs).\n"
text += "".join(" ".join(map(str, [name, *sorted(versions[name])])) + "\n" for name in sorted(versions))
if "--update" in sys.argv:
    FILE.write_text(text)
elif FILE.read_text() != text:
    sys.exit("tests/onnx/operators.txt is not what onnx " + onnx.__version__ + " has: operator_list.py --update writes it")
