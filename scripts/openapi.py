"""Writes docs/openapi.json from the routes: `python -m scripts.openapi`. A test fails when the two differ.

Apps were built on what stands there, so it refuses to take a call or a field away, or to demand a new field, unless
it is told with --breaking.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from pipeline.setting_layers import PROJECT_ROOT
from pipeline.settings import Settings
from pipeline.web.app import create_app, open_context

PAGE = PROJECT_ROOT / "docs" / "openapi.json"


def broken(released: Mapping[str, Any], later: Mapping[str, Any]) -> list[str]:
    """What an app that was built on a released document would miss in a later one. Pure."""
    gone = [
        f"{method.upper()} {path}"
        for path, item in released["paths"].items()
        for method in item
        if method not in later["paths"].get(path, {})
    ]
    schemas = later["components"]["schemas"]
    for name, schema in sorted(released["components"]["schemas"].items()):
        if name not in schemas:
            gone.append(name)
            continue
        kept = schemas[name].get("properties", {})
        gone += [f"{name}.{field}" for field in schema.get("properties", {}) if field not in kept]
        if not name.endswith("Out"):
            demanded = set(schemas[name].get("required", ())) - set(schema.get("required", ()))
            gone += [f"{name}.{field} is required" for field in sorted(demanded)]
    return gone


def served() -> dict[str, Any]:
    """The document of an API that nobody has configured."""
    return create_app(open_context(Settings())).openapi()


def main() -> None:
    """Write the document, unless it would break somebody's app."""
    document = served()
    if PAGE.exists() and "--breaking" not in sys.argv and (gone := broken(json.loads(PAGE.read_text()), document)):
        sys.exit(f"This would break apps: {', '.join(gone)}. Keep them, or say --breaking.")
    PAGE.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
