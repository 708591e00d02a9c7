// Speaks to the service that this page came from: what it serves, questions about photos, its figures.
//
// A question is a value that says all there is to send, so that what is sent and what is shown as a command are the same
// (`recipes.js`). Whatever goes wrong is a `Problem` (`problems.js`).

import { keyHeaders } from "./keys.js";
import { Problem } from "./problems.js";

const PHOTO_TYPE = /^image\/[\w.+-]+$/;

/**
 * What is served: `models`, `domains`, and the `tasks` that at least one model does.
 *
 * `decides` tells whether the photo may choose the domain: a router is served.
 */
export async function listServed(signal) {
  const [{ models }, { domains }] = await Promise.all([getJson("/v1/models", signal), getJson("/v1/domains", signal)]);
  const tasks = new Set(models.filter((model) => model.status === "serving").map((model) => model.task));
  return { models, domains, tasks, decides: tasks.has("route") };
}

/** The labels of a domain's default model by class id. */
export async function readLabels(domain, signal) {
  const { labels } = await getJson(`/v1/domains/${encodeURIComponent(domain)}/labels`, signal);
  return new Map(labels.map((entry) => [entry.class_id, entry.label]));
}

/** How the service is doing: counts since it began, who waits, the workers. */
export function readFigures(signal) {
  return getJson("/v1/stats", signal);
}

/**
 * Make a question: `fields` are pairs of a name and a value; those without a value are left out.
 *
 * A photo goes as the raw body, which is the fast way; where a field is long (a text, a list) all go as a form.
 */
export function makeQuestion(path, photo, fields) {
  const given = fields.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return { path, photo, fields: given.map(([name, value]) => [name, String(value)]), isForm: given.some(isLong) };
}

/** Ask, and give the answer as it came. */
export async function ask(question, signal) {
  const { path, photo, fields } = question;
  if (question.isForm) {
    const form = new FormData();
    form.append("image", photo.blob, photo.name);
    for (const [name, value] of fields) form.append(name, value);
    return (await reach(path, { method: "POST", body: form, signal })).json();
  }
  const type = typeOf(photo);
  const address = fields.length ? `${path}?${new URLSearchParams(fields)}` : path;
  return (await reach(address, { method: "POST", body: photo.blob, headers: { "content-type": type }, signal })).json();
}

/** The content type by which a photo is sent; the service goes by its first bytes anyway. */
export function typeOf(photo) {
  return PHOTO_TYPE.test(photo.blob.type) ? photo.blob.type : "application/octet-stream";
}

const LONG_FIELDS = new Set(["text", "candidates", "expressions", "expression", "question"]);

function isLong([name]) {
  return LONG_FIELDS.has(name);
}

async function getJson(path, signal) {
  return (await reach(path, { signal })).json();
}

async function reach(path, options) {
  const response = await fetchOrFail(path, options);
  if (!response.ok) throw await Problem.of(response);
  return response;
}

async function fetchOrFail(path, options) {
  try {
    return await fetch(path, { ...options, headers: { ...options.headers, ...keyHeaders() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("unreachable", "The service does not answer.");
  }
}
