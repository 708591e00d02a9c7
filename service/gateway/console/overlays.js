// What is drawn on a photo: answers of each task become marks, evidence and cells, all in pixels of the photo.
//
//   name       what it is that is shown, after "Show"
//   marks      boxes with a colour and a short tag, and with words for the list below the photo where they are told there
//   evidence   a grid of 0..1, drawn as light (`heat.js`)
//   cells      a grid of cells that were read or not

import { listed, percent, placeOf } from "./words.js";

/** Okabe and Ito's colours that stand out from photos, also to the colour-blind; the drawn PNG has the same. */
export const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7"];
const MEANT = "#ffffff"; // apart from all that explains
/** Nothing is drawn. */
export const NOTHING = { name: "", marks: [], evidence: null, cells: null };
const KINDS = {
  zoom: ["zoom", "It looked at this part again, enlarged"],
  discriminative: ["strong", "The strongest evidence"],
  complementary: ["weak", "The weakest evidence, looked at for what the strongest left out"],
};

/** The overlays of a classification: where the one that was meant is, and the explanation, if there is any. */
export function explained(answer) {
  const { explanation, image, box } = answer;
  const meant = box ? [{ box, colour: MEANT, tag: "this", title: "The one that you mean", detail: placeOf(box, image) }] : [];
  const regions = (explanation?.regions ?? []).map((region, index) => ({
    box: region.box,
    colour: colourOf(index),
    tag: region.stage ? String(region.stage) : KINDS[region.kind]?.[0] ?? region.kind,
    ...regionWords(region, image),
  }));
  const marks = [...meant, ...regions];
  const evidence = explanation?.map ? { box: whole(image), ...explanation.map } : null;
  return { ...NOTHING, name: "what it looked at", marks, evidence };
}

/** What can be said about how far the overlays are to be believed. */
export function faithfulness(explanation) {
  if (explanation.faithful === true) {
    return "Measured: hiding what such overlays show spoils the answer more than hiding as much elsewhere.";
  }
  if (explanation.faithful === false) {
    return "Measured, and no better than looking at the middle of the photo: take it with a pinch of salt.";
  }
  return "Whether these overlays tell the truth about this model was not measured.";
}

/** The overlays of expressions that were pointed at; one that was not found has no mark. */
export function pointed({ results }) {
  const marks = results.flatMap(({ found, box }, index) => (
    found && box ? [{ box, colour: colourOf(index), tag: String(index + 1) }] : []
  ));
  return { ...NOTHING, name: "the boxes", marks };
}

/** The overlays of a question: the cells of the photo that were read. */
export function read({ kept, image }) {
  if (!kept) return NOTHING;
  const { rows, columns, values, box = whole(image) } = kept;
  return { ...NOTHING, name: "what was read", cells: { rows, columns, box, isRead: values.map((value) => value > 0) } };
}

/** The colour of the mark at a place in a list. */
export function colourOf(index) {
  return COLOURS[index % COLOURS.length];
}

function whole({ width, height }) {
  return { x: 0, y: 0, width, height };
}

function regionWords(region, image) {
  const where = placeOf(region.box, image);
  const share = region.weight === undefined ? "" : `, weight ${region.weight.toFixed(2)}`;
  const title = region.stage ? `Look ${region.stage}` : KINDS[region.kind]?.[1] ?? region.kind;
  const tied = (region.phrases ?? []).slice(0, 3).map((phrase) => `“${phrase.text}” ${percent(phrase.weight)}`);
  return { title, detail: `${where}${share}${tied.length ? `; matched with ${listed(tied)}` : ""}` };
}
