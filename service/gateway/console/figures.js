// The service's own figures: two readings turned into rates and latencies.
//
// Counts only grow, so what happened between two readings is their difference; where they fell, the service began anew.

const NOTHING = { answered: 0, refused: 0, failed: 0, latency: [], batch_count: 0, batch_sum: 0 };

/** What happened between two readings, `before` and `now`, that lie `seconds` apart. */
export function compare(before, now, seconds) {
  const { questions } = now;
  const earlier = asked(questions) < asked(before.questions) ? NOTHING : before.questions;
  const grown = (name) => questions[name] - earlier[name];
  const latency = bucketsOf(questions, earlier);
  return {
    answered: grown("answered") / seconds,
    refused: grown("refused") / seconds,
    failed: grown("failed") / seconds,
    p50: quantile(latency, 0.5),
    p95: quantile(latency, 0.95),
    p99: quantile(latency, 0.99),
    queued: now.queued,
    inflight: now.inflight,
    batch: grown("batch_count") ? grown("batch_sum") / grown("batch_count") : null,
  };
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

function asked({ answered, refused, failed }) {
  return answered + refused + failed;
}

/** The values between two readings as buckets from small to large, each with all that lie below its bound. */
function bucketsOf({ bounds_s: bounds, latency }, earlier) {
  let count = 0;
  return [...bounds, Infinity].map((bound, index) => {
    count += latency[index] - (earlier.latency[index] ?? 0);
    return { bound, count };
  });
}
