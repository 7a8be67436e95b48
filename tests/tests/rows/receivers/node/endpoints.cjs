// Row A: the library of Standard Webhooks, over the raw body.

const express = require("express");
const { Webhook } = require("standardwebhooks");
const { secret, serve } = require("./serve.cjs");

const app = express();

app.post("/", express.raw({ type: "*/*", limit: "1mb" }), (req, res) => {
  let event;
  try {
    event = new Webhook(secret()).verify(req.body, req.headers);
  } catch (error) {
    return res.status(401).send("not genuine");
  }
  res.send(`${event.kind} ${event.data.id}`);
});

serve(app);
