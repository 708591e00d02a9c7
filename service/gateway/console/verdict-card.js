// The answer to "what is this?": the verdict in words, how far up it holds, what else it may be, and whence it comes.

import { html } from "./library.js";
import { candidatesOf, judge, ladder } from "./verdict.js";
import { listed, milliseconds, percent } from "./words.js";

const LISTED = 8;

/** The answer; `entry` is its model as `/v1/models` tells it, `labels` are names by class id. */
export function Verdict({ answer, entry, labels, certainty }) {
  const { tone, lead, title, latin, body } = judge(answer, entry, certainty);
  return html`
    <article class=${`card verdict ${tone}`}>
      <p class="verdict-lead">${lead}</p>
      <h2>${title}</h2>
      ${latin && html`<p class="latin" lang="la">${latin}</p>`}
      <p class="verdict-body">${body}</p>
      <${TextNotes} answer=${answer} />
      ${answer.rollup !== undefined || answer.set ? html`<${Ladder} steps=${ladder(answer, entry)} />` : null}
    </article>
    <section class="card" aria-label="What it may be">
      <h2 class="card-title">${answer.without_candidates ? "Of those that you named" : "What it may be"}</h2>
      <${Bars} predictions=${answer.predictions} />
      ${answer.without_candidates && html`<h2 class="card-title">Among all</h2><${Bars} predictions=${answer.without_candidates} />`}
      ${answer.set && html`<${Candidates} ...${candidatesOf(answer, entry, labels)} />`}
      <${Origin} answer=${answer} entry=${entry} />
    </section>`;
}

function TextNotes({ answer }) {
  const { phrases, text_used: isUsed, text_reason: reason, text_conflict: isConflict, unknown_candidates: strangers } = answer;
  return html`
    ${isUsed === true && phrases && html`<p class="note">It went by your words, too: ${listed(phrases.known)}.${phrases.unknown.length > 0 && html` Not known to it: ${listed(phrases.unknown)}.`}</p>`}
    ${isUsed === false && html`<p class="note">Your words were not used. ${reason}</p>`}
    ${isConflict && html`<p class="note warning">Your words seem to speak of something else than the photo shows.</p>`}
    ${strangers?.length > 0 && html`<p class="note">Nothing is known by the name of ${listed(strangers)}.</p>`}`;
}

function Ladder({ steps }) {
  return html`
    <ol class="ladder" aria-label="How far it is certain">
      ${steps.map(({ level, value, isHeld, isLatin, others }) => html`
        <li class=${isHeld ? "held" : "open"}>
          <span class="ladder-level">${level}</span>
          <span class=${isLatin ? "ladder-value latin" : "ladder-value"}>${value}</span>
          <span class="ladder-state">${isHeld ? "certain" : others ? `or ${others} other${others > 1 ? "s" : ""}` : "not certain"}</span>
        </li>`)}
    </ol>`;
}

function Bars({ predictions }) {
  return html`
    <ol class="bars">
      ${predictions.map(({ class_id: id, label, probability }) => html`
        <li key=${id}>
          <span class="bars-label">${label}</span>
          <span class="bars-value">${percent(probability)}</span>
          <span class="bars-track" aria-hidden="true"><span style=${{ width: `${100 * probability}%` }}></span></span>
        </li>`)}
    </ol>`;
}

function Candidates({ names, sentence }) {
  const rest = names.length - LISTED;
  return html`
    <div class="set">
      <h2 class="card-title">${names.length === 1 ? "No other is in question" : `One of these ${names.length}`}</h2>
      <ul class="chips">
        ${names.slice(0, LISTED).map((name) => html`<li>${name}</li>`)}
        ${rest > 0 && html`<li class="more">and ${rest} more</li>`}
      </ul>
      <p class="small">${sentence}</p>
    </div>`;
}

function Origin({ answer, entry }) {
  const { model, timing_ms: times, domain } = answer;
  return html`
    <p class="origin">
      ${domain && html`<span>The photo was taken for one of ${domain.name} (${percent(domain.probability)}).</span> `}
      <span>Answered by ${model.name} ${model.version} (${model.system})${entry?.experimental ? ", an experiment," : ""} in ${milliseconds(times.total)}: ${milliseconds(times.decode)} to open the photo, ${milliseconds(times.infer)} to look at it.</span>
      ${entry?.research_only && html` <span>For research and education only.</span>`}
    </p>`;
}
