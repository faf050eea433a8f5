"""Make what follows from other files in the chart.

values.schema.json and the README's tables from values.yaml; the `settings:` block at the end of
values.yaml from the code's settings; files/postgres.yaml from the SQL of the roles.

With --check, print what is stale and exit 1.

Comments above a key are its documentation; lines with `@` describe its type where the default value
doesn't:

    @enum a|b                     one of these
    @min 1, @above 0, @max 9      bounds of a number
    @pattern ^x$                  a string's shape
    @items {json}                 schema of a list's entries
    @map                          any keys, plain values (passed on)
    @object                       any keys (passed on to Kubernetes)
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chart_settings
import yaml

from mlplatform.database import queries

CHART = Path(__file__).parents[1] / "charts" / "mlplatform"
BEGIN, END = "<!-- begin values, made by `make chart-docs` -->\n", "<!-- end values -->\n"
RENAMED = {"networkPolicy": {"apiServerCIDR": "apiServer", "externalCIDR": "external"}}
"""Former keys, by block: the schema accepts them, so that templates/refusals.yaml can name the new
ones."""
NUMBER = {"min": "minimum", "above": "exclusiveMinimum", "max": "maximum"}


@dataclass
class Key:
    """One key of values.yaml: its path, default, documentation and children."""

    path: tuple[str, ...]
    default: Any
    text: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    children: list[Key] = field(default_factory=list)

    @property
    def free(self) -> bool:
        """Whether users choose the keys below."""
        return "map" in self.notes or "object" in self.notes


def read_values(text: str) -> Key:
    """The tree of values.yaml, with the comments above each key."""
    node = yaml.compose(text)
    return _key((), node, text.splitlines(), yaml.safe_load(text))


def schema(key: Key) -> dict[str, Any]:
    """JSON schema of a key. Objects refuse unknown keys, unless they are passed on."""
    made: dict[str, Any] = {"description": key.text} if key.text else {}
    if "map" in key.notes:
        return made | {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
    if "object" in key.notes:
        return made | {"type": "object"}
    if key.children:
        properties = {child.path[-1]: schema(child) for child in key.children}
        return made | {"type": "object", "additionalProperties": False, "properties": properties}
    if "enum" in key.notes:
        kind = type(key.default)
        return made | {"enum": [kind(value) for value in key.notes["enum"].split("|")]}
    return made | _plain(key)


def _plain(key: Key) -> dict[str, Any]:
    value, notes = key.default, key.notes
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int | float):
        bounds = {NUMBER[name]: json.loads(notes[name]) for name in NUMBER if name in notes}
        return {"type": "integer" if isinstance(value, int) else "number", **bounds}
    if isinstance(value, list):
        return {"type": "array", "items": json.loads(notes["items"])}
    if isinstance(value, str):
        return {"type": "string"} | ({"pattern": notes["pattern"]} if "pattern" in notes else {})
    raise TypeError(f"values.yaml: {'.'.join(key.path)}: say @map, @object or give it a default")


def tables(root: Key) -> str:
    """One table per top-level key; plain top-level keys share the first."""
    parts = [_table("General", [key for key in root.children if not key.children])]
    parts += [
        _table(f"`{group.path[0]}`", _leaves(group), group.text)
        for group in root.children
        if group.children
    ]
    return "\n".join(parts)


def postgres_files() -> str:
    """Statements for a new database cluster, one list per step: the operator runs them one by one.

    It hands them over as arguments of a container, where Kubernetes takes `$$` for an escaped `$`:
    the quotes get a name.
    """
    found = queries.load("roles")
    steps = {
        name: [text.replace("$$", "$body$") for text in statements(found[name])]
        for name in ("roles", "login_trigger")
    }
    return (
        "# Made by `make chart-docs` from database/sql/roles.sql; edit there.\n"
        + yaml.safe_dump(steps, sort_keys=False, width=140)
    )


def external_postgres() -> str:
    """The same for servers that somebody else runs, as one script for psql."""
    found = queries.load("roles")
    databases = {"raw": "owner", "warehouse": "owner", "mlflow": "mlflow"}
    parts = [
        (
            "-- Roles and databases on your own PostgreSQL 17+, for `psql -f` as superuser.\n"
            "-- Made by `make chart-docs` from database/sql/roles.sql.\n"
            "-- Afterwards give each role a password (\\password mlplatform_consumer …);\n"
            "-- schemas and rights are made by the first start.\n\n"
        ),
        found["roles"],
    ]
    for name, owner in databases.items():
        parts.append(
            f"\n\nCREATE DATABASE {name} OWNER mlplatform_{owner};\n"
            f"\\connect {name}\n{found['login_trigger']}"
        )
    return "".join(parts) + "\n"


def statements(script: str) -> list[str]:
    """The statements of a script; a semicolon inside $$ … $$ ends none."""
    parts, current, quoted = [], "", False
    for piece in re.split(r"(\$\$|;)", script):
        quoted ^= piece == "$$"
        if piece == ";" and not quoted:
            parts.append(current.strip())
            current = ""
        else:
            current += piece
    return [part for part in [*parts, current.strip()] if part]


def readme(text: str, root: Key) -> str:
    """The README with fresh tables between its markers."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables(root) + END + rest.split(END)[1]


def main() -> int:
    """Write or compare the files."""
    values = (
        (CHART / "values.yaml").read_text().split("\nsettings:\n")[0]
        + "\n"
        + chart_settings.block()
    )
    root = read_values(values)
    top = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of mlplatform",
    } | schema(root)
    top["properties"]["global"] = {
        "type": "object",
        "description": "Helm's own, for parent charts; unused.",
    }
    for block, keys in RENAMED.items():
        top["properties"][block]["properties"] |= {
            old: {"description": f"Now {block}.{new}."} for old, new in keys.items()
        }
    made = {
        CHART / "values.yaml": values,
        CHART / "values.schema.json": json.dumps(top, indent=1, ensure_ascii=False) + "\n",
        CHART / "README.md": readme((CHART / "README.md").read_text(), root),
        CHART / "files" / "postgres.yaml": postgres_files(),
        CHART.parents[1] / "k8s" / "examples" / "external-postgres.sql": external_postgres(),
    }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(CHART.parents[1])} is stale: run `make chart-docs`")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])
    return 0


def _key(path: tuple[str, ...], node: yaml.Node, lines: list[str], default: Any) -> Key:
    key = Key(path, default)
    if not isinstance(node, yaml.MappingNode):
        return key
    for name, value in node.value:
        child = _key((*path, name.value), value, lines, default[name.value])
        child.text, child.notes = _comment(lines, name.start_mark.line)
        if child.free:
            child.children = []
        key.children.append(child)
    return key


def _comment(lines: list[str], line: int) -> tuple[str, dict[str, str]]:
    above: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].lstrip().removeprefix("#").strip())
    notes = {
        name: rest
        for name, _, rest in (text[1:].partition(" ") for text in above if text.startswith("@"))
    }
    return " ".join(text for text in above if not text.startswith("@")), notes


def _leaves(key: Key) -> list[Key]:
    return [
        leaf for child in key.children for leaf in (_leaves(child) if child.children else [child])
    ]


def _table(title: str, keys: list[Key], text: str = "") -> str:
    rows = "".join(
        f"| `{'.'.join(key.path)}` | {_cell(key)} | {_shown(key.default)} |\n" for key in keys
    )
    return (
        f"### {title}\n\n"
        + (f"{text}\n\n" if text else "")
        + f"| key | meaning | default |\n|---|---|---|\n{rows}"
    )


def _cell(key: Key) -> str:
    choice = (
        f" One of: {', '.join(f'`{value}`' for value in key.notes['enum'].split('|') if value)}."
        if "enum" in key.notes
        else ""
    )
    return (key.text + choice).replace("|", "\\|").strip() or "–"


def _shown(default: Any) -> str:
    return (
        "empty"
        if default in ("", [], {})
        else f"`{json.dumps(default, ensure_ascii=False)}`".replace("|", "\\|")
    )


if __name__ == "__main__":
    sys.exit(main())
