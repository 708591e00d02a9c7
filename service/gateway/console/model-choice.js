// Which model answers: the usual one, or any version that is served for the task.

import { html } from "./library.js";

/** The models of a task that can be asked. */
export function modelsFor(served, task) {
  return served.models.filter((model) => model.task === task && model.status === "serving");
}

/** A picker over them; the empty value is the usual one. */
export function ModelChoice({ models, value, onChoose }) {
  return html`
    <label class="field">
      <span>Model</span>
      <select value=${value} onChange=${({ target }) => onChoose(target.value)}>
        <option value="">The usual one</option>
        ${models.map(({ name, version, system, experimental }) => html`
          <option value=${`${name}@${version}`}>${name} ${version} (${system}${experimental ? ", experimental" : ""})</option>`)}
      </select>
    </label>`;
}
