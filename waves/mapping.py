"""From a table as discovery saw it to its 1:1 copy in the lake, with every finding and its place in the wave file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cutwater.core.errors import BadInput
from cutwater.core.hashing import canonical_json
from inventory.lake_names import is_plain, lake_name
from inventory.model import Asset, ColumnMapping, FieldClass, TableMapping, parts_of
from inventory.type_map import lake_type
from waves.wave_file import FieldOverride, MappingOverride, WaveDocument
from waves.yaml_marks import Key


@dataclass
class Findings:
    """What has to be mended before there is a plan."""

    document: WaveDocument
    found: list[tuple[str, str, str]] = field(default_factory=list)  # (code, text with its place, remedy)
    targets: dict[str, str] = field(default_factory=dict)  # target -> the table that goes there

    def add(self, code: str, key: Key, text: str, remedy: str) -> None:
        self.found.append((code, f"{self.document.where(*key)} {text}", remedy))

    def unknown_asset(self, key: Key, name: str, close: Sequence[str]) -> None:
        hint = f"; nearest: {', '.join(close)}" if close else ""
        remedy = f"did you mean {close[0]}?" if close else "cutwater inventory discover, then list"
        self.add("CW3004", key, f"the inventory knows no asset {name}{hint}", remedy)

    def raise_any(self) -> None:
        """Raises BadInput with all findings, headed by the first."""
        if not self.found:
            return
        code, text, remedy = self.found[0]
        raise BadInput(
            code,
            text,
            cause="; ".join(item[1] for item in self.found[1:]),
            state="nothing was planned, nothing was created",
            next=remedy,
            details={"findings": [{"code": c, "text": t, "next": n} for c, t, n in self.found]},
        )


def table_mapping(asset: Asset, override: MappingOverride | None, findings: Findings) -> dict[str, Any]:
    """The TableMapping of a table as plain JSON values; what is wrong goes to `findings`."""
    schema, table = parts_of(asset.name)
    wished = override or MappingOverride()
    key = _key(asset, wished, findings)
    columns = _columns(asset, wished, key, findings)
    _check_identity(asset, key, findings)
    mapping = TableMapping(schema, table, _target(asset, wished, findings), key, columns)
    plain: dict[str, Any] = json.loads(canonical_json(asdict(mapping)))
    return plain


def _target(asset: Asset, wished: MappingOverride, findings: Findings) -> str:
    """What the file says; else the table's own name where it is plain and free in this wave; else one with its schema."""
    schema, table = parts_of(asset.name)
    short = f"legacy.{table}"
    if wished.target is None and is_plain(table) and short not in findings.targets:
        target = short
    else:
        target = wished.target or f"legacy.{lake_name(schema, table)}"
    other = findings.targets.setdefault(target, asset.id)
    if other != asset.id:
        findings.add(
            "CW3003",
            ("mappings", asset.id, "target"),
            f"{target} is the target of {other} as well as of {asset.id}",
            f"mappings: {asset.id}: target: legacy.{lake_name(schema, table)}",
        )
    return target


def _columns(
    asset: Asset, wished: MappingOverride, key: tuple[str, ...], findings: Findings
) -> tuple[ColumnMapping, ...]:
    """Generated columns are left out: they are in no stream before PostgreSQL 18, and follow from the others."""
    columns = []
    known = _list(asset.structure, "columns")
    names = {str(item["name"]) for item in known}
    for name in wished.fields:
        if name not in names:
            findings.add(
                "CW3003", ("mappings", asset.id, "fields", name), f"{asset.name} has no column {name}", "mend the name"
            )
    for item in known:
        name, said = str(item["name"]), wished.fields.get(str(item["name"]), FieldOverride())
        if item.get("generated") and name not in key:
            continue
        base = str(item.get("base") or item["type"])
        found = said.lake_type or lake_type(base, bool(item.get("enum")), grouped=name in key or not key)
        columns.append(
            ColumnMapping(
                name, str(item["type"]), found, bool(item.get("nullable", True)), said.field_class or FieldClass.EXACT
            )
        )
    return tuple(columns)


def _key(asset: Asset, wished: MappingOverride, findings: Findings) -> tuple[str, ...]:
    primary = tuple(map(str, _list(asset.structure, "primary_key")))
    if wished.key is None:
        return primary
    nullable = {str(item["name"]) for item in _list(asset.structure, "columns") if item.get("nullable", True)}
    unique = [set(primary)] if primary else []
    unique += [set(map(str, item)) for item in _list(asset.structure, "unique")]
    if set(wished.key) not in [item for item in unique if not item & nullable]:
        findings.add(
            "CW3006",
            ("mappings", asset.id, "key"),
            f"({', '.join(wished.key)}) is not unique in {asset.name} by any constraint without NULLs",
            f"name its primary key ({', '.join(primary)})"
            if primary
            else "leave `key` out: its rows are compared as a multiset",
        )
    return wished.key


def _check_identity(asset: Asset, key: tuple[str, ...], findings: Findings) -> None:
    identity = str(asset.structure.get("replica_identity", "default"))
    primary = bool(asset.structure.get("primary_key"))
    if identity in ("full", "index") or (identity == "default" and primary):
        return
    why = {
        "nothing": "REPLICA IDENTITY NOTHING",
        "mixed": "partitions with another replica identity than its own",
    }.get(identity, "no primary key and no replica identity")
    place = next((n for n, item in enumerate(findings.document.spec.assets) if item == asset.id), 0)
    table = ".".join('"' + part.replace('"', '""') + '"' for part in parts_of(asset.name))
    also = " and the same for each of its partitions" if asset.structure.get("relkind") == "partitioned" else ""
    findings.add(
        "CW3005",
        ("assets", place),
        f"{asset.name} has {why}: once published, its UPDATEs and DELETEs would fail on the legacy side",
        f"its owner runs: ALTER TABLE {table} REPLICA IDENTITY FULL;{also}",
    )


def _list(structure: Mapping[str, object], name: str) -> list[Mapping[str, Any]]:
    found = structure.get(name)
    return list(found) if isinstance(found, list | tuple) else []
