// Ways to a photo: drop it, paste it, choose a file, take one with the camera, or one of the examples.

import { html, useEffect, useRef, useState } from "./library.js";
import { ACCEPTED, fileOf, photoOfFile } from "./photos.js";
import { Credit } from "./stage.js";

/** Lets a file be dropped anywhere on the page, or pasted; tells whether one is held above it. */
export function useDropsAndPastes(onPhoto) {
  const [isOver, setOver] = useState(false);
  const latest = useRef(onPhoto);
  latest.current = onPhoto;
  useEffect(() => {
    let isOwn = false; // the page's own photos are files to the browser, too
    const take = (event, transfer) => {
      const file = fileOf(transfer);
      if (!file) return;
      event.preventDefault();
      latest.current(photoOfFile(file));
    };
    const listeners = {
      paste: (event) => {
        if (!isForField(event, event.clipboardData)) take(event, event.clipboardData);
      },
      dragstart: () => {
        isOwn = true;
      },
      dragend: () => {
        isOwn = false;
      },
      drop: (event) => {
        setOver(false);
        if (isForField(event, event.dataTransfer)) return;
        event.preventDefault(); // else the browser would leave the page for the file
        if (!isOwn) take(event, event.dataTransfer);
      },
      dragover: (event) => {
        if (isOwn || !event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        setOver(true);
      },
      dragleave: (event) => {
        if (!event.relatedTarget) setOver(false);
      },
    };
    for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) removeEventListener(name, listener);
    };
  }, []);
  return isOver;
}

/** Whether text is put into a field: some programs give a picture of it as well. */
function isForField(event, transfer) {
  return Boolean(event.target.closest?.("input, textarea") && transfer?.types.includes("text/plain"));
}

/** The first thing on the page: a place to drop a photo, and the examples. */
export function Welcome({ title, text, examples, onPhoto, onExample }) {
  return html`
    <section class="welcome">
      <div class="welcome-head">
        <h1>${title}</h1>
        <p>${text}</p>
      </div>
      <div class="dropzone">
        <svg viewBox="0 0 64 48" aria-hidden="true"><path d="M4 14V8a4 4 0 0 1 4-4h6M50 4h6a4 4 0 0 1 4 4v6M60 34v6a4 4 0 0 1-4 4h-6M14 44H8a4 4 0 0 1-4-4v-6" /><path d="M32 33V16M24 23l8-8 8 8" /></svg>
        <p class="dropzone-title">Drop a photo here</p>
        <p class="dropzone-hint">or paste one from the clipboard</p>
        <div class="dropzone-ways"><${FileButtons} onPhoto=${onPhoto} /></div>
      </div>
      ${examples.length > 0 && html`<${Examples} examples=${examples} onExample=${onExample} heading="Or try one of these" />`}
    </section>`;
}

/** Another photo in place of the one on the stage. */
export function Others({ examples, photo, onPhoto, onExample }) {
  return html`
    <section class="others" aria-label="Another photo">
      <div class="others-ways"><${FileButtons} onPhoto=${onPhoto} isSmall=${true} /></div>
      <${Examples} examples=${examples} photo=${photo} onExample=${onExample} />
    </section>`;
}

function FileButtons({ onPhoto, isSmall }) {
  const chosen = ({ target }) => {
    const file = target.files[0];
    target.value = ""; // so that the same file can be chosen again
    if (file) onPhoto(photoOfFile(file));
  };
  return html`
    <label class=${isSmall ? "button small" : "button primary"}>
      <input type="file" accept=${ACCEPTED} onChange=${chosen} />
      ${isSmall ? "Another photo" : "Choose a photo"}
    </label>
    <label class=${isSmall ? "button small camera" : "button camera"}>
      <input type="file" accept="image/*" capture="environment" onChange=${chosen} />
      Take a photo
    </label>`;
}

function Examples({ examples, photo, onExample, heading }) {
  const row = useRef(null);
  useEffect(() => {
    const list = row.current;
    const observer = new ResizeObserver(() => { // also when the tab opens: before that nothing has a place
      const chosen = list.querySelector("[aria-pressed=true]");
      if (chosen) list.scrollLeft = chosen.offsetLeft + (chosen.offsetWidth - list.clientWidth) / 2;
    });
    observer.observe(list);
    return () => observer.disconnect();
  }, [photo]);
  return html`
    <div class="examples">
      ${heading && html`<h2>${heading}</h2>`}
      <ul ref=${row}>
        ${examples.map((example) => html`
          <li>
            <button type="button" class="example" title=${example.title} aria-pressed=${photo?.example?.file === example.file} onClick=${() => onExample(example)}>
              <img src=${example.url} alt="" loading="lazy" />
              <span>${example.title}</span>
            </button>
          </li>`)}
      </ul>
      ${heading && html`
        <details class="credits">
          <summary>Whose photos these are</summary>
          <ul>${examples.map((example) => html`<li>${example.title}. <${Credit} ...${example.credit} />. Made smaller.</li>`)}</ul>
        </details>`}
    </div>`;
}
