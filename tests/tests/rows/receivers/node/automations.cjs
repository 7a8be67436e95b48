// Row B: `t=…,v1=…` is Stripe's scheme, and Stripe's library verifies it.

const express = require("express");
const Stripe = require("stripe");
const { secret, serve } = require("./serve.cjs");

const app = express();

app.post("/", express.raw({ type: "*/*", limit: "1mb" }), (req, res) => {
  let resource;
  try {
    resource = Stripe.webhooks.constructEvent(req.body, req.headers["ittybit-signature"], secret());
  } catch (error) {
    return res.status(401).send("not genuine");
  }
  res.send(`${resource.object} ${resource.id}`);
});

serve(app);
