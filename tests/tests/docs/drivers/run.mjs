// Puts the cases on stdin to the block in ./verify.mjs, and prints what it says of each: true,
// false, or an error's text. A genuine body that survives JavaScript is verified again as
// `express.json()` and `JSON.stringify` give it.

import { readFileSync } from "node:fs";

import { verify } from "./verify.mjs";

const answer = ({ secret, headers, body }) => {
  try {
    return verify(secret, headers, body);
  } catch (error) {
    return `threw ${error}`;
  }
};

const judge = (test) => {
  const raw = answer({ ...test, body: Buffer.from(test.body) });
  if (raw !== true || !test.survives_javascript) return raw;
  return answer({ ...test, body: JSON.stringify(JSON.parse(test.body)) });
};

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(judge)));
