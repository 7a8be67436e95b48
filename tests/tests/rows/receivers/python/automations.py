"""Row B: `t=…,v1=…` is Stripe's scheme, and Stripe's library verifies it."""

import stripe
from flask import Flask, request

from serve import secret, serve

app = Flask(__name__)


@app.post("/")
def webhook():
    try:
        resource = stripe.Webhook.construct_event(
            request.get_data(), request.headers["Ittybit-Signature"], secret()
        )
    except stripe.SignatureVerificationError:
        return "not genuine", 401
    return f"{resource['object']} {resource['id']}"


serve(app)
