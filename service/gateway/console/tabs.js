// Tabs by the pattern of the ARIA Authoring Practices: one stop for the Tab key, arrows between them; the address keeps
// which one is open.

import { html, useEffect, useRef, useState } from "./library.js";

/** Which of the tabs `ids` the address names, else the first; and how to open another. */
export function useOpenTab(ids) {
  const named = () => location.hash.slice(1);
  const [open, setOpen] = useState(named());
  useEffect(() => {
    const follow = () => setOpen(named());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const choose = (id) => {
    history.replaceState(null, "", `#${id}`);
    setOpen(id);
  };
  return [ids.includes(open) ? open : ids[0], choose];
}

/** The row of tabs: pairs of an id and a title. */
export function TabList({ tabs, open, onOpen }) {
  const row = useRef(null);
  const move = (event) => {
    const at = tabs.findIndex(([id]) => id === open);
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [id] = tabs.at(steps[event.key] % tabs.length);
    onOpen(id);
    row.current.querySelector(`#tab-${id}`).focus();
  };
  return html`
    <div class="tabs" role="tablist" aria-label="Tasks" ref=${row} onKeyDown=${move}>
      ${tabs.map(([id, title]) => html`
        <button type="button" role="tab" id=${`tab-${id}`} aria-controls=${`panel-${id}`} aria-selected=${id === open}
          tabindex=${id === open ? 0 : -1} onClick=${() => onOpen(id)}>${title}</button>`)}
    </div>`;
}

/** The panel of a tab; it keeps what is in it while another is open. */
export function Panel({ id, isOpen, children }) {
  return html`<div role="tabpanel" id=${`panel-${id}`} aria-labelledby=${`tab-${id}`} hidden=${!isOpen} tabindex="-1">${children}</div>`;
}
