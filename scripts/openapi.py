"""Writes docs/openapi.json from the routes: `python -m scripts.openapi`. A test fails when the two differ."""

import json

from pipeline.settings import PROJECT_ROOT, Settings
from pipeline.web.app import create_app, open_context

PAGE = PROJECT_ROOT / "docs" / "openapi.json"


def document() -> str:
    """The document of an API that nobody has configured."""
    app = create_app(open_context(Settings(_env_file=None)))
    return json.dumps(app.openapi(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    PAGE.write_text(document(), encoding="utf-8")
