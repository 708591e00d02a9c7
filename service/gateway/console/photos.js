// Photos that can be asked about: from a file, the clipboard, the camera, or the examples that come with the page.

import { Problem } from "./problems.js";

/** What the service reads; a browser's file dialogue offers these. */
export const ACCEPTED = "image/jpeg,image/png,image/webp,image/gif,image/bmp,image/tiff";
const EXAMPLES = "/console/examples/";

/** The photo of a file; `close` it when it is no longer shown. */
export function photoOfFile(file) {
  return { name: file.name || "photo", blob: file, url: URL.createObjectURL(file), example: null };
}

/** What the examples are, as `deploy/console_examples.py` wrote them, each with the address of its photo. */
export async function listExamples() {
  const response = await fetch(`${EXAMPLES}examples.json`);
  const entries = await response.json();
  return entries.map((entry) => ({ ...entry, url: EXAMPLES + entry.file }));
}

/** The photo of an example. */
export async function photoOfExample(example) {
  const response = await fetch(example.url).catch(() => null);
  if (!response?.ok) throw new Problem("unreachable", "The example could not be loaded.");
  const blob = await response.blob();
  return { name: example.file, blob, url: URL.createObjectURL(blob), example };
}

/** Let go of a photo's memory. */
export function close(photo) {
  URL.revokeObjectURL(photo.url);
}

/** The first file that was dropped or pasted, or none. */
export function fileOf(transfer) {
  return transfer?.files?.[0] ?? null;
}
