// The task "Identify": a photo in, what it shows out. Asks at once when there is a photo, and again when a wish changes.

import { useAsking } from "./asking.js";
import { Bench } from "./bench.js";
import { Failure } from "./failure.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./library.js";
import { ModelChoice, modelsFor } from "./model-choice.js";
import { NOTHING, explained, faithfulness } from "./overlays.js";
import { makeQuestion, readLabels } from "./service.js";
import { Verdict } from "./verdict-card.js";
import { capital, hasNoun, listed, nounOf } from "./words.js";

const PATH = "/v1/classify";
const CERTAINTIES = [0.5, 0.8, 0.9, 0.95, 0.99];
const TEXT_LIMIT = 4000;
const EXPRESSION_LIMIT = 2000;
/** What is said of one photo, and of no other. */
const UNSAID = { text: "", expression: "", force: false };
const BLANK = { ...UNSAID, domain: null, model: "", candidates: "", certainty: 0.9, explain: true };

/** The panel of the task; it asks about a photo when it `isOpen`. */
export function Classify({ shared, isOpen }) {
  const { photo, served } = shared;
  const [wishes, setWishes] = useState(BLANK);
  const asking = useAsking();
  const asked = useRef(null); // the photo that was last asked about
  const fitting = served.domains.find(({ name }) => name === photo?.example?.domain)?.name;
  const domainOf = (wished) => wished.domain ?? fitting ?? (served.decides ? "auto" : served.domains[0]?.name);
  const anew = (wished) => ({ ...wished, ...UNSAID, ...(fitting && { domain: null, model: "" }) });
  const send = (wished) => {
    asked.current = photo; // a wish may come before the effect below, whose question would take this one's place
    asking.start(questionOf(photo, { ...wished, domain: domainOf(wished) }, served));
  };
  const ask = (changes = {}) => {
    const wished = { ...wishes, ...changes };
    setWishes(wished);
    if (photo) send(wished);
  };
  useLayoutEffect(() => {
    asking.reset();
    asked.current = null;
    setWishes(anew);
  }, [photo]);
  useEffect(() => {
    if (isOpen && photo && asked.current !== photo) send(anew(wishes));
  }, [photo, isOpen]);

  const { answer, problem, phase, question } = asking;
  const domain = domainOf(wishes);
  const overlays = useMemo(() => (answer ? explained(answer) : NOTHING), [answer]);
  const entry = answer && served.models.find(({ name, version }) => name === answer.model.name && version === answer.model.version);
  const labels = useLabels(entry?.domain);
  return html`
    <${Bench} shared=${shared} asking=${asking} overlays=${overlays} welcome=${welcomeOf(served)}
      note=${answer?.explanation && faithfulness(answer.explanation)}>
      <${DomainChoice} served=${served} domain=${domain} onChoose=${(name) => ask({ domain: name, model: "", force: false })} />
      <div class="outcome" aria-live="polite" aria-busy=${phase === "busy"}>
        ${problem && html`<${Failure} problem=${problem} onRetry=${() => ask()} />`}
        ${problem?.type === "no-known-subject" && !valueOf(question, "expression") && html`
          <button type="button" class="button" onClick=${() => ask({ force: true })}>Answer all the same</button>`}
        ${answer && html`<${Verdict} answer=${answer} entry=${entry} labels=${labels} certainty=${Number(valueOf(question, "certainty") ?? BLANK.certainty)} />`}
        ${!answer && !problem && html`<div class="card waiting">Looking …</div>`}
      </div>
      <${Wishes} photo=${photo} wishes=${wishes} domain=${domain} served=${served} onAsk=${ask} />
    <//>`;
}

function questionOf(photo, { domain, model, text, expression, candidates, certainty, explain, force }, served) {
  const chosen = model ? [["model", model]] : [["domain", domain === "auto" && served.domains.length ? "" : domain]];
  return makeQuestion(PATH, photo, [
    ...chosen,
    ["text", text.trim()],
    ["expression", expression.trim()],
    ["candidates", candidates.trim()],
    ["certainty", certainty === BLANK.certainty ? "" : certainty.toFixed(2)],
    ["explain", explain],
    ["force", force],
  ]);
}

/** What a question says in a field, if it has that field. */
function valueOf(question, field) {
  return question.fields.find(([name]) => name === field)?.[1];
}

function welcomeOf(served) {
  const nouns = served.domains.every(({ name }) => hasNoun(name)) ? served.domains.map(({ name }) => nounOf(name)) : [];
  const known = served.domains.map(({ name, classes, levels }) => `${classes} ${levels.at(-1) === "species" ? `species of ${name}` : name}`);
  const knows = known.length ? ` It knows ${listed(known)}.` : "";
  return {
    title: nouns.length ? `Which ${nouns.join(" or which ")} is that?` : "What is in this photo?",
    text: `Show a photo. Fieldmark names what it shows, says how certain that is, and shows what it looked at.${knows}`,
  };
}

function useLabels(domain) {
  const [known, setKnown] = useState(new Map());
  useEffect(() => {
    if (domain && !known.has(domain)) {
      readLabels(domain).then((labels) => setKnown((before) => new Map(before).set(domain, labels)), () => {});
    }
  }, [domain]);
  return known.get(domain) ?? new Map();
}

function DomainChoice({ served, domain, onChoose }) {
  const names = [...(served.decides ? ["auto"] : []), ...served.domains.map(({ name }) => name)];
  if (names.length < 2) return null;
  return html`
    <fieldset class="segments wide">
      <legend>What to look for</legend>
      ${names.map((name) => html`
        <label>
          <input type="radio" name="domain" value=${name} checked=${name === domain} onChange=${() => onChoose(name)} />
          <span>${name === "auto" ? "Let the photo decide" : capital(name)}</span>
        </label>`)}
    </fieldset>`;
}

function Wishes({ photo, wishes, domain, served, onAsk }) {
  const [text, setText] = useState(wishes.text);
  const [expression, setExpression] = useState(wishes.expression);
  const [candidates, setCandidates] = useState(wishes.candidates);
  useLayoutEffect(() => {
    setText(UNSAID.text);
    setExpression(UNSAID.expression);
  }, [photo]);
  const models = modelsFor(served, "classify").filter((model) => domain === "auto" || model.domain === domain);
  const readsText = models.some((model) => model.reads_text);
  const submit = (event) => {
    event.preventDefault();
    onAsk({ text, expression, candidates });
  };
  return html`
    <form class="card wishes" onSubmit=${submit}>
      <h2 class="card-title">Help it along</h2>
      <label class="field">
        <span>What does it look like?</span>
        <input type="text" value=${text} maxlength=${TEXT_LIMIT} placeholder="red crown, white wing bars" onInput=${({ target }) => setText(target.value)} />
        <small>${readsText ? "In English, a few words on colours and parts." : "No model that is served here reads descriptions; the answer goes by the photo alone."}</small>
      </label>
      ${served.tasks.has("ground") && html`
        <label class="field">
          <span>Which one is meant, if there are several?</span>
          <input type="text" value=${expression} maxlength=${EXPRESSION_LIMIT} placeholder="the bird on the left" onInput=${({ target }) => setExpression(target.value)} />
        </label>`}
      <details>
        <summary>More wishes</summary>
        <label class="field">
          <span>It can only be one of these</span>
          <input type="text" value=${candidates} placeholder="Laridae, American Crow" onInput=${({ target }) => setCandidates(target.value)} />
          <small>Names of classes or of groups, such as a checklist of your region, with commas between them.</small>
        </label>
        <label class="field">
          <span>How certain must it be?</span>
          <select value=${wishes.certainty} onChange=${({ target }) => onAsk({ certainty: Number(target.value) })}>
            ${CERTAINTIES.map((share) => html`<option value=${share}>${Math.round(share * 100)} %</option>`)}
          </select>
        </label>
        <${ModelChoice} models=${models} value=${wishes.model} onChoose=${(model) => onAsk({ model })} />
        <label class="switch">
          <input type="checkbox" checked=${wishes.explain} onChange=${({ target }) => onAsk({ explain: target.checked })} />
          <span>Ask what it looked at</span>
        </label>
      </details>
      <button type="submit" class="button primary">Ask again</button>
    </form>`;
}
