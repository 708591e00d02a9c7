// The task "Ask": a question about the photo in, answers out, with the cells of the photo that were read for them.

import { useAsking } from "./asking.js";
import { Bench } from "./bench.js";
import { Failure } from "./failure.js";
import { html, useLayoutEffect, useMemo, useState } from "./library.js";
import { ModelChoice, modelsFor } from "./model-choice.js";
import { NOTHING, read } from "./overlays.js";
import { makeQuestion } from "./service.js";
import { capital, listed, percent } from "./words.js";

const PATH = "/v1/answer";
const WELCOME = {
  title: "Ask about a photo",
  text: "Show a photo and ask a short question about it. Fieldmark answers in a word or two, and shows where it looked.",
};

/** The panel of the task. */
export function Ask({ shared }) {
  const { photo, served } = shared;
  const [words, setWords] = useState("");
  const [model, setModel] = useState("");
  const asking = useAsking();
  useLayoutEffect(() => {
    asking.reset();
    setWords(photo?.example?.question ?? "");
  }, [photo]);
  const ask = (event) => {
    event?.preventDefault();
    if (words.trim()) asking.start(makeQuestion(PATH, photo, [["model", model], ["question", words.trim()]]));
  };
  const { answer, problem, phase } = asking;
  const overlays = useMemo(() => (answer ? read(answer) : NOTHING), [answer]);
  return html`
    <${Bench} shared=${shared} asking=${asking} overlays=${overlays} welcome=${WELCOME}>
      <form class="card wishes" onSubmit=${ask}>
        <h2 class="card-title">Your question</h2>
        <label class="field">
          <span>A short question, in English</span>
          <input type="text" value=${words} placeholder="How many dogs are there?" onInput=${({ target }) => setWords(target.value)} />
        </label>
        <details>
          <summary>More wishes</summary>
          <${ModelChoice} models=${modelsFor(served, "answer")} value=${model} onChoose=${setModel} />
        </details>
        <button type="submit" class="button primary" disabled=${!words.trim() || phase === "busy"}>Ask</button>
      </form>
      <div class="outcome" aria-live="polite" aria-busy=${phase === "busy"}>
        ${problem && html`<${Failure} problem=${problem} onRetry=${ask} />`}
        ${answer && html`<${Answers} answer=${answer} />`}
      </div>
    <//>`;
}

function Answers({ answer: { answers, uncertain, unknown_words: strangers } }) {
  return html`
    <article class=${`card verdict ${uncertain ? "open" : "match"}`}>
      <p class="verdict-lead">${uncertain ? "Not certain" : "Most likely"}</p>
      <h2>${capital(answers[0].answer)}</h2>
      ${strangers?.length > 0 && html`<p class="note">Words it does not know: ${listed(strangers)}.</p>`}
      <ol class="bars">
        ${answers.map(({ answer, probability }) => html`
          <li key=${answer}>
            <span class="bars-label">${answer}</span>
            <span class="bars-value">${percent(probability)}</span>
            <span class="bars-track" aria-hidden="true"><span style=${{ width: `${100 * probability}%` }}></span></span>
          </li>`)}
      </ol>
    </article>`;
}
