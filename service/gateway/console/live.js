// The service at work: its own figures, read every other second while this is open, drawn and put into words.

import { Chart } from "./charts.js";
import { Failure } from "./failure.js";
import { compare } from "./figures.js";
import { html, useEffect, useState } from "./library.js";
import { readFigures } from "./service.js";
import { megabytes, milliseconds, percent, systemOf } from "./words.js";

const EVERY_MS = 2000;
const KEPT = 150; // readings: five minutes

const CHARTS = [
  { title: "Throughput", unit: "requests a second", lines: [["answered", "answered"], ["refused", "refused"], ["failed", "failed"]] },
  { title: "Latency", unit: "milliseconds", scale: 1000, lines: [["p50", "half are faster"], ["p95", "95 % are faster"], ["p99", "99 % are faster"]] },
  { title: "Queue", unit: "requests", lines: [["queued", "waiting"], ["inflight", "with a worker"]] },
  { title: "Batch size", unit: "photos an inference", lines: [["batch", "mean"]] },
  { title: "Workers busy", unit: "share of their time", lines: [["busy", "mean of all"]], most: 1 },
  { title: "Memory", unit: "MB", scale: 1e-6, lines: [["memory", "all workers"]] },
];

/** The panel; it reads only while it `isOpen` and the page is in sight. */
export function Live({ isOpen, served }) {
  const { points, workers, problem } = useFigures(isOpen);
  const latest = points.at(-1);
  return html`
    <section class="live">
      <div class="live-head">
        <h1>The service at work</h1>
        <p>From its own figures, read every ${EVERY_MS / 1000} seconds while you look; at most the last five minutes.</p>
      </div>
      ${problem && html`<${Failure} problem=${problem} />`}
      <dl class="tiles">
        <${Tile} name="Answered" value=${latest ? latest.answered.toFixed(1) : "–"} unit="a second" />
        <${Tile} name="Half are faster than" value=${latest?.p50 ? milliseconds(latest.p50 * 1000) : "–"} unit=${latest?.p50 ? "" : "no requests now"} />
        <${Tile} name="Waiting" value=${latest ? latest.queued : "–"} unit=${latest?.queued === 1 ? "request" : "requests"} />
        <${Tile} name="Workers" value=${workers.filter((worker) => !worker.is_draining).length} unit="taking requests" />
      </dl>
      <div class="charts">${isOpen && CHARTS.map((chart) => html`<${Chart} key=${chart.title} ...${chart} points=${points} />`)}</div>
      <${Workers} workers=${workers} />
      <${Models} served=${served} />
    </section>`;
}

function useFigures(isOpen) {
  const [state, setState] = useState({ points: [], workers: [], problem: null });
  useEffect(() => {
    if (!isOpen) return undefined;
    const controller = new AbortController();
    let [before, timer] = [null, null];
    const read = async () => {
      const now = { figures: await readFigures(controller.signal), at: performance.now() };
      const earlier = before;
      before = now;
      setState((state) => extend(state, earlier, now));
    };
    const go = async () => { // one reading after another: two at once would tell of no time between them
      try {
        if (!document.hidden) await read();
      } catch (problem) {
        if (!controller.signal.aborted) setState((state) => ({ ...state, problem }));
      }
      if (!controller.signal.aborted) timer = setTimeout(go, EVERY_MS);
    };
    go();
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [isOpen]);
  return state;
}

/** Add a reading. The first one only tells what is now; what happened takes two. */
function extend({ points }, before, now) {
  const { workers } = now.figures;
  if (!before) return { points, workers, problem: null };
  const seconds = (now.at - before.at) / 1000;
  const busy = workers.length ? sumOf(workers, "busy_ratio") / workers.length : null;
  const memory = workers.length ? sumOf(workers, "memory_bytes") : null;
  const point = { time: Date.now() / 1000, busy, memory, ...compare(before.figures, now.figures, seconds) };
  return { points: [...points, point].slice(-KEPT), workers, problem: null };
}

function sumOf(workers, member) {
  return workers.reduce((sum, worker) => sum + (worker[member] ?? 0), 0);
}

function Tile({ name, value, unit }) {
  return html`<div class="card tile"><dt>${name}</dt><dd><strong>${value}</strong> ${unit}</dd></div>`;
}

function Workers({ workers }) {
  return html`
    <section class="card wide-table" tabindex="0" aria-label="Workers">
      <h2>Workers</h2>
      <table>
        <thead><tr><th scope="col">Worker</th><th scope="col">State</th><th scope="col">Holds</th><th scope="col">Busy</th><th scope="col">Memory</th></tr></thead>
        <tbody>
          ${workers.map(({ name, is_draining: isLeaving, held, busy_ratio: busy, memory_bytes: memory }) => html`
            <tr key=${name}>
              <th scope="row">${name}</th>
              <td><span class=${isLeaving ? "state" : "state up"}>${isLeaving ? "finishes its work" : "takes requests"}</span></td>
              <td>${held}</td>
              <td>${busy === null ? "–" : percent(busy)}</td>
              <td>${memory === null ? "–" : megabytes(memory)}</td>
            </tr>`)}
        </tbody>
      </table>
    </section>`;
}

function Models({ served: { models } }) {
  return html`
    <section class="card wide-table models" tabindex="0" aria-label="Models">
      <h2>Models</h2>
      <table>
        <thead><tr><th scope="col">Model</th><th scope="col">Knows</th><th scope="col">System</th><th scope="col">Engine</th><th scope="col">Licence</th></tr></thead>
        <tbody>
          ${models.map((model) => html`
            <tr key=${`${model.name}@${model.version}`}>
              <th scope="row">${model.name} ${model.version}${model.experimental && html` <span class="state">experimental</span>`}</th>
              ${model.status === "refused"
                ? html`<td colspan="4"><span class="state refused">refused</span> ${model.faults.join("; ")}</td>`
                : html`
                  <td>${model.classes ? `${model.classes} classes${model.domain ? ` of ${model.domain}` : ""}` : "–"}</td>
                  <td>${systemOf(model.system)}</td>
                  <td>${model.engine}, ${model.variant}</td>
                  <td>${model.licence || "–"}</td>`}
            </tr>`)}
        </tbody>
      </table>
    </section>`;
}
