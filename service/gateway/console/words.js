// Numbers and names as a person reads them.

const NOUNS = { birds: ["bird", "birds"], cars: ["car", "cars"] };

const SYSTEMS = { pma: "PMA", pma_student: "PMA student", pma_visual: "PMA visual", rams_trans: "RAMS-Trans", s3n: "S3N" };

/** Whether a domain's members have a name of their own here. */
export function hasNoun(domain) {
  return domain in NOUNS;
}

/** One member of a domain, or several: "bird", "birds". */
export function nounOf(domain, count = 1) {
  const [one, many] = NOUNS[domain] ?? ["subject", "subjects"];
  return count === 1 ? one : many;
}

/** What the finest level counts: a domain of birds has species, others have classes named by their domain. */
export function classesOf(model) {
  const finest = model?.levels?.at(-1);
  return finest === "species" ? "species" : nounOf(model?.domain, 2);
}

/** A system by the name that its paper has for it. */
export function systemOf(name) {
  return SYSTEMS[name] ?? capital(name.replaceAll("_", " "));
}

/** A probability of 0..1 in per cent; never 100 %, which nothing is, and never 0. */
export function percent(share) {
  if (share > 0.999) return "99.9\u00a0%";
  if (share < 0.001) return "under 0.1\u00a0%";
  const digits = share >= 0.1 && share < 0.995 ? 0 : 1;
  return `${(share * 100).toFixed(digits)}\u00a0%`;
}

/** A name with its first letter large. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Words with commas and an "and". */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Milliseconds with as many digits as say something; seconds where they are many. */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)}\u00a0s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0ms`;
}

/** Bytes in MB. */
export function megabytes(bytes) {
  return `${Math.round(bytes / 1e6).toLocaleString("en")}\u00a0MB`;
}

/** Where in a photo of `size` a box lies, as one would tell a person on the telephone. */
export function placeOf(box, size) {
  const third = (middle, whole, names) => names[Math.min(2, Math.max(0, Math.floor((middle / whole) * 3)))];
  const down = third(box.y + box.height / 2, size.height, ["upper", "middle", "lower"]);
  const across = third(box.x + box.width / 2, size.width, ["left", "centre", "right"]);
  if (down === "middle") return across === "centre" ? "in the middle" : `on the ${across}`;
  return across === "centre" ? `in the ${down} middle` : `at the ${down} ${across}`;
}
