"""`python -m actors.script.schema`: the JSON Schema of scripts (docs/script.schema.json), for editors and programs.

It says what is written and how. What else must hold, as that no step dials, the check says.
"""

import json
import sys
from typing import Any

import msgspec

from actors.script.language import Script


def schema() -> dict[str, Any]:
    """It, as JSON."""
    made = msgspec.json.schema(Script)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A script of OTTB", **made}


def text() -> str:
    """It, as it stands in its file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
