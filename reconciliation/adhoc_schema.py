"""Columns, forms, rules and key of an ad hoc comparison: all that is decided before anything is scanned. Pure."""

from __future__ import annotations

from cutwater.core.errors import BadInput
from inventory.model import ColumnMapping, FieldClass, TableMapping
from reconciliation.adhoc_found import Asked, Found
from reconciliation.adhoc_ports import LocatedSide
from reconciliation.equality import Equality, unfit
from reconciliation.forms import Form, common, only_width, type_of
from reconciliation.rules import EXACT, Rule, grade

_CLASS = {
    "normalised": FieldClass.NORMALISED,
    "truncated": FieldClass.TRUNCATION_EQUAL,
    "tolerance": FieldClass.TOLERANCE,
    "derived": FieldClass.DERIVED,
    "enriched": FieldClass.ENRICHMENT_ONLY,
}


def mapping_for(
    source: LocatedSide, target: LocatedSide, asked: Asked, found: Found
) -> tuple[TableMapping, Equality] | None:
    """What is compared, and what is equal; None where rows cannot be compared (`found` says why). Sets the sides' forms."""
    derived = {name: rule.expression for name, rule in asked.rules.items() if rule.kind == "derived"}
    for name, expression in derived.items():
        source.types[name] = source.described(expression)
    source.derived = derived
    wanted = asked.columns or tuple(source.types)
    _known(source, target, asked)
    found.grade = grade(dict(asked.rules))
    missing = [name for name in (*wanted, *asked.key) if name not in target.types or name not in source.types]
    missing = [name for name in missing if asked.rules.get(name, EXACT).kind != "ignored"]
    found.fails += [
        f"the {'target' if name in source.types else 'source'} has no column {name}" for name in dict.fromkeys(missing)
    ]
    extra = [name for name in target.types if name not in source.types and not asked.columns]
    found.notes += [f"the target's column {name} is not in the source: it was not compared" for name in extra]
    if missing:
        return None
    known = source.key if source.key and source.key == target.key and set(source.key) <= set(wanted) else ()
    found.key = asked.key or known
    forms = _forms(source, target, (*found.key, *wanted), asked, found)
    found.reasons += unfit(forms, asked.rules, found.key)
    if found.reasons or not forms:
        found.reasons += [] if forms else ["no column is left to compare"]
        return None
    source.forms = target.forms = forms
    equality = Equality(forms, {name: rule for name, rule in asked.rules.items() if name in forms})
    columns = tuple(_column(name, form, asked.rules.get(name, EXACT)) for name, form in forms.items())
    return TableMapping("adhoc", "source", "adhoc.target", found.key, columns), equality


def _known(source: LocatedSide, target: LocatedSide, asked: Asked) -> None:
    for name in (*asked.key, *asked.columns, *asked.rules):
        if name not in source.types and name not in target.types:
            raise BadInput(
                "CW4034",
                f"no side has a column {name}",
                cause=f"they have {', '.join(source.types)}",
                next="names are verbatim: mind the case",
            )


def _forms(
    source: LocatedSide, target: LocatedSide, names: tuple[str, ...], asked: Asked, found: Found
) -> dict[str, Form]:
    forms: dict[str, Form] = {}
    for name in dict.fromkeys(names):
        rule = asked.rules.get(name, EXACT)
        if rule.kind == "ignored" and name not in found.key:
            continue
        left, right = type_of(source.types[name]), type_of(target.types[name])
        form = Form("string") if rule.kind == "normalised" else common(left, right)
        if form is None:
            found.reasons.append(f"{name}: {left.text} and {right.text} have no common form without a loss")
            continue
        if only_width(left, right):
            found.notes.append(f"{name}: {left.text} and {right.text}, compared by value")
        forms[name] = form
    return forms


def _column(name: str, form: Form, rule: Rule) -> ColumnMapping:
    # No difference is planted where equal texts are not the rule: it might be none.
    cls = _CLASS.get(rule.kind, FieldClass.NORMALISED if form.lane else FieldClass.EXACT)
    return ColumnMapping(name, form.source_type, form.lake_type, True, cls)
