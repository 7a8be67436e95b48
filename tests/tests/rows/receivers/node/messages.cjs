// Row D: Svix's library, over the raw body.

const express = require("express");
const { Webhook } = require("svix");
const { secret, serve } = require("./serve.cjs");

const app = express();

app.post("/", express.raw({ type: "application/json", limit: "1mb" }), (req, res) => {
  let message;
  try {
    message = new Webhook(secret()).verify(req.body, req.headers);
  } catch (error) {
    return res.status(401).send("not genuine");
  }
  res.send(`${message.event_type} ${message.data.task.id}`);
});

serve(app);
