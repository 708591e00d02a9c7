// "Do it yourself": the commands that ask again what was just asked, and the answer as it came, each to be copied.

import { html, useEffect, useState } from "./library.js";
import { curlOf, pythonOf } from "./recipes.js";

const SHOWN_MS = 2000;
const PYTHON_NEEDS = "Needs the package fieldmark with its extra “client”.";

/** The recipes of a question, with the answer or none. */
export function Reproduce({ question, answer }) {
  const ways = [
    ["curl", "curl", () => curlOf(question, location.origin)],
    ["python", "Python", () => pythonOf(question, location.origin), PYTHON_NEEDS],
    ...(answer ? [["json", "Answer", () => JSON.stringify(answer, null, 2)]] : []),
  ];
  const [chosen, setChosen] = useState("curl");
  const [shown, name, write, needs] = ways.find(([way]) => way === chosen) ?? ways[0];
  const text = write();
  return html`
    <section class="card reproduce" aria-label="Do it yourself">
      <div class="reproduce-head">
        <h2 class="card-title">Do it yourself</h2>
        <div class="segments" role="group" aria-label="Language">
          ${ways.map(([way, title]) => html`
            <button type="button" aria-pressed=${way === shown} onClick=${() => setChosen(way)}>${title}</button>`)}
        </div>
      </div>
      <div class="code">
        <pre tabindex="0" aria-label=${name}><code>${text}</code></pre>
        <${Copy} key=${shown} text=${text} />
      </div>
      ${needs && html`<p class="small">${needs}</p>`}
    </section>`;
}

function Copy({ text }) {
  const [{ state, at }, setState] = useState({ state: "Copy" });
  useEffect(() => {
    if (!at) return undefined;
    const timer = setTimeout(() => setState({ state: "Copy" }), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [at]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState({ state: "Copied", at: performance.now() });
    } catch {
      setState({ state: "Select it by hand", at: performance.now() }); // a browser may forbid it
    }
  };
  return html`<button type="button" class="button small copy" onClick=${copy}><span aria-live="polite">${state}</span></button>`;
}
