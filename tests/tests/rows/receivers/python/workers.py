"""Row E: a token, and no signature."""

import hmac

from flask import Flask, request

from serve import secret, serve

app = Flask(__name__)


@app.post("/")
def webhook():
    if not hmac.compare_digest(request.headers.get("X-Handinger-Token", ""), secret()):
        return "not genuine", 401
    return f"task {request.get_json()['id']}"


serve(app)
