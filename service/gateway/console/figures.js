// The service's own figures: Prometheus' text format read, and two readings turned into rates and latencies.
//
// Counters and histograms only grow, so what happened between two readings is their difference; a counter that fell began
// anew with its process. Source: Prometheus text exposition format 0.0.4.

const LINE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)/;
const LABEL = /(?<name>[a-zA-Z_]\w*)="(?<value>(?:[^"\\]|\\.)*)"/g;
const PREFIX = "fieldmark_";

/** Read a scrape: for each name, without its prefix, the list of `{labels, value}`. */
export function parseFigures(text) {
  const families = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith(PREFIX) ? LINE.exec(line) : null;
    if (!found) continue;
    const { name, labels = "", value } = found.groups;
    const read = Object.fromEntries([...labels.matchAll(LABEL)].map(({ groups }) => [groups.name, unescape(groups.value)]));
    const key = name.slice(PREFIX.length);
    if (!families.has(key)) families.set(key, []);
    families.get(key).push({ labels: read, value: Number(value) });
  }
  return families;
}

/** What happened between two readings, `before` and `now`, that lie `seconds` apart. */
export function compare(before, now, seconds) {
  const ofTask = ({ labels }) => labels.task !== "none"; // pages and their files are no questions
  const counted = (test) => growth(before, now, "requests_total", (one) => ofTask(one) && test(one.labels.status)) / seconds;
  const latency = histogram(before, now, "request_seconds", ofTask);
  const batches = growth(before, now, "batch_size_count");
  return {
    answered: counted((status) => status.startsWith("2")),
    refused: counted((status) => status === "429"),
    failed: counted((status) => !status.startsWith("2") && status !== "429"),
    p50: quantile(latency, 0.5),
    p95: quantile(latency, 0.95),
    p99: quantile(latency, 0.99),
    queued: total(now, "queue_depth"),
    inflight: total(now, "inflight"),
    batch: batches ? growth(before, now, "batch_size_sum") / batches : null,
  };
}

/** The workers as the service sees them: name, whether it takes requests, what it holds, how busy it is, its memory. */
export function workersOf(now) {
  const of = (name, worker) => now.get(name)?.find(({ labels }) => labels.worker === worker)?.value ?? null;
  return (now.get("worker_up") ?? []).map(({ labels: { worker }, value }) => ({
    worker,
    isUp: value === 1,
    held: of("worker_held", worker),
    busy: of("engine_busy_ratio", worker),
    memory: of("worker_memory_bytes", worker),
  }));
}

/** Seconds below which the share `q` of the values lies, interpolated within its bucket; null without any value. */
export function quantile(buckets, q) {
  const all = buckets.at(-1)?.count ?? 0;
  if (!all) return null;
  const rank = q * all;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const low = index ? buckets[index - 1] : { bound: 0, count: 0 };
  const { bound, count } = buckets[index];
  if (!Number.isFinite(bound)) return low.bound;
  return low.bound + ((bound - low.bound) * (rank - low.count)) / (count - low.count || 1);
}

function growth(before, now, name, test = () => true) {
  const earlier = new Map((before.get(name) ?? []).map((one) => [keyOf(one), one.value]));
  return (now.get(name) ?? []).filter(test).reduce((sum, one) => sum + grown(one.value, earlier.get(keyOf(one)) ?? 0), 0);
}

function grown(value, earlier) {
  return value < earlier ? value : value - earlier;
}

/** The values between two readings as buckets from small to large, each with all that lie below its bound. */
function histogram(before, now, name, test) {
  const family = `${name}_bucket`;
  const bounds = new Set((now.get(family) ?? []).map(({ labels }) => labels.le));
  const buckets = [...bounds].map((le) => ({
    bound: le === "+Inf" ? Infinity : Number(le),
    count: growth(before, now, family, (one) => one.labels.le === le && test(one)),
  }));
  return buckets.sort((a, b) => a.bound - b.bound);
}

function total(now, name) {
  return (now.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);
}

function keyOf({ labels }) {
  return JSON.stringify(labels);
}

function unescape(text) {
  return text.replaceAll("\\n", "\n").replaceAll('\\"', '"').replaceAll("\\\\", "\\");
}
