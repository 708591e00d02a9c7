// What an answer comes to, in words for somebody who knows nothing of probabilities, levels or conformal sets.
//
// There are four ways for it to end: the finest level holds (`sure`), a coarser one does (`partly`), none does (`open`), or
// the subject looks like nothing that the model knows (`unknown`). A model that was never calibrated tells no more than its
// best match (`match`).

import { classesOf, nounOf, percent } from "./words.js";

const CLOSE = 0.05; // a second answer above this is worth a word
const LATIN = new Set(["order", "family", "genus", "species"]);

/** The verdict on an answer of the model `entry`: `tone`, and the sentences `lead`, `title`, `latin` and `body`. */
export function judge(answer, entry, certainty) {
  const best = answer.predictions[0];
  const finest = entry?.levels?.at(-1);
  if (answer.uncertain === true) return unknown(entry, best);
  if (answer.rollup && answer.rollup.level === finest) return sure(answer, best);
  if (answer.rollup) return partly(answer, entry, best, finest);
  if (answer.uncertain === false) return open(entry, best, certainty);
  return { tone: "match", lead: "Best match", ...named(best), body: `${percent(best.probability)} by this model's own reckoning, which was never measured.` };
}

function sure(answer, best) {
  const [, second] = answer.predictions;
  const rest = second && second.probability >= CLOSE
    ? `The next is ${second.label}, at ${percent(second.probability)}.`
    : "Nothing else comes near.";
  return { tone: "sure", lead: "It is certain", ...named(best), body: `${percent(answer.rollup.probability)} sure. ${rest}` };
}

function partly(answer, entry, best, finest) {
  const { level, label, probability } = answer.rollup;
  return {
    tone: "partly",
    lead: `The ${level} is certain, the ${finest} is not`,
    title: `${level === "make" || level === "model" ? "" : `A ${nounOf(entry.domain)} of the ${level} `}${label}`,
    latin: null,
    body: `${percent(probability)} sure of that. It may well be ${article(best.label)}, at ${percent(best.probability)}.`,
  };
}

function open(entry, best, certainty) {
  return {
    tone: "open",
    lead: "Not certain",
    ...named(best),
    title: `Perhaps ${article(best.label)}`,
    body: `${percent(best.probability)} for it is too little to rely on: nothing reaches ${percent(certainty)}. Whatever a photo `
      + `shows, the answer is one of the ${entry?.classes ?? ""} ${classesOf(entry)} that it knows.`,
  };
}

function unknown(entry, best) {
  const known = entry?.classes ? `the ${entry.classes} ${classesOf(entry)}` : "what";
  return {
    tone: "unknown",
    lead: "Probably something else",
    title: `Unlike ${known} that it knows`,
    latin: null,
    body: `The nearest is ${article(best.label)}, and that is not believable (${percent(best.probability)}). There may be no `
      + `${nounOf(entry?.domain)} here, or one that the model never learnt.`,
  };
}

/** A class by the name that people use, and its Latin one where it has another. */
function named(prediction) {
  const latin = prediction.levels?.species;
  return { title: prediction.label, latin: latin && latin !== prediction.label ? latin : null };
}

function article(label) {
  return /^\d|^the /i.test(label) ? label : `${/^[aeio]/i.test(label) ? "an" : "a"} ${label}`;
}

/**
 * The levels from coarse to fine with what each says: `isHeld` where it is certain, `others` how many more it may be.
 */
export function ladder(answer, entry) {
  const levels = entry?.levels ?? [];
  const best = answer.predictions[0];
  const held = answer.rollup && answer.uncertain !== true ? levels.indexOf(answer.rollup.level) : -1;
  return levels.map((level, index) => ({
    level,
    value: index === held ? answer.rollup.label : best.levels?.[level] ?? best.label,
    isHeld: index <= held,
    isLatin: LATIN.has(level) && !(index === held && index === levels.length - 1),
    others: Math.max(0, (answer.set?.levels?.[level]?.labels.length ?? 1) - 1),
  }));
}

/** What the set says: its names, best first, and the sentence that tells what it means. */
export function candidatesOf(answer, entry, labels) {
  const names = new Map(answer.predictions.map((one) => [one.class_id, one.label]));
  const ids = answer.set?.class_ids ?? [];
  const of = Math.round((answer.set?.coverage ?? 0) * 100);
  return {
    names: ids.map((id) => names.get(id) ?? labels.get(id) ?? id),
    sentence: `For ${of} of 100 photos of ${nounOf(entry?.domain, 2)} that it knows, the right answer is on a list made like this one.`,
  };
}
