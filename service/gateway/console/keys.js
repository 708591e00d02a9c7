// The key that a service may ask for: kept by the browser for this tab alone, and sent with every request.

const PLACE = "fieldmark.key";

let taken = null; // all there is where a browser forbids to store

/** Headers that show the key, where there is one. */
export function keyHeaders() {
  const key = read();
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** Whether a key is sent. */
export function hasKey() {
  return Boolean(read());
}

/** Send this key from now on, without what no header can hold. */
export function takeKey(key) {
  taken = key.replace(/[^\x21-\x7e]/g, "");
  try {
    sessionStorage.setItem(PLACE, taken);
  } catch {
    // see above
  }
}

function read() {
  try {
    return taken ?? sessionStorage.getItem(PLACE);
  } catch {
    return taken;
  }
}
