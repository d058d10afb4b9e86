"""Answer `POST /predict` with how likely a sample is malignant.

The request is a JSON object that names every feature; the answer is `{"malignant": 0.07}`.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from model import Model

MOST_BYTES = 64 * 1024  # a request with all thirty features is about 1 KiB


class Handler(BaseHTTPRequestHandler):
    model: Model

    def do_GET(self) -> None:
        self.answer(200, {"ready": True}) if self.path == "/readyz" else self.answer(404, {})

    def do_POST(self) -> None:
        if self.path != "/predict":
            return self.answer(404, {"error": "ask /predict"})
        length = int(self.headers.get("content-length") or 0)
        if not 0 < length <= MOST_BYTES:
            return self.answer(413, {"error": f"send at most {MOST_BYTES} bytes of JSON"})
        try:
            sample = json.loads(self.rfile.read(length))
            values = [float(sample[name]) for name in self.model.features]
        except (ValueError, TypeError, KeyError) as error:
            return self.answer(400, {"error": f"cannot use the sample: {error}"})
        return self.answer(200, {self.model.predicts: round(self.model.probability(values), 6)})

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Samples describe patients: requests are not logged."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    options = arguments.parse_args()

    Handler.model = Model.load(options.model)
    with ThreadingHTTPServer(("127.0.0.1", options.port), Handler) as server:
        print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
