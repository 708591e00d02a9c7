// The console: which tasks there are, the photo that they share, and the page around them.

import { Ask } from "./ask.js";
import { Classify } from "./classify.js";
import { Failure } from "./failure.js";
import { KeyForm } from "./key-form.js";
import { html, render, useCallback, useEffect, useRef, useState } from "./library.js";
import { Live } from "./live.js";
import { close, listExamples, photoOfExample } from "./photos.js";
import { useDropsAndPastes } from "./picker.js";
import { Point } from "./point.js";
import { listServed } from "./service.js";
import { Panel, TabList, useOpenTab } from "./tabs.js";

/** The tasks in their order; a tab is shown where a model does the task. */
const TASKS = [
  ["identify", "Identify", "classify", Classify],
  ["point", "Point", "ground", Point],
  ["ask", "Ask", "answer", Ask],
];
/** Problems that another key would solve. */
const WAYS_IN = new Set(["unauthorized", "forbidden"]);
const THEMES = [["", "As the system"], ["light", "Light"], ["dark", "Dark"]];

function App() {
  const [served, problem, load] = useServed();
  const [examples, setExamples] = useState([]);
  const [photo, setPhoto] = useState(null);
  const [photoProblem, setPhotoProblem] = useState(null);
  const tasks = served ? TASKS.filter(([, , task]) => served.tasks.has(task)) : [];
  const tabs = [...tasks.map(([id, title]) => [id, title]), ["live", "Service"]];
  const [open, choose] = useOpenTab(tabs.map(([id]) => id));

  useEffect(() => void listExamples().then(setExamples, () => setExamples([])), []);
  const turn = useRef(0); // counts what was chosen, so that an example that comes late takes no later choice's place
  const show = useCallback((next) => {
    turn.current += 1;
    setPhotoProblem(null);
    scrollTo(0, 0); // to the photo: on a telephone the others are chosen from far below it
    setPhoto((before) => {
      if (before) close(before);
      return next;
    });
  }, []);
  const showExample = useCallback((example) => {
    const mine = ++turn.current;
    photoOfExample(example).then(
      (next) => (mine === turn.current ? show(next) : close(next)),
      (failure) => mine === turn.current && setPhotoProblem(failure),
    );
  }, []);
  const isOver = useDropsAndPastes((next) => {
    show(next);
    if (open === "live" && tasks.length) choose(tasks[0][0]);
  });
  const leave = () => show(null);
  const shared = { served, photo, examples, onPhoto: show, onExample: showExample };
  const skip = (event) => {
    event.preventDefault(); // the address names the open tab
    document.getElementById("main").focus();
  };
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="/" onClick=${(event) => { event.preventDefault(); leave(); }} aria-label="Fieldmark: begin anew">
        <img src="/console/mark.svg" alt="" width="32" height="32" /><span>Fieldmark</span>
      </a>
      ${served && html`<${TabList} tabs=${tabs} open=${open} onOpen=${choose} />`}
      <nav class="top-links" aria-label="More">
        <a href="/docs">API</a>
        <${ThemeChoice} />
      </nav>
    </header>
    <main id="main" tabindex="-1">
      ${photoProblem && html`<${Failure} problem=${photoProblem} />`}
      ${problem && (WAYS_IN.has(problem.type) ? html`<${KeyForm} problem=${problem} onKey=${load} />` : html`<${Failure} problem=${problem} onRetry=${load} />`)}
      ${served && tasks.map(([id, , , Task]) => html`
        <${Panel} id=${id} isOpen=${open === id} key=${id}><${Task} shared=${shared} isOpen=${open === id} /><//>`)}
      ${served && html`<${Panel} id="live" isOpen=${open === "live"} key="live"><${Live} isOpen=${open === "live"} served=${served} /><//>`}
    </main>
    <footer class="foot">
      <p>Photos are looked at and forgotten: this service keeps none.</p>
    </footer>
    ${isOver && html`<div class="drop-veil" aria-hidden="true"><p>Let go to look at it</p></div>`}`;
}

/** What is served, the problem with finding out, and how to ask again; a service that still starts is asked again anyway. */
function useServed() {
  const [served, setServed] = useState(null);
  const [problem, setProblem] = useState(null);
  const turn = useRef(0);
  const load = useCallback(() => {
    const mine = ++turn.current;
    const settle = (found, failure) => {
      if (mine !== turn.current) return;
      if (found) setServed(found);
      setProblem(failure);
    };
    listServed().then((found) => settle(found, null), (failure) => settle(null, failure));
  }, []);
  useEffect(load, []);
  useEffect(() => {
    if (problem?.type !== "not-ready") return undefined;
    const timer = setTimeout(load, 1000 * (problem.retryAfterS ?? 2));
    return () => clearTimeout(timer);
  }, [problem]);
  return [served, problem, load];
}

function ThemeChoice() {
  const [theme, setTheme] = useState(globalThis.fieldmarkTheme.read());
  const choose = ({ target }) => {
    globalThis.fieldmarkTheme.choose(target.value);
    setTheme(target.value);
  };
  return html`
    <label class="theme">
      <span class="unseen">Colours</span>
      <select value=${theme} onChange=${choose}>
        ${THEMES.map(([value, title]) => html`<option value=${value}>${title}</option>`)}
      </select>
    </label>`;
}

render(html`<${App} />`, document.getElementById("app"));
