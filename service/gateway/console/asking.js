// One question at a time: asks, gives up the question before, and keeps what came of it.

import { useCallback, useEffect, useRef, useState } from "./library.js";
import { ask } from "./service.js";

const IDLE = { phase: "idle", question: null, answer: null, problem: null };

/**
 * The state of asking: `phase` is "idle", "busy", "done" or "failed", with the `question`, and its `answer` or `problem`.
 *
 * While a question is under way the answer before it stays, so that the page does not flicker.
 */
export function useAsking() {
  const [state, setState] = useState(IDLE);
  const running = useRef(null);

  const reset = useCallback(() => {
    running.current?.abort();
    running.current = null;
    setState(IDLE);
  }, []);

  const start = useCallback(async (question) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const isCurrent = () => running.current === controller;
    setState((before) => ({ ...before, phase: "busy" }));
    try {
      const answer = await ask(question, controller.signal);
      if (isCurrent()) setState({ phase: "done", question, answer, problem: null });
    } catch (problem) {
      if (isCurrent()) setState({ phase: "failed", question, answer: null, problem });
    }
  }, []);

  useEffect(() => () => running.current?.abort(), []);
  return { ...state, start, reset };
}
