// The photo with what is drawn on it, and the list that says the same in words.
//
// Everything is placed in pixels of the photo as the service counted them: the drawing's coordinates are the photo's, and
// the browser scales both together.

import { paintEvidence } from "./heat.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "./library.js";

const UNSEEN = { width: 640, height: 360 }; // the frame of a photo that is not, or not yet, seen
const ENLARGED = 2.5; // a small photo is shown at most this much larger than it is

/** The photo; `overlays` are those of `overlays.js`, `size` is the photo's as the service told it. */
export function Stage({ photo, overlays, size, isBusy, note }) {
  const [natural, setNatural] = useState(null);
  const [isShown, setShown] = useState(true);
  const [pointed, setPointed] = useState(null);
  const shape = natural?.url === photo.url ? natural : null;
  const frame = size ?? shape ?? UNSEEN;
  const hasOverlays = Boolean(size && (overlays.marks.length || overlays.evidence || overlays.cells));
  const style = { "--ratio": frame.width / frame.height, "--most": `${frame.width * ENLARGED}px` };
  const loaded = ({ target }) => setNatural({ url: photo.url, width: target.naturalWidth, height: target.naturalHeight });
  const failed = () => setNatural({ url: photo.url, ...frame, isUnseen: true });
  return html`
    <figure class="stage" aria-busy=${isBusy}>
      <div class="stage-mat">
        <div class="stage-photo" style=${style}>
          ${shape?.isUnseen
            ? html`<p class="stage-unseen">This browser cannot show ${photo.name}. The service may read it all the same.</p>`
            : html`<img src=${photo.url} alt=${`The photo: ${photo.example?.title ?? photo.name}`} onLoad=${loaded} onError=${failed} />`}
          ${hasOverlays && isShown && html`<${Drawing} overlays=${overlays} size=${size} pointed=${pointed} />`}
        </div>
      </div>
      <figcaption>
        <${Caption} photo=${photo} size=${size ?? shape} />
        ${hasOverlays && html`<${Legend} overlays=${overlays} note=${note} isShown=${isShown} onShow=${setShown} onPoint=${setPointed} />`}
      </figcaption>
    </figure>`;
}

function Caption({ photo, size }) {
  const credit = photo.example?.credit;
  const pixels = size && !size.isUnseen ? `${size.width} × ${size.height} px` : "";
  return html`
    <p class="caption">
      <span class="caption-name">${photo.example?.title ?? photo.name}</span>
      ${pixels && html`<span>${pixels}</span>`}
      ${credit && html`<span><${Credit} ...${credit} /></span>`}
    </p>`;
}

/** Whose a photo is, and under which licence. */
export function Credit({ author, licence, licence_url: url }) {
  return html`Photo: ${author}, ${url ? html`<a href=${url} rel="license noreferrer">${licence}</a>` : licence}`;
}

function Drawing({ overlays, size, pointed }) {
  const { marks, evidence, cells } = overlays;
  return html`
    ${evidence && html`<${Evidence} evidence=${evidence} size=${size} />`}
    <svg class="drawing" viewBox=${`0 0 ${size.width} ${size.height}`} preserveAspectRatio="none" aria-hidden="true">
      ${cells && html`<${Cells} cells=${cells} />`}
      ${marks.map(({ box, colour }, index) => html`
        <g class=${pointed === null || pointed === index ? "mark" : "mark faded"}>
          <rect class="mark-edge" ...${box} />
          <rect class="mark-line" ...${box} stroke=${colour} data-mark=${index} />
        </g>`)}
    </svg>
    ${marks.map(({ box, colour, tag }, index) => html`
      <span class=${pointed === null || pointed === index ? "mark-tag" : "mark-tag faded"} aria-hidden="true"
        style=${{ left: `${(100 * box.x) / size.width}%`, top: `${(100 * box.y) / size.height}%`, background: colour }}>${tag}</span>`)}`;
}

function Evidence({ evidence, size }) {
  const canvas = useRef(null);
  useLayoutEffect(() => paintEvidence(canvas.current, evidence), [evidence]);
  const { x, y, width, height } = evidence.box;
  const style = {
    left: `${(100 * x) / size.width}%`,
    top: `${(100 * y) / size.height}%`,
    width: `${(100 * width) / size.width}%`,
    height: `${(100 * height) / size.height}%`,
  };
  return html`<canvas class="evidence" ref=${canvas} style=${style} aria-hidden="true"></canvas>`;
}

/** The cells that were not read, in shade. */
function Cells({ cells: { rows, columns, box, isRead } }) {
  const width = box.width / columns;
  const height = box.height / rows;
  return isRead.map((wasRead, index) => !wasRead && html`
    <rect class="cell" x=${box.x + (index % columns) * width} y=${box.y + Math.floor(index / columns) * height}
      width=${width} height=${height} />`);
}

function Legend({ overlays, note, isShown, onShow, onPoint }) {
  const { marks, evidence, cells } = overlays;
  const told = marks.filter(({ title }) => title);
  useEffect(() => () => onPoint(null), [overlays]);
  return html`
    <div class="legend">
      <label class="switch">
        <input type="checkbox" checked=${isShown} onChange=${({ target }) => onShow(target.checked)} />
        <span>Show ${overlays.name}</span>
      </label>
      ${evidence && html`<p class="legend-line"><span class="legend-light" aria-hidden="true"></span>The brighter a place, the more it counted.</p>`}
      ${cells && html`<p class="legend-line">${cells.isRead.filter(Boolean).length} of ${cells.isRead.length} cells were read for this question; the others lie in shade.</p>`}
      ${told.length > 0 && html`
        <ol class="marks">
          ${told.map(({ colour, tag, title, detail }, index) => html`
            <li tabindex="0" onMouseEnter=${() => onPoint(index)} onMouseLeave=${() => onPoint(null)}
              onFocus=${() => onPoint(index)} onBlur=${() => onPoint(null)}>
              <span class="marks-tag" style=${{ background: colour }}>${tag}</span>
              <span><strong>${title}</strong> ${detail}</span>
            </li>`)}
        </ol>`}
      ${note && html`<p class="legend-note">${note}</p>`}
    </div>`;
}
