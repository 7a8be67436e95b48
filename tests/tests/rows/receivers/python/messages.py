"""Row D: Svix's library, over the raw body."""

from flask import Flask, request
from svix.webhooks import Webhook, WebhookVerificationError

from serve import secret, serve

app = Flask(__name__)


@app.post("/")
def webhook():
    try:
        Webhook(secret()).verify(request.get_data(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        return "not genuine", 401
    message = request.get_json()
    return f"{message['event_type']} {message['data']['task']['id']}"


serve(app)
