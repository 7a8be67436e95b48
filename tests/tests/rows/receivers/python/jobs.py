"""Row C: an HMAC of the raw body."""

import hashlib
import hmac

from flask import Flask, request

from serve import secret, serve

app = Flask(__name__)
handled = set()


@app.post("/")
def webhook():
    signature = request.headers.get("Ittybit-Signature", "")
    expected = hmac.new(secret().encode(), request.get_data(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, expected):
        return "not genuine", 401
    job = request.get_json()
    if job["id"] in handled:
        return f"{job['id']} is known"
    handled.add(job["id"])
    return f"{job['id']} {job['status']}"


serve(app)
