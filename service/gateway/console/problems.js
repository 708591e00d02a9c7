// What went wrong, in plain words: the service's problem documents (RFC 9457), and a service that does not answer.
//
// The words go by the stable `type`. The service's own sentence, which names the value and the limit, stands below them.

const WORDS = {
  "bad-request": ["The question was not understood", "Something on the way may have changed it. Try again."],
  "request-timeout": ["The photo came too slowly", "The connection is slow. A smaller photo may get through."],
  "too-large": ["This photo is too large", "Send a smaller copy; a photo 1,000 pixels wide shows all that the models look at."],
  "unsupported-media": ["This is not a photo that can be read", "JPEG, PNG, WebP, GIF, BMP and TIFF can be."],
  "unprocessable-image": ["This photo cannot be opened", "The file may be damaged or cut off. Save it again, or take another."],
  "invalid-parameter": ["One of the wishes cannot be met", "The sentence below says which one."],
  "no-known-subject": ["Nothing here that the models know", "If you are sure that there is, choose what to look for."],
  "not-found": ["There is no such model", "It may have been replaced meanwhile. Load the page again."],
  overloaded: ["Too much to do just now", "The service answers others first."],
  unauthorized: ["A key is needed", "This service answers only those who have one. It stays in this tab."],
  forbidden: ["This key does not allow it", "Ask whoever runs the service."],
  internal: ["The service made a mistake", "It is not your photo. The number below helps whoever runs the service."],
  poison: ["This photo made the service stumble", "It will not be tried again for a while. Try another."],
  "not-ready": ["The service is not ready yet", "The models are still being loaded. Try again in a moment."],
  deadline: ["It took too long", "The time for this question ran out. Try again."],
  unreachable: ["The service cannot be reached", "Is it still running? Then look at the connection."],
};
const OTHER = ["Something went wrong", "This was not expected. Try again."];
/** Those that may go well when the same is asked again. */
const PASSING = new Set(["request-timeout", "overloaded", "internal", "not-ready", "deadline", "unreachable"]);

/** A failure: its `type`, the service's `detail`, the request's `id`, and after how many seconds to come back. */
export class Problem extends Error {
  constructor(type, detail, { id = null, retryAfterS = null } = {}) {
    super(detail);
    Object.assign(this, { type, detail, id, retryAfterS });
  }

  /** Read what the service answered in place of an answer. */
  static async of(response) {
    const retryAfterS = Number(response.headers.get("retry-after")) || null;
    try {
      const { type, detail, instance } = await response.json();
      return new Problem(type, detail, { id: instance, retryAfterS });
    } catch {
      return new Problem("other", `The answer has status ${response.status} and no reason.`, { retryAfterS });
    }
  }

  get title() {
    return (WORDS[this.type] ?? OTHER)[0];
  }

  get advice() {
    const wait = this.retryAfterS ? ` Come back in ${this.retryAfterS} s.` : "";
    return (WORDS[this.type] ?? OTHER)[1] + wait;
  }

  get isPassing() {
    return PASSING.has(this.type);
  }
}
