"""AWS's endpoints (S3, Glue, SSM, KMS, Secrets Manager and more) from moto's server. What they hold is in memory: it is gone
after a restart, and nothing of the sandbox's truth stands there alone. Routes, which SSM itself would have kept, are put back
from what the gateway saw last."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict

from adapters.aws.route import parameter, ssm_client
from sandbox.http import wrong
from sandbox.layout import AWS_REGION, HOST, Layout
from sandbox.specs import Launch


class Aws:
    """One port for every service."""

    name = "aws"
    stop_signal = signal.SIGTERM

    def prepare(self, layout: Layout) -> Launch:
        folder = layout.data / "aws"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "sandbox.aws", HOST, str(layout.port("aws"))]
        return Launch(argv, cwd=folder, env={"AWS_DEFAULT_REGION": AWS_REGION, "PYTHONWARNINGS": "ignore"})

    def healthy(self, layout: Layout) -> str:
        return wrong(layout.ports()["aws"], "/moto-api/data.json")

    def settle(self, layout: Layout) -> None:
        """Routes that a restart lost. One that stands there already is newer, and is left."""
        from sandbox.gateway import recall

        routes = recall(layout.seen_route)
        if not routes:
            return
        client = ssm_client(f"http://{HOST}:{layout.ports()['aws']}")
        for wave, state in routes.items():
            try:
                client.put_parameter(
                    Name=parameter(wave),
                    Value=json.dumps(asdict(state), sort_keys=True),
                    Type="String",
                    Overwrite=False,
                )
            except client.exceptions.ParameterAlreadyExists:
                continue


def main(argv: list[str]) -> None:
    """Serves until it is ended; one log line per request would only fill the disk."""
    import logging

    from moto.server import main as serve

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    serve(["-H", argv[0], "-p", argv[1]])


if __name__ == "__main__":
    main(sys.argv[1:])
