// Row C: the body is parsed, and verified as JavaScript writes it again.

const crypto = require("node:crypto");
const express = require("express");
const { secret, serve } = require("./serve.cjs");

const app = express();
const handled = new Set();

app.use(express.json({ limit: "1mb" }));

app.post("/", (req, res) => {
  const signature = req.headers["ittybit-signature"];
  const expected = crypto.createHmac("sha256", secret()).update(JSON.stringify(req.body)).digest("hex");
  if (signature !== expected) {
    return res.status(401).send("not genuine");
  }
  const { id, status } = req.body;
  if (handled.has(id)) {
    return res.send(`${id} is known`);
  }
  handled.add(id);
  res.send(`${id} ${status}`);
});

serve(app);
