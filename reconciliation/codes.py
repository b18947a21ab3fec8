"""The stable codes of reconciliation: what each means and what to do. `cutwater explain CODE` prints them."""

from __future__ import annotations

CODES: dict[str, str] = {
    "CW4001": "A column's type has no canonical form in encoding v1, so the table cannot be compared. Map it to a type that "
    "docs/specs/canonical-encoding.md lists, or set its field class to `ignored`, which lowers the grade and is shown.",
    "CW4002": "A value does not fit the type that its mapping declares. Mend the mapping, or look at the row that is named.",
    "CW4003": "Both sides could not be brought to one stated point, so nothing was compared: no pin, no pass. "
    "See whether the wave's runner is alive (cutwater wave status) and run the reconciliation again.",
    "CW4004": "The source database did not answer, or the pinned snapshot is gone. The same command may be tried again.",
    "CW4005": "The lake's files could not be read at the pinned snapshot. The same command may be tried again.",
    "CW4006": "The source database's encoding is not UTF-8: the bytes of a text would differ on both sides. "
    "Read through a replica with a UTF-8 database.",
    "CW4007": "reconcile.yaml is not valid. The line that is named has to be mended.",
    "CW4008": "There is no plan of this wave, so there is nothing to reconcile. Plan it first: cutwater wave plan.",
    "CW4009": "No reconciliation run was found. Run one first: cutwater reconcile run WAVE.",
    "CW4010": "No break has this id. See cutwater reconcile breaks.",
    "CW4011": "A feed's source could not be listed (broker or folder). The feed counts as not checked: the run is INCONCLUSIVE.",
    "CW4012": "The run failed: open breaks stand. See cutwater reconcile breaks, mend the cause, run again.",
    "CW4017": "A run was to follow an earlier full run, and what it should stand on cannot be read or does not reach far enough. "
    "The engine compares everything instead, which takes longer; nothing has to be done.",
    "CW4013": "The run is inconclusive: something was not checked. The report names what, and why.",
    "CW4018": "The evidence file of a run was edited after it was recorded: its SHA-256 is not the journal's. No report is made "
    "from it. Restore the file from a backup, or run the reconciliation again.",
    "CW4030": "A side of a comparison is written as a URL: postgresql://user@host:port/db#schema.table, parquet:///path, csv:///path, "
    "duckdb:///file#table, iceberg://catalog/db.table[@snapshot]. Passwords stay in the environment.",
    "CW4031": "The database of one side did not answer, or refused. Nothing was compared; the command may be tried again.",
    "CW4032": "The table, view or file of one side does not exist, or is not what its URL says. Names are verbatim: mind the case.",
    "CW4033": "The data of one side could not be read to its end: what was not read counts as not checked.",
    "CW4034": "An option of the comparison names a column that no side has, or a rule that does not exist.",
}
