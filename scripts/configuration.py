"""Writes docs/configuration.md and .env.example from the settings, so that neither can be wrong about them."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from pipeline.setting_layers import PROJECT_ROOT
from pipeline.settings import SECRETS, Settings

GROUPS = {
    "Where things are": ("data_dir", "database_url", "redis_url", "broker_url", "redis_tls_insecure"),
    "What people see": ("display_timezone", "log_level", "log_format"),
    "Telling the operators": tuple(n for n in Settings.model_fields if n.startswith(("alert_", "sentry_"))),
    "Crawling": tuple(name for name in Settings.model_fields if name.startswith(("crawl_", "site_"))),
    "Push": tuple(name for name in Settings.model_fields if name.startswith(("fcm_", "apns_", "push_"))),
}


def groups() -> dict[str, tuple[str, ...]]:
    """The settings by topic; those that no topic claims come last."""
    claimed = {name for names in GROUPS.values() for name in names}
    rest = tuple(name for name in Settings.model_fields if name not in claimed)
    return {**GROUPS, "Rhythm, sizes and limits": rest}


def markdown() -> str:
    """The page of all settings."""
    secrets = ", ".join(f"`{name.upper()}`" for name in Settings.model_fields if name in SECRETS)
    lines = [
        "# Configuration",
        "",
        "Every setting is an environment variable. It may stand in a file too: in `.env` in the project's folder, or",
        "in the one that `ENV_FILE` names; of a package that pip installed, in `.env` in the user's data folder, which",
        "`crawlpush config show` names as `DATA_DIR`. The environment goes first. A wrong value stops the start with",
        "the variable's name, what it was, and what is allowed. In the file, a name that is nearly one of these is",
        "told at each start.",
        "",
        "The value of a secret may stand in a file of its own, as Docker and Kubernetes hand them out: NAME_FILE names",
        f"it, for {secrets}. `crawlpush config show`",
        "tells what is in force, and where each value was set; it shows no password.",
        "",
        "This page is made by `python -m scripts.configuration`.",
    ]
    for title, names in groups().items():
        lines += ["", f"## {title}", "", "| variable | default | allowed | meaning |", "| --- | --- | --- | --- |"]
        for name in names:
            field = Settings.model_fields[name]
            lines.append(f"| `{name.upper()}` | {_default(name, field)} | {_allowed(field)} | {field.description} |")
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """A `.env` in which every setting is commented out."""
    lines = ["# Copy this to .env and set what you need. docs/configuration.md explains each setting."]
    for title, names in groups().items():
        lines += ["", f"# {title}"]
        lines += [f"#{name.upper()}={_plain_default(Settings.model_fields[name])}" for name in names]
    return "\n".join(lines) + "\n"


def _default(name: str, field: FieldInfo) -> str:
    text = "data" if name == "data_dir" else _plain_default(field)
    return f"`{text}`" if text else "none"


def _plain_default(field: FieldInfo) -> str:
    match field.default:
        case None:
            return ""
        case bool():
            return str(field.default).lower()
        case Path():
            return field.default.name
        case float():
            return f"{field.default:g}"
        case _:
            return str(field.default)


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    bounds: dict[str, Any] = {}
    for constraint in field.metadata:
        for bound in ("ge", "gt", "le", "lt"):
            if hasattr(constraint, bound):
                bounds[bound] = getattr(constraint, bound)
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    said = ", ".join(f"{words[bound]} {value:g}" for bound, value in bounds.items())
    return said or ("true, false" if field.annotation is bool else "")


def files() -> dict[Path, str]:
    """What stands where."""
    return {
        PROJECT_ROOT / "docs" / "configuration.md": markdown(),
        PROJECT_ROOT / ".env.example": env_example(),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
