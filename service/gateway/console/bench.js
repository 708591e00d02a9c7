// The layout of every task on a photo: the photo on one side, what is asked and answered on the other.

import { html } from "./library.js";
import { Others, Welcome } from "./picker.js";
import { Reproduce } from "./reproduce.js";
import { Stage } from "./stage.js";

/**
 * A task's panel. `shared` is what all tasks have: the photo, the examples, and what to do with another photo.
 *
 * `welcome` are the words where there is no photo yet; `overlays` and `note` belong to the answer; `children` is what is
 * asked and answered.
 */
export function Bench({ shared, asking, overlays, note, welcome, children }) {
  const { photo, examples, onPhoto, onExample } = shared;
  if (!photo) return html`<${Welcome} ...${welcome} ...${shared} />`;
  const { answer, question, phase } = asking;
  return html`
    <h1 class="unseen">${welcome.title}</h1>
    <div class="bench">
      <div class="bench-photo">
        <${Stage} photo=${photo} overlays=${overlays} size=${answer?.image} isBusy=${phase === "busy"} note=${note} />
        <${Others} examples=${examples} photo=${photo} onPhoto=${onPhoto} onExample=${onExample} />
        ${question && html`<${Reproduce} question=${question} answer=${answer} />`}
      </div>
      <div class="bench-answer">${children}</div>
    </div>`;
}
