// The key that a service may ask for: kept by the browser for this tab alone, and sent with every request.

const PLACE = "fieldmark.key";

/** Headers that show the key, where there is one. */
export function keyHeaders() {
  const key = sessionStorage.getItem(PLACE);
  return key ? { authorization: `Bearer ${key}` } : {};
}

/** Whether a key is sent. */
export function hasKey() {
  return sessionStorage.getItem(PLACE) !== null;
}

/** Send this key from now on, without what no header can hold. */
export function takeKey(key) {
  sessionStorage.setItem(PLACE, key.replace(/[^\x21-\x7e]/g, ""));
}
