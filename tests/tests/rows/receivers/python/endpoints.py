"""Row A: the library of Standard Webhooks, over the raw body."""

from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from serve import secret, serve

app = Flask(__name__)


@app.post("/")
def webhook():
    try:
        event = Webhook(secret()).verify(request.get_data(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return "not genuine", 401
    return f"{event['kind']} {event['data']['id']}"


serve(app)
