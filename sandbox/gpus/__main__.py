"""`python -m sandbox.gpus`: the GPU exporter as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from sandbox.api import KubeApi
from sandbox.gpus.server import Exporter, build_server


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.gpus", description="Serve the metrics of simulated GPUs.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server")
    parser.add_argument("--port", type=int, required=True, help="where to serve /metrics, on loopback")
    parser.add_argument("--memory", type=Path, help="file with the counters (default: gpus.json beside the kubeconfig)")
    options = parser.parse_args()

    memory_path = options.memory or options.kubeconfig.resolve().parent / "gpus.json"
    exporter = Exporter(KubeApi.from_kubeconfig(options.kubeconfig), memory_path=memory_path)
    server = build_server(exporter, port=options.port)

    def stop(signal_number: int, frame: object) -> None:
        # shutdown() waits for the serving loop, which runs in this very thread.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    exporter.start()
    server.serve_forever()
    server.server_close()
    exporter.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
