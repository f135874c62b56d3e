// Places names beside the points of a chart. A part of report.js.
const NAME_HEIGHT = 15;
const NAME_GAPS = [9, 16, 26, 38, 54, 74, 98];
const NARROW_GAPS = NAME_GAPS.slice(0, 4);
const NAME_ANGLES = 24;
const MARK_RADIUS = 7;

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function crosses([a, b], [c, d]) {
  const side = (p, q, r) => Math.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x));
  return side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);
}

function meets(line, box) {
  const corners = [
    { x: box.left, y: box.top }, { x: box.right, y: box.top },
    { x: box.right, y: box.bottom }, { x: box.left, y: box.bottom },
  ];
  return corners.some((corner, i) => crosses(line, [corner, corners[(i + 1) % 4]]));
}

// Places each name beside its point, or joins both by a line if it is crowded. Points of the front come first. No
// name covers another name or a mark. A name without room nearby is left out: the pointer and the table show it.
function names(chart, traces, colour) {
  const { w: width, h: height } = chart._fullLayout._size;
  const { xaxis, yaxis } = chart.layout;
  const place = (axis, value, length) => {
    const at = axis.type === "log" ? Math.log10(value) : value;
    return ((at - axis.range[0]) / (axis.range[1] - axis.range[0])) * length;
  };
  const pen = document.createElement("canvas").getContext("2d");
  const size = onPaper() ? 9 : narrow.matches ? 10.5 : 12;
  pen.font = `${size}px system-ui, sans-serif`;
  const points = traces.filter((trace) => trace.named).map((trace) => ({
    trace,
    x: place(xaxis, trace.x[0], width),
    y: height - place(yaxis, trace.y[0], height),
    half: pen.measureText(trace.name.replace(/&[#\w]+;/g, "x")).width / 2 + 3,
  })).filter(({ x, y }) => x >= 0 && x <= width && y >= 0 && y <= height);
  const marks = points.map(({ x, y }) => ({
    left: x - MARK_RADIUS, right: x + MARK_RADIUS, top: y - MARK_RADIUS, bottom: y + MARK_RADIUS,
  }));
  // The line of the front goes right, then up. Names avoid it, the lines to teachers and the whiskers if they can.
  const stairs = traces.filter((trace) => trace.line?.shape === "hv").flatMap(({ x, y }) => x.slice(1).flatMap((_, i) => {
    const at = (j, k) => ({ x: place(xaxis, x[j], width), y: height - place(yaxis, y[k], height) });
    return [[at(i, i), at(i + 1, i)], [at(i + 1, i), at(i + 1, i + 1)]];
  }));
  const at = (x, y) => ({ x: place(xaxis, x, width), y: height - place(yaxis, y, height) });
  traces.filter((trace) => trace.legendgroup).forEach(({ x, y }) => stairs.push([at(x[0], y[0]), at(x[1], y[1])]));
  points.forEach(({ trace: { x, y, error_x: across, error_y: up } }) => {
    if (across?.visible) stairs.push([at(x[0] - across.arrayminus[0], y[0]), at(x[0] + across.array[0], y[0])]);
    if (up?.visible) stairs.push([at(x[0], y[0] - up.arrayminus[0]), at(x[0], y[0] + up.array[0])]);
  });
  const near = (a) => points.filter((b) => Math.hypot(a.x - b.x, a.y - b.y) < 2 * a.half).length;
  const placed = [];
  const first = ({ trace }) => (trace.named === "front" ? 0 : 1);
  [...points].sort((a, b) => first(a) - first(b) || near(b) - near(a)).forEach((point) => {
    let best = null;
    (narrow.matches ? NARROW_GAPS : NAME_GAPS).forEach((gap) => {
      for (let i = 0; i < NAME_ANGLES; i += 1) {
        const angle = (2 * Math.PI * i) / NAME_ANGLES;
        const x = point.x + Math.cos(angle) * (gap + point.half);
        const y = point.y + Math.sin(angle) * (gap + NAME_HEIGHT / 2);
        const box = {
          left: x - point.half, right: x + point.half, top: y - NAME_HEIGHT / 2, bottom: y + NAME_HEIGHT / 2,
        };
        const line = [{ x: point.x, y: point.y }, { x, y }];
        const outside = box.left < 0 || box.right > width || box.top < 0 || box.bottom > height;
        if (outside || marks.some((mark) => overlap(mark, box))) continue;
        if (placed.some((other) => overlap(other.box, box) || meets(line, other.box) || meets(other.line, box))) continue;
        // The front is the upper left edge of the cloud: its names go outwards, all others go inwards.
        const outwards = point.trace.named === "front" ? -1 : 1;
        const cost = gap + 6 * (1 - (outwards * (Math.cos(angle) + Math.sin(angle))) / Math.SQRT2)
          + 30 * placed.filter((other) => crosses(line, other.line)).length
          + 12 * stairs.filter((stair) => meets(stair, box)).length
          + 20 * marks.filter((mark, j) => points[j] !== point && meets(line, mark)).length;
        if (best === null || cost < best.cost) best = { cost, box, line, x, y };
      }
    });
    if (best !== null) placed.push({ ...best, point });
  });
  return placed.map(({ point, x, y }) => ({
    x: xaxis.type === "log" ? Math.log10(point.trace.x[0]) : point.trace.x[0],
    y: yaxis.type === "log" ? Math.log10(point.trace.y[0]) : point.trace.y[0],
    ax: x - point.x, ay: y - point.y,
    text: point.trace.name, font: { size }, xanchor: "center", yanchor: "middle", borderpad: 1,
    showarrow: true, arrowhead: 0, arrowwidth: 1, standoff: MARK_RADIUS,
    arrowcolor: shadeOf(point.trace.tint, colour),
  }));
}
