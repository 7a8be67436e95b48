// Row E: a token, and no signature.

const express = require("express");
const { secret, serve } = require("./serve.cjs");

const app = express();

app.use(express.json({ limit: "1mb" }));

app.post("/", (req, res) => {
  if (req.get("X-Handinger-Token") !== secret()) {
    return res.status(401).send("not genuine");
  }
  res.send(`task ${req.body.id}`);
});

serve(app);
