"""The smoke tests and probes that a plan names, read when it is planned: a file that is missing is no matter for the night."""

from __future__ import annotations

from dataclasses import replace

from adapters.http_api.smoke import load_calls
from adapters.probe.message_file import MarkedFile, load_probe
from cutwater.core.config import Project
from cutwater.core.errors import BadInput
from cutwater.core.hashing import sha256_file
from waves.plan import Plan

RULES = "reconcile.yaml"


def check_files(project: Project, plan: Plan) -> None:
    """Raises BadInput for a file that is missing or cannot be read (CW3046, CW3066), and for a probe whose stream is no
    feed of the wave (CW3066): nothing would carry it into the lake, and the cutover would wait for it in vain."""
    folder = project.files_dir / "smoke"
    for step in plan.steps:
        channels = [str(channel) for channel in step.params.get("channels", ())]
        if step.kind == "smoke":
            for channel in channels:
                load_calls(folder / f"{channel}.yaml")
        elif step.kind == "probe":
            for channel in channels:
                probe = load_probe(folder / f"{channel}.yaml")
                stream = probe.stream if isinstance(probe, MarkedFile) else f"kafka:{probe.topic}"
                _in_wave(plan, channel, stream)


def frozen(project: Project, plan: Plan) -> Plan:
    """The plan with what its steps read beside it, by hash: smoke tests, probes, and the rules of the comparison. Who approves
    it approves these."""
    kinds = ("smoke", "probe")
    channels = [str(name) for step in plan.steps if step.kind in kinds for name in step.params.get("channels", ())]
    names = [RULES, *(f"smoke/{name}.yaml" for name in channels)]
    paths = {name: project.files_dir / name for name in names}
    return replace(plan, files={name: sha256_file(path) for name, path in sorted(paths.items()) if path.is_file()})


def _in_wave(plan: Plan, channel: str, stream: str) -> None:
    if stream in plan.assets:
        return
    raise BadInput(
        "CW3066",
        f"the probe of {channel} goes into {stream}, which is not in wave {plan.wave}",
        cause="only the wave's own feeds are carried into its lake",
        state="nothing was planned",
        next=f"take {channel} out of `probe` in the wave file, or {stream} into its assets",
    )
