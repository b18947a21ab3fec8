"""The cards of a cutover weekend and of its rollback. Order and rules: postgres.md, "Fence, drain, switch, rollback".

`{name}` is filled in from the plan. A card whose `when` is not met falls away, and its needs pass to its followers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class CardSpec:
    """when: facts that all must hold, one of `a|b` (tables, kafka, file, swift, api, feeds, fence, readers, store,
    takes_writes). measure: the journal's key that tells its duration. sees, undos: lines of a step's effects, taken as
    they are. estimate: seconds, where nothing was measured (0: none). role: of the plan, before the duty's."""

    id: str
    title: str
    duty: str
    do: str
    see: str
    if_not: str
    undo: str
    needs: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    measure: str = ""
    irreversible: bool = False
    commands: tuple[str, ...] = ()
    sees: tuple[str, ...] = ()
    undos: tuple[str, ...] = ()
    estimate: int = 0
    role: str = ""


CUTOVER = (
    CardSpec(
        "C01",
        "Announce the start",
        "communications",
        "Send this card's message (section 10). Open the bridge and call the roll: every duty answers by name.",
        "Every duty has answered; absent ones are replaced by their deputy.",
        "A duty without person and deputy: stop, the decider moves the window.",
        "Send it again as cancelled.",
    ),
    CardSpec(
        "C02",
        "Go or no-go: ask every gate",
        "decider",
        "Ask each gate anew, read the answers out, ask for strong objections, rule.",
        "Every gate says GO with evidence that is fresh.",
        "One NO-GO, or stale evidence: no-go. Nothing was switched; the dual run goes on.",
        "Nothing to undo.",
        ("C01",),
        commands=("cutwater wave status {wave}", "cutwater evidence verify"),
    ),
    CardSpec(
        "C03",
        "Note what is in flight",
        "operations",
        "List prepared transactions, half-written files, unacknowledged FIN messages, open batches. Note count and value by currency.",
        "The list is empty, or every entry has an owner and an end in sight.",
        "A prepared transaction without owner: stop; it would pass the fence later.",
        "Nothing to undo.",
        ("C02",),
        commands=("SELECT gid, prepared, owner, database FROM pg_prepared_xacts ORDER BY prepared;",),
    ),
    CardSpec(
        "C04",
        "Stop new writers at the route",
        "route",
        "Answer new requests with 503 and Retry-After. Hold outgoing files and messages at their source. Note the time: payments are held from now on.",
        "The access log shows 503 alone; nobody writes any more.",
        "A caller goes round the route: name it, stop it at its own side, else roll back.",
        "Let the route answer again (same epoch).",
        ("C03",),
        when=("fence",),
    ),
    CardSpec(
        "C05",
        "Fence the legacy tables",
        "database",
        "Install the fence trigger (INSERT, UPDATE, DELETE, TRUNCATE; ENABLE ALWAYS) on {tables} tables in the fixed order, take LOCK ... IN SHARE MODE under lock_timeout so that writers in flight end, end stragglers by pid after the grace.",
        "Every table carries the trigger; no writing transaction older than the fence is left.",
        "lock_timeout: release, wait with jitter, try again three times; then roll back (R08). Never hold locks while waiting for people.",
        "Drop the fence trigger on the tables (R08).",
        ("C04",),
        when=("fence", "tables"),
    ),
    CardSpec(
        "C06",
        "Prove the fence",
        "database",
        "Try one write as the tables' owner, and one as a superuser.",
        "Both are refused by the fence's own message.",
        "A write succeeds: it is no fence. Roll back (R08) and reconcile.",
        "Nothing to undo: both writes were refused.",
        ("C05",),
        when=("fence", "tables"),
    ),
    CardSpec(
        "C07",
        "Set the fence point: a marker in the stream",
        "database",
        "Emit the marker and write its LSN here: ______________________",
        "The marker's LSN is noted by two people.",
        "{behind}",
        "Nothing to undo.",
        ("C06",),
        when=("tables",),
        commands=("SELECT pg_logical_emit_message(true, 'cutwater', 'fence {wave}');",),
    ),
    CardSpec(
        "C08",
        "Drain the change stream",
        "engine",
        "Fold the change stream of {tables} tables up to the fence point.",
        "Own marker seen; the applied position equals the fence point for every table.",
        "Not there after three times p90: look at the slot's lag and the runner's log; then the decider rules (C13).",
        "Nothing to undo.",
        ("C07",),
        when=("tables",),
        measure="action:stream.fold",
        commands=("cutwater wave status {wave}",),
    ),
    CardSpec(
        "C09",
        "Drain the feeds",
        "operations",
        "Read {feeds} feeds to their end: outbox empty, topics to the last stable offset with no open transaction, no half file, no unacknowledged FIN message.",
        "Each feed says caught up; sequences have no gap.",
        "A gap: ask the sender for the missing number, quarantine nothing by hand; the decider rules (C13).",
        "Nothing to undo.",
        ("C04", "C07"),
        when=("feeds",),
        measure="feeds",
        commands=("cutwater wave status {wave}",),
    ),
    CardSpec(
        "C10",
        "Final reconciliation",
        "reconciliation",
        "Reconcile both sides at the fence point.",
        "PASS, 0 open breaks, nothing undeclared under not checked.",
        "FAIL: repair only what is explained, run again once; else roll back. INCONCLUSIVE counts as FAIL.",
        "Nothing to undo.",
        ("C08", "C09"),
        measure="reconcile",
        commands=("cutwater reconcile run {wave}", "cutwater reconcile breaks --wave {wave}"),
    ),
    CardSpec(
        "C11",
        "Prove the reverse sync",
        "engine",
        "Start the reverse sync and send a marker round: To-Be side to legacy side and back.",
        "The marker has come back; the legacy side took it from the reverse sync's session alone.",
        "No marker: there is no way back without loss. Do not switch; roll back.",
        "Stop the reverse sync.",
        ("C10",),
        when=("takes_writes",),
    ),
    CardSpec(
        "C12",
        "Raise the sequences",
        "database",
        "Set every sequence above the maximum of both sides plus the margin (reverse INSERTs never advance them).",
        "The next value is above both maxima for every sequence.",
        "Not above: set again. Two writers with one number is a doubled payment.",
        "None needed: gaps in sequences do no harm.",
        ("C10",),
        when=("store",),
    ),
    CardSpec(
        "C13",
        "Decide: switch, fix forward, or roll back",
        "decider",
        "Read out: time used, latest safe rollback start, irreversible effects so far. Three rulings: switch; fix forward within a time box; roll back. Sign.",
        "One ruling, by the named decider, with the time.",
        "Behind the latest safe rollback start: a rollback may end behind the opening. Only the decider rules on.",
        "Before C14 nothing is switched: lift the fence where there is one (R08), and the dual run goes on.",
        ("C10", "C11", "C12"),
    ),
    CardSpec(
        "C14",
        "Switch the route",
        "route",
        "Raise the epoch by one and point {moved} to the To-Be side. Both sides refuse the old epoch.",
        "Both sides report the new epoch; a request of the old one is refused.",
        "Sides disagree on the epoch: set the old route back (R07) and call the decider.",
        "The rollback of section 9.",
        ("C13",),
    ),
    CardSpec(
        "C15",
        "Smoke test, channel by channel",
        "operations",
        "Send one marked payment through each channel ({channels}) and look its status up on the To-Be side.",
        "Each has its status once, by UETR, within the service's time.",
        "Lost, doubled or late: roll back. No second try with a fresh payment before the first is explained.",
        "Cancel or return the marked payments.",
        ("C14",),
    ),
    CardSpec(
        "C16",
        "Lift the fence: the legacy writer goes on",
        "database",
        "Drop the fence trigger. Readers are on the To-Be side, the writer stays on the legacy one; the change stream goes on.",
        "The writer's next transaction succeeds and arrives in the stream.",
        "Refused still: look for a left-over trigger, table by table.",
        "Install the fence again (C05).",
        ("C15",),
        when=("fence", "readers"),
    ),
    CardSpec(
        "C16",
        "Let traffic in on the To-Be side",
        "route",
        "Open the route. The legacy side stays fenced for everybody but the reverse sync.",
        "Requests answer; the reverse sync's lag falls back to its usual value.",
        "5xx above 1% for 15 minutes: roll back.",
        "Close the route (C04), then the rollback of section 9.",
        ("C15",),
        when=("takes_writes",),
    ),
    CardSpec(
        "C17",
        "Release the held payments",
        "operations",
        "Release channel by channel, oldest first, against the held-payment ledger (section 11): idempotency keys decide, not memory.",
        "Released + returned = held, in count and value by currency; none twice.",
        "A difference: stop the release, reconcile, name each payment. What has settled is irreversible: correct it, do not roll it back.",
        "None: a settled payment is returned, never undone.",
        ("C16",),
        irreversible=True,
        when=("fence",),
    ),
    CardSpec(
        "C18",
        "Reconcile after the switch",
        "reconciliation",
        "Reconcile again over what has come in since the switch.",
        "PASS over a point behind C17.",
        "FAIL: the decider rules; before the latest safe rollback start: roll back.",
        "Nothing to undo.",
        ("C17",),
        measure="reconcile",
        commands=("cutwater reconcile run {wave}",),
    ),
    CardSpec(
        "C19",
        "Announce the end, begin hypercare",
        "communications",
        "Send this card's message (section 10). Name who watches tonight and when the first daily reconciliation is due.",
        "Hypercare's first watch has taken over by name.",
        "Nobody takes over: the bridge stays open.",
        "Nothing to undo.",
        ("C18",),
    ),
)

ROLLBACK = (
    CardSpec(
        "R01",
        "Rule the rollback",
        "decider",
        "Say it, sign it, note the time. From here no forward task is started.",
        "Time and name are written down.",
        "Behind the latest safe rollback start: fix forward within a time box, or move members to the contingency wave.",
        "None.",
    ),
    CardSpec(
        "R02",
        "Announce the rollback",
        "communications",
        "Send the rollback message with the time of the next one.",
        "Every duty has answered.",
        "No answer: deputy.",
        "None.",
        ("R01",),
    ),
    CardSpec(
        "R03",
        "Fence the To-Be side",
        "route",
        "Answer with 503 and Retry-After; stop the To-Be intake behind the route. Hold files and messages at their source.",
        "No new event is accepted on the To-Be side.",
        "A feed still arrives: stop its tap by name.",
        "Open the To-Be side again.",
        ("R01",),
        when=("takes_writes",),
    ),
    CardSpec(
        "R04",
        "Drain the reverse stream",
        "engine",
        "Apply everything the To-Be side took since the switch to the legacy side, up to an own marker.",
        "The marker is seen on the legacy side.",
        "Not there: keep both sides fenced; the ledger of held payments names what is missing.",
        "None.",
        ("R03",),
        when=("takes_writes",),
    ),
    CardSpec(
        "R05",
        "Reconcile before the way back",
        "reconciliation",
        "Reconcile both sides at the marker.",
        "PASS: the legacy side holds what the To-Be side took.",
        "FAIL: list the payments; settled ones are corrected on the legacy side, never sent again.",
        "None.",
        ("R03", "R04"),
        measure="reconcile",
        commands=("cutwater reconcile run {wave}",),
        when=("takes_writes",),
    ),
    CardSpec(
        "R06",
        "Raise the legacy sequences",
        "database",
        "Set every legacy sequence above both maxima plus the margin.",
        "The next value is above both maxima.",
        "Set again.",
        "None needed.",
        ("R05",),
        when=("store",),
    ),
    CardSpec(
        "R07",
        "Point the route back",
        "route",
        "Raise the epoch by one and point {moved} to the legacy side. Never reuse the old epoch.",
        "Both sides report the new epoch.",
        "Sides disagree: stop, both stay fenced.",
        "None.",
        ("R05", "R06"),
    ),
    CardSpec(
        "R08",
        "Lift the legacy fence",
        "database",
        "Drop the fence trigger on {tables} tables. List what is left of it: nothing.",
        "The owner's test write succeeds and is rolled back.",
        "Refused still: look for a left-over trigger, table by table.",
        "Install the fence again (C05).",
        ("R07",),
        when=("fence", "tables"),
    ),
    CardSpec(
        "R09",
        "Smoke test on the legacy side",
        "operations",
        "Send one marked payment through each channel ({channels}) and look its status up.",
        "Each has its status once.",
        "Lost or doubled: close the route, call the decider.",
        "Cancel or return the marked payments.",
        ("R07", "R08"),
    ),
    CardSpec(
        "R10",
        "Release the held payments on the legacy side",
        "operations",
        "Release against the held-payment ledger, oldest first.",
        "Released + returned = held, in count and value by currency; none twice.",
        "A difference: stop the release, name each payment.",
        "None: a settled payment is returned, never undone.",
        ("R09",),
        irreversible=True,
        when=("fence",),
    ),
    CardSpec(
        "R11",
        "Announce: back on the legacy side",
        "communications",
        "Send the closing message (section 10). The streams stay alive: the wave is in DUAL_RUN again and can be cut over again.",
        "The wave reports DUAL_RUN.",
        "Streams dead: cutwater wave resume {wave}.",
        "None.",
        ("R10",),
        commands=("cutwater wave status {wave}",),
    ),
)


def chosen(cards: Iterable[CardSpec], facts: frozenset[str], values: Mapping[str, str]) -> list[CardSpec]:
    """The cards that apply, texts filled in; needs of a card that falls away pass to its followers."""
    given = list(cards)
    kept = [card for card in given if all(facts & set(term.split("|")) for term in card.when)]
    names = {card.id for card in kept}
    needs = {card.id: card.needs for card in reversed(given)}

    def real(card_id: str) -> list[str]:
        return [card_id] if card_id in names else [up for need in needs[card_id] for up in real(need)]

    filled = []
    for card in kept:
        links = tuple(dict.fromkeys(up for need in card.needs for up in real(need)))
        texts = {name: getattr(card, name).format_map(values) for name in ("title", "do", "see", "if_not", "undo")}
        commands = tuple(text.format_map(values) for text in card.commands)
        filled.append(replace(card, needs=links, commands=commands, **texts))
    return filled
