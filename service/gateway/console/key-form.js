// The way in where the service asks for a key: what is wrong, and a field for the key.

import { takeKey } from "./keys.js";
import { html, useState } from "./library.js";

/** Ask for a key because of a `problem`; `onKey` tries again with it. */
export function KeyForm({ problem, onKey }) {
  const [key, setKey] = useState("");
  const send = (event) => {
    event.preventDefault();
    takeKey(key);
    onKey();
  };
  return html`
    <form class="card key-form" onSubmit=${send}>
      <h1>${problem.title}</h1>
      <p>${problem.advice}</p>
      <label class="field">
        <span>Key</span>
        <input type="password" autocomplete="off" spellcheck=${false} required value=${key} onInput=${({ target }) => setKey(target.value)} />
      </label>
      <button type="submit" class="button primary">Go on</button>
      <p class="failure-detail" role="status">The service says: ${problem.detail}</p>
    </form>`;
}
