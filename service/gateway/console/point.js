// The task "Point": words in, the places in the photo that they describe out; several expressions at once.

import { useAsking } from "./asking.js";
import { Bench } from "./bench.js";
import { Failure } from "./failure.js";
import { html, useLayoutEffect, useMemo, useState } from "./library.js";
import { ModelChoice, modelsFor } from "./model-choice.js";
import { NOTHING, colourOf, pointed } from "./overlays.js";
import { makeQuestion } from "./service.js";
import { listed, percent, placeOf } from "./words.js";

const PATH = "/v1/ground";
const WELCOME = {
  title: "Where is it?",
  text: "Show a photo and describe a thing in it. Fieldmark finds the place, or says that there is no such thing.",
};

/** The panel of the task. */
export function Point({ shared }) {
  const { photo, served } = shared;
  const [words, setWords] = useState("");
  const [model, setModel] = useState("");
  const asking = useAsking();
  useLayoutEffect(() => {
    asking.reset();
    setWords(photo?.example?.expressions.join("\n") ?? "");
  }, [photo]);
  const expressions = words.split("\n").map((line) => line.trim()).filter(Boolean);
  const ask = (event) => {
    event?.preventDefault();
    if (expressions.length) asking.start(makeQuestion(PATH, photo, [["model", model], ...fieldsOf(expressions)]));
  };
  const { answer, problem, phase } = asking;
  const overlays = useMemo(() => (answer ? pointed(answer) : NOTHING), [answer]);
  return html`
    <${Bench} shared=${shared} asking=${asking} overlays=${overlays} welcome=${WELCOME}>
      <form class="card wishes" onSubmit=${ask}>
        <h2 class="card-title">What to find</h2>
        <label class="field">
          <span>One description a line</span>
          <textarea rows="3" value=${words} placeholder="the dog on the left" onInput=${({ target }) => setWords(target.value)}></textarea>
          <small>In English, as you would tell it to somebody beside you.</small>
        </label>
        <details>
          <summary>More wishes</summary>
          <${ModelChoice} models=${modelsFor(served, "ground")} value=${model} onChoose=${setModel} />
        </details>
        <button type="submit" class="button primary" disabled=${!expressions.length || phase === "busy"}>Point at it</button>
      </form>
      <div class="outcome" aria-live="polite" aria-busy=${phase === "busy"}>
        ${problem && html`<${Failure} problem=${problem} onRetry=${ask} />`}
        ${answer && html`<${Found} answer=${answer} />`}
      </div>
    <//>`;
}

/** One expression goes as itself, several one a line. */
function fieldsOf(expressions) {
  return expressions.length === 1 ? [["expression", expressions[0]]] : [["expressions", expressions.join("\n")]];
}

function Found({ answer }) {
  return html`
    <section class="card" aria-label="What was found">
      <h2 class="card-title">What was found</h2>
      <ol class="found">
        ${answer.results.map(({ expression, found, score, box, reason, unknown_words: strangers }, index) => html`
          <li>
            <span class=${found ? "marks-tag" : "marks-tag missing"} style=${found ? { background: colourOf(index) } : {}}>${index + 1}</span>
            <span><strong>${expression}</strong> ${found && box ? `${placeOf(box, answer.image)}; ${percent(score)} sure` : "is not there, it seems"}
              ${reason && html`<small>${reason}</small>`}
              ${strangers?.length > 0 && html`<small>Words it does not know: ${listed(strangers)}.</small>`}</span>
          </li>`)}
      </ol>
    </section>`;
}
