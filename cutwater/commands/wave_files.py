"""The smoke tests and probes that a plan names, read when it is planned: a file that is missing is no matter for the night."""

from __future__ import annotations

from adapters.http_api.smoke import load_calls
from adapters.probe.message_file import MarkedFile, load_probe
from cutwater.core.config import Project
from cutwater.core.errors import BadInput
from waves.plan import Plan


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
