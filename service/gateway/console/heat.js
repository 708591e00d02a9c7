// Evidence as light on a photo: what counted glows, what did not is dimmed.
//
// A map has few cells, often 7 x 7; between their centres it is interpolated by Catmull and Rom's cubic, kept within 0..1.

const SIDE_PX = 224;
const GLOW = [255, 170, 20];
const SHADE = [8, 14, 12];
const GLOW_STRENGTH = 0.46;
const SHADE_STRENGTH = 0.5;

/** Paint a map `{rows, columns, values}` onto a canvas, which takes on a fitting size. */
export function paintEvidence(canvas, { rows, columns, values, box }) {
  const scale = SIDE_PX / Math.max(box.width, box.height);
  canvas.width = Math.max(2, Math.round(box.width * scale));
  canvas.height = Math.max(2, Math.round(box.height * scale));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y += 1) {
    const row = ((y + 0.5) / canvas.height) * rows - 0.5;
    for (let x = 0; x < canvas.width; x += 1) {
      const column = ((x + 0.5) / canvas.width) * columns - 0.5;
      image.data.set(colour(interpolate(values, rows, columns, row, column)), 4 * (y * canvas.width + x));
    }
  }
  context.putImageData(image, 0, 0);
}

/** The value at a place between cells; cells beyond the edge are as those on it. */
export function interpolate(values, rows, columns, row, column) {
  const top = Math.floor(row);
  const left = Math.floor(column);
  const lines = [-1, 0, 1, 2].map((step) => {
    const line = clamp(top + step, 0, rows - 1) * columns;
    const [a, b, c, d] = [-1, 0, 1, 2].map((across) => values[line + clamp(left + across, 0, columns - 1)]);
    return cubic(a, b, c, d, column - left);
  });
  return clamp(cubic(...lines, row - top), 0, 1);
}

/** Red, green, blue and opacity of 0..255 for evidence of 0..1. */
function colour(value) {
  const glow = GLOW_STRENGTH * value ** 1.5;
  const shade = SHADE_STRENGTH * (1 - value) ** 1.6;
  const opacity = glow + shade;
  const mixed = GLOW.map((part, index) => (part * glow + SHADE[index] * shade) / opacity);
  return [...mixed, 255 * opacity];
}

function cubic(a, b, c, d, t) {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
