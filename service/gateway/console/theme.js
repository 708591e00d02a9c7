// Puts the chosen colours on before the page is drawn: "light", "dark", or none, which follows the system.
// A classic script in the head, because a module would come after the first paint.

(() => {
  const KEY = "fieldmark-theme";
  const root = document.documentElement;

  function read() {
    try {
      return localStorage.getItem(KEY) ?? "";
    } catch {
      return ""; // a browser may forbid it; then the page forgets
    }
  }

  function choose(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // see above
    }
    dispatchEvent(new Event("themechange"));
  }

  if (read()) root.dataset.theme = read();
  globalThis.fieldmarkTheme = { read, choose };
})();
