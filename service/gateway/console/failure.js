// A problem as a person wants to hear of it: what is wrong, what to do, and below it the service's own words.

import { html } from "./library.js";

/** Show a problem; `onRetry` asks again, where that may help. */
export function Failure({ problem, onRetry }) {
  return html`
    <div class="card failure" role="alert">
      <h2>${problem.title ?? "Something went wrong"}</h2>
      <p>${problem.advice ?? "Load the page again."}</p>
      ${problem.isPassing && onRetry && html`<button type="button" class="button small" onClick=${onRetry}>Try again</button>`}
      <p class="failure-detail">The service says: ${problem.detail ?? problem.message}${problem.id && html` <span>(${problem.type}, request <code>${problem.id}</code>)</span>`}</p>
    </div>`;
}
