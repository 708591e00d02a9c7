// The commands that ask again what was just asked: with curl, and from Python.
//
// Written from the question that was sent (`service.js`), so that they cannot tell of another.

import { hasKey } from "./keys.js";
import { typeOf } from "./service.js";

const QUIET = /^[\w@%+=:,./-]+$/;
/** The Python client's call for a path, what it prints of the answer, and the fields that it takes without a name. */
const CALLS = {
  "/v1/classify": { call: "classify", shown: "answer.predictions[0].label", inOrder: [] },
  "/v1/ground": { call: "ground", shown: "answer.results", inOrder: ["expression", "expressions"] },
  "/v1/answer": { call: "answer", shown: "answer.answers[0].answer", inOrder: ["question"] },
};
/** The environment variable that the commands take a key from. */
const KEY_NAME = "FIELDMARK_KEY";
const NUMBERS = new Set(["top_k", "certainty", "timeout_ms"]);
const TRUTHS = new Set(["explain", "force"]);

/** The shell commands; the photo lies in the current folder, and an example is fetched into it first. A key is named, not shown. */
export function curlOf(question, origin) {
  const { path, photo, fields } = question;
  const fetched = photo.example ? `curl --remote-name ${origin}${photo.example.url}\n` : "";
  if (question.isForm) {
    const parts = fields.map(([name, value]) => `--form-string ${shell(`${name}=${value}`)}`);
    return fetched + lines([`curl --form ${shell(`image=@${formName(photo.name)}`)}`, ...parts, ...keyOption(), shell(origin + path)]);
  }
  const query = fields.length ? `?${new URLSearchParams(fields)}` : "";
  return fetched + lines([
    `curl --data-binary ${shell(`@${photo.name}`)}`,
    `--header 'Content-Type: ${typeOf(photo)}'`,
    ...keyOption(),
    shell(origin + path + query),
  ]);
}

/** The Python code, with the service's own client. */
export function pythonOf({ path, photo, fields }, origin) {
  const { call, shown, inOrder } = CALLS[path];
  const placed = inOrder.flatMap((name) => fields.filter(([given]) => given === name).flatMap(([, value]) => wordsOf(name, value)));
  const wishes = fields.filter(([name]) => !inOrder.includes(name)).map(([name, value]) => `${name}=${literal(name, value)}`);
  const [imports, key] = hasKey() ? ["import os\n\n", `, key=os.environ["${KEY_NAME}"]`] : ["", ""];
  return `${imports}import fieldmark

with fieldmark.Client(${python(origin)}${key}) as client:
    answer = client.${call}(${[python(photo.name), ...placed, ...wishes].join(", ")})
print(${shown})
`;
}

function keyOption() {
  return hasKey() ? [`--header "Authorization: Bearer $${KEY_NAME}"`] : [];
}

function lines(parts) {
  return parts.join(" \\\n    ");
}

function shell(word) {
  return QUIET.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A file's name as curl takes it in a form, where commas and semicolons have a meaning. */
function formName(name) {
  return /[,;"\\]/.test(name) ? JSON.stringify(name) : name;
}

function wordsOf(name, value) {
  return (name === "expressions" ? value.split("\n") : [value]).map(python);
}

function literal(name, value) {
  if (NUMBERS.has(name)) return value;
  if (TRUTHS.has(name)) return value === "true" ? "True" : "False";
  return name === "candidates" ? `[${value.split(",").map((word) => python(word.trim())).join(", ")}]` : python(value);
}

/** A text as Python writes it: JSON has the same escapes. */
function python(text) {
  return JSON.stringify(text);
}
