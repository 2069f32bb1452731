"""As much of Slack as commands ask: who the bot is, who somebody is, and who is in a user group."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GUEST = "UGUEST"
MEMBERS = {"S1DBA": ["UNEW", GUEST], "S2NONE": []}


class Slack(BaseHTTPRequestHandler):
    """Everybody is a full member, except a guest."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        return

    def _answer(self) -> None:
        place = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(place.query).items()}
        refused = "xoxb-revoked" in str(self.headers.get("Authorization"))
        said = {"ok": False, "error": "token_revoked"} if refused else _said(place.path, asked)
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _said(path: str, asked: dict[str, str]) -> dict[str, object]:
    match path:
        case "/api/auth.test":
            return {"ok": True, "team_id": "T1", "bot_id": "B1", "user_id": "UBOT", "url": "https://x/"}
        case "/api/apps.connections.open":
            return {"ok": True, "url": "wss://x/"}
        case "/api/users.info":
            user = asked["user"]
            kind = {"is_bot": False, "is_restricted": user == GUEST, "is_ultra_restricted": False}
            return {"ok": True, "user": {"id": user, "team_id": "T1", "deleted": False, **kind}}
        case "/api/usergroups.users.list":
            return {"ok": True, "users": MEMBERS[asked["usergroup"]]}
        case _:
            raise LookupError(path)


@contextmanager
def slack() -> Iterator[str]:
    """Serve it, and give its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
