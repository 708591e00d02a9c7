// One chart of the service's figures: lines over the last minutes, and its latest values in words for those who do not see it.

import { html, plot, useEffect, useRef, useState } from "./library.js";

const HEIGHT_PX = 170;
const MINUTES = 5;
const STROKES = ["--line-1", "--line-2", "--line-3"];

/**
 * A chart of `points`: `lines` are pairs of a point's member and its name, `scale` multiplies them, `most` fixes the top.
 */
export function Chart({ title, unit, lines, scale = 1, most, points }) {
  const target = useRef(null);
  const chart = useRef(null);
  const [drawn, redraw] = useState(0);

  useEffect(() => {
    const again = () => redraw((count) => count + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    const sizes = new ResizeObserver(([{ contentRect }]) => chart.current?.setSize({ width: contentRect.width, height: HEIGHT_PX }));
    sizes.observe(target.current);
    addEventListener("themechange", again);
    system.addEventListener("change", again);
    return () => {
      sizes.disconnect();
      removeEventListener("themechange", again);
      system.removeEventListener("change", again);
    };
  }, []);

  useEffect(() => {
    chart.current = plot(optionsOf(target.current, lines, most), [[], ...lines.map(() => [])], target.current);
    return () => chart.current.destroy();
  }, [drawn]);

  useEffect(() => {
    const columns = lines.map(([name]) => points.map((point) => (point[name] === null ? null : point[name] * scale)));
    chart.current.setData([points.map(({ time }) => time), ...columns]);
  }, [points, drawn]);

  const latest = points.at(-1);
  const said = lines.map(([name, words]) => `${words}: ${shown(latest?.[name], scale)}`).join(", ");
  return html`
    <figure class="card chart">
      <figcaption><strong>${title}</strong> <span>${unit}</span></figcaption>
      <div ref=${target} role="img" aria-label=${`${title}, ${unit}. ${said}.`}></div>
      <ul class="chart-key" aria-hidden="true">
        ${lines.map(([name, words], index) => html`
          <li><span class=${`chart-dot line-${index + 1}`}></span>${words} <b>${shown(latest?.[name], scale)}</b></li>`)}
      </ul>
    </figure>`;
}

function shown(value, scale) {
  if (value === null || value === undefined) return "–";
  const scaled = value * scale;
  return scaled >= 100 || Number.isInteger(scaled) ? scaled.toFixed(0) : scaled.toFixed(scaled < 1 ? 2 : 1);
}

/** From when to when: it grows from one minute to `MINUTES`. */
function windowOf(first) {
  const now = Date.now() / 1000;
  return [Math.max(now - MINUTES * 60, Math.min(first ?? now, now - 60)), now];
}

/** A colour of the theme as a canvas takes it: only a real property of an element tells which of light and dark holds. */
function resolved(element, name) {
  element.style.color = `var(${name})`;
  return getComputedStyle(element).color;
}

function optionsOf(element, lines, most) {
  const colour = (name) => resolved(element, name);
  const axis = { stroke: colour("--muted"), font: "11px Inter, sans-serif", grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  return {
    width: element.clientWidth || 300,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    padding: [12, 8, 0, 0],
    scales: {
      x: { range: (_, first) => windowOf(first) },
      y: { range: (_, __, top) => [0, most ?? Math.max(1, (top ?? 0) * 1.15)] },
    },
    axes: [
      { ...axis, size: 26, space: 84, values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })) },
      { ...axis, size: 44, space: 34 },
    ],
    series: [
      {},
      ...lines.map((_, index) => ({
        stroke: colour(STROKES[index]),
        fill: index === 0 ? colour("--line-fill") : undefined,
        width: 2,
        points: { show: false },
      })),
    ],
  };
}
