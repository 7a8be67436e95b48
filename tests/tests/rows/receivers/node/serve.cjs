// Runs a customer's server: prints its port, reads its secret from stdin (again, when it changes),
// and ends with stdin.

const readline = require("node:readline");

let secret = "unknown-as-yet";

exports.secret = () => secret;

exports.serve = (app) => {
  const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    secret = line;
    console.log("noted");
  });
  lines.on("close", () => process.exit());
};
