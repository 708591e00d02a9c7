// The vendored libraries under one name each: only this file knows where they lie (README.md names their releases).

import { h, render } from "./vendor/preact.mjs";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.mjs";
import htm from "./vendor/htm.mjs";

export const html = htm.bind(h);
export { render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };

/** Make a chart. uPlot is a classic script, which has run before any module does. */
export const plot = (options, data, target) => new globalThis.uPlot(options, data, target);
