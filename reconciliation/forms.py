"""The form in which the values of two columns are compared: one that both types have without a loss, or none. Pure.

Numbers compare by value, instants by instant, texts by code points, json and nested values by value. What has no form is
said before anything is scanned.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciliation.types import Type, type_of

__all__ = ["Form", "Type", "common", "only_width", "type_of"]

SAFE_DIGITS = 38
_TEXTS = ("string", "char")
# A text of the other side is read as this: Cutwater's own type map carries such columns as text.
_CARRIED = ("uuid", "json", "interval", "printed", "timetz")
_LANES = ("json", "nested")
# What every store's json writes alike.
_IN_LISTS = {
    "int", "decimal", "number", "float", "double", "string", "uuid", "date", "timestamp", "timestamptz", "boolean",
    "binary", "json", "struct",
}  # fmt: skip


@dataclass(frozen=True)
class Form:
    """How two columns are compared. kind: a lake type of the canonical encoding, or a word of the adapters' tables (`number`:
    decimal text by value, `printed`: the type's own output, `json`, `nested`, ...). untyped: one side is text of a file, so
    both are written as canonical text.
    """

    kind: str
    precision: int = 0
    scale: int = 0
    untyped: bool = False

    @property
    def lane(self) -> str:
        """How Python reads what the side hands over, where SQL dialects cannot agree on bytes: `json`, `nested` or ''."""
        return self.kind if self.kind in _LANES else ""

    @property
    def lake_type(self) -> str:
        """The type that the canonical encoding sees."""
        if self.kind == "decimal" and not self.untyped:
            return f"decimal({self.precision},{self.scale})"
        return self.kind if self.kind in _ENCODED and not self.untyped else "string"

    @property
    def source_type(self) -> str:
        """The PostgreSQL type that goes with it."""
        return f"numeric({self.precision},{self.scale})" if self.lake_type.startswith("decimal") else "text"


_ENCODED = {"long", "float", "double", "string", "date", "timestamp", "timestamptz", "boolean", "binary"}


def common(source: Type, target: Type) -> Form | None:
    """The form of two types; None where there is none without a loss."""
    families = {source.family, target.family}
    if "csv" in families:
        return _in_a_file(source, target)
    if families <= {"int"}:
        return Form("long")
    if families <= {"int", "decimal"}:
        whole = max(19 if item.family == "int" else item.precision - item.scale for item in (source, target))
        scale = max(source.scale, target.scale)
        return Form("decimal", whole + scale, scale) if whole + scale <= SAFE_DIGITS else Form("number")
    if families <= {"int", "decimal", "number"}:
        return Form("number")
    if families <= {"float", "double"}:
        return Form("float" if families == {"float"} else "double")
    if families <= {"timestamp", "nanos"} and "nanos" in families:
        return Form("nanos")
    if families <= set(_TEXTS):
        return Form("char" if "char" in families else "string")
    if len(families) == 2 and families & set(_TEXTS):
        [other] = families - set(_TEXTS)
        return Form(other) if other in _CARRIED else None
    return _alike(source, target) if len(families) == 1 else None


def _alike(source: Type, target: Type) -> Form | None:
    """Two types of one family."""
    match source.family:
        case "other":
            return None
        case "printed":
            return Form("printed") if source.name == target.name else None
        case "list" if source.element is not None and target.element is not None:
            same = source.text == target.text and source.element.family != "other"  # written alike: of one product
            plain = {source.element.family, target.element.family} <= _IN_LISTS
            return Form("nested") if same or (plain and common(source.element, target.element) is not None) else None
        case "struct" | "map":
            return Form("nested")
        case family:
            return Form(family)


def _in_a_file(source: Type, target: Type) -> Form | None:
    """A CSV's text against what the other side has."""
    [other] = {source.family, target.family} - {"csv"} or {"string"}
    if other in ("other", "list", "struct", "map"):
        return None
    if other in ("int", "decimal", "number"):
        return Form("number", untyped=True)
    return Form("double" if other == "float" else other, untyped=True)


def only_width(source: Type, target: Type) -> bool:
    """Whether two types that are compared by value are written differently."""
    return source.text.lower() != target.text.lower() and "csv" not in (source.family, target.family)
