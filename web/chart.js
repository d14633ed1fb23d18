// Lines over time, in SVG: one axis of values, the newest at the right, a gap where nothing was measured.
import {h, svg, tell} from './dom.js';

const W = 640;
const H = 170;
const PAD = {left: 4, right: 58, top: 10, bottom: 20};

// chart({title, lines: [['downloaded', 'name of it'], …], text: (value) => '1.2 MB/s', minutes})
export function chart({title, lines, text, minutes}) {
  const plot = svg('svg', {viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none', 'aria-hidden': 'true'});
  const picture = h('div.plot', {role: 'img'}, plot);
  const readout = h('p.soft.readout', {'aria-hidden': 'true'});
  const keys = h('ul.keys-of', lines.map(([name, label], i) => h('li', h('span.swatch', {'data-line': i, 'aria-hidden': 'true'}), label, ' ', h('b', {'data-name': name}, '–'))));
  const table = h('table', h('caption.unseen', title));
  const element = h('figure.chart', h('figcaption', h('h3', title), keys), picture, readout, h('details', h('summary', 'As a table'), h('div.scroll', {tabindex: '0', role: 'region', 'aria-label': `${title} as a table`}, table)));
  let points = [];
  let span = [0, 1];

  picture.addEventListener('pointermove', (event) => {
    const box = picture.getBoundingClientRect();
    const at = span[0] + ((event.clientX - box.left) / box.width * W - PAD.left) / (W - PAD.left - PAD.right) * (span[1] - span[0]);
    const point = points.reduce((best, one) => (!best || Math.abs(one.time - at) < Math.abs(best.time - at) ? one : best), null);
    if (point) tell(readout, `${new Date(point.time).toLocaleTimeString('en-GB')}: ${lines.map(([name, label]) => `${label} ${point[name] === null ? '–' : text(point[name])}`).join(', ')}`);
  });
  picture.addEventListener('pointerleave', () => tell(readout, ''));

  function draw(next) {
    const now = Date.now();
    span = [now - minutes * 60000, now];
    points = next.filter((point) => point.time >= span[0]);
    const highest = Math.max(0, ...points.flatMap((point) => lines.map(([name]) => point[name] ?? 0)));
    const most = niceTop(highest);
    const x = (time) => PAD.left + (time - span[0]) / (span[1] - span[0]) * (W - PAD.left - PAD.right);
    const y = (value) => H - PAD.bottom - value / most * (H - PAD.top - PAD.bottom);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(svg('line', {class: 'grid', x1: PAD.left, x2: W - PAD.right, y1: y(most * share), y2: y(most * share)}));
    }
    lines.forEach(([name], i) => {
      let path = '';
      let before = null;
      let area = '';
      let from = 0;
      for (const point of points) {
        const value = point[name];
        if (value === null || value === undefined) {
          before = null;
          continue;
        }
        const isNew = before === null || point.time - before > 40000;
        if (isNew && area) area += `L${x(before).toFixed(1)},${y(0)}L${x(from).toFixed(1)},${y(0)}Z`;
        if (isNew) from = point.time;
        const place = `${x(point.time).toFixed(1)},${y(value).toFixed(1)}`;
        path += `${isNew ? 'M' : 'L'}${place}`;
        area += `${isNew ? 'M' : 'L'}${place}`;
        before = point.time;
      }
      if (area && i === 0) parts.push(svg('path', {class: 'area', d: before === null ? area : `${area}L${x(before).toFixed(1)},${y(0)}L${x(from).toFixed(1)},${y(0)}Z`}));
      if (path) parts.push(svg('path', {class: 'line', 'data-line': i, d: path}));
      const newest = points.at(-1)?.[name];
      tell(keys.querySelector(`[data-name="${name}"]`), newest === null || newest === undefined ? '–' : text(newest));
    });
    plot.replaceChildren(...parts);
    // Texts are HTML: an SVG that is stretched would stretch them, too.
    picture.replaceChildren(plot, ...(highest > 0 ? [0, 0.5, 1] : [0]).map((share) => h('span.tick', {style: {top: `${y(most * share) / H * 100}%`}}, share ? text(most * share) : '0')),
      h('span.tick.time', {style: {left: '0'}}, `${minutes} min ago`), h('span.tick.time.now', 'now'));
    picture.setAttribute('aria-label', points.length
      ? `${title}, last ${minutes} minutes. ${lines.map(([name, label]) => `${label}: now ${say(points.at(-1)[name])}, at most ${say(Math.max(0, ...points.map((point) => point[name] ?? 0)))}`).join('. ')}`
      : `${title}: nothing measured yet`);
    table.replaceChildren(table.caption, h('thead', h('tr', h('th', {scope: 'col'}, 'Time'), lines.map(([, label]) => h('th', {scope: 'col'}, label)))),
      h('tbody', points.slice(-20).reverse().map((point) => h('tr', h('th', {scope: 'row'}, new Date(point.time).toLocaleTimeString('en-GB')), lines.map(([name]) => h('td', say(point[name])))))));
  }
  const say = (value) => (value === null || value === undefined ? '–' : text(value));
  return {element, draw};
}

// The next of 1, 2, 5, 10, … not below.
function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= value * 0.999);
}
