// The upstreams, what they may be asked at once, and how much comes through: rates out of two scrapes of
// /metrics, so they are the server's own counters and nobody's guess.
import {h, tell, count, plural, size, short, milliseconds, badge, note, empty, failure} from './dom.js';
import {ask, get, every, may} from './api.js';
import {chart} from './chart.js';

const MINUTES = 10;
let last = null;  // the scrape before
let points = restored();

function restored() {
  try {
    return JSON.parse(sessionStorage.getItem('betedge.points')) ?? [];
  } catch {
    return [];
  }
}

// "name{a="b"} 1" by name: [[labels, value], …] of the few families that are drawn.
function read(text) {
  const wanted = new Set(['betedge_bytes_total', 'betedge_rows_total', 'betedge_items_total', 'betedge_upstream_request_duration_seconds_bucket']);
  const families = {};
  for (const line of text.split('\n')) {
    const brace = line.indexOf('{');
    if (brace < 0 || !wanted.has(line.slice(0, brace))) continue;
    const end = line.lastIndexOf('}');
    const labels = Object.fromEntries([...line.slice(brace + 1, end).matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    (families[line.slice(0, brace)] ??= []).push([labels, +line.slice(end + 1)]);
  }
  const sum = (name, test = () => true) => (families[name] ?? []).reduce((total, [labels, value]) => total + (test(labels) ? value : 0), 0);
  const buckets = new Map();
  for (const [labels, value] of families.betedge_upstream_request_duration_seconds_bucket ?? []) {
    if (labels.endpoint === 'probe') continue;
    const le = labels.le === '+Inf' ? Infinity : +labels.le;
    buckets.set(le, (buckets.get(le) ?? 0) + value);
  }
  return {
    time: Date.now(), downloaded: sum('betedge_bytes_total', (labels) => labels.direction === 'downloaded'), written: sum('betedge_bytes_total', (labels) => labels.direction === 'written'),
    rows: sum('betedge_rows_total'), objects: sum('betedge_items_total'), buckets: [...buckets].sort((a, b) => a[0] - b[0]),
  };
}

// The time within which `share` of the calls between two scrapes ended; even within a bucket.
function quantile(now, before, share) {
  const counts = now.map(([le, value]) => [le, value - (before.find(([other]) => other === le)?.[1] ?? 0)]);
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  let [low, below] = [0, 0];
  for (const [le, upTo] of counts) {
    if (upTo >= share * total) return (le === Infinity ? low : low + (le - low) * (share * total - below) / (upTo - below)) * 1000;
    [low, below] = [le, upTo];
  }
  return low * 1000;
}

export async function sample(signal) {
  const now = read(await get('/metrics', {signal}));
  const before = last;
  last = now;
  if (!before || now.rows < before.rows || now.objects < before.objects) return;  // the first, or another process
  const seconds = (now.time - before.time) / 1000;
  if (seconds < 0.5) return;
  const rate = (name) => Math.max(0, (now[name] - before[name]) / seconds);
  points.push({time: now.time, downloaded: rate('downloaded'), written: rate('written'), rows: rate('rows'), objects: rate('objects'),
    p50: quantile(now.buckets, before.buckets, 0.5), p95: quantile(now.buckets, before.buckets, 0.95)});
  points = points.filter((point) => point.time > now.time - MINUTES * 60000);
  try {
    sessionStorage.setItem('betedge.points', JSON.stringify(points));
  } catch {
    // They are kept for as long as the page is.
  }
}

export function activityPage(root, {signal}) {
  const upstreams = h('div.upstreams');
  const charts = [
    chart({title: 'Throughput', minutes: MINUTES, lines: [['downloaded', 'downloaded'], ['written', 'written']], text: (value) => `${size(value)}/s`}),
    chart({title: 'Rows', minutes: MINUTES, lines: [['rows', 'rows per second']], text: short}),
    chart({title: 'Upstream latency', minutes: MINUTES, lines: [['p50', 'half within'], ['p95', '95 % within']], text: milliseconds}),
    chart({title: 'Objects', minutes: MINUTES, lines: [['objects', 'ended per second']], text: (value) => (value < 10 ? value.toFixed(value && value < 1 ? 2 : 1) : String(Math.round(value)))}),
  ];
  root.append(h('div.head', h('h1', 'Activity')), h('section', {'aria-label': 'Upstreams'}, upstreams));
  // They come behind the cards, whose height is known then: nothing that is being read moves.
  const below = [
    h('section.charts', {'aria-label': 'Charts'}, charts.map((one) => one.element)),
    h('p.soft', `Measured while this dashboard is open, ${MINUTES} minutes of it. Latency is worked out from the histogram of all upstream calls, so it is as fine as its buckets. `, h('a', {href: '/metrics'}, 'All metrics')),
  ];
  const cards = new Map();
  const draw = () => charts.forEach((one) => one.draw(points));

  async function load() {
    try {
      const found = (await get('/upstreams', {signal})).upstreams;
      if (!cards.size) upstreams.replaceChildren();
      for (const upstream of found) {
        let card = cards.get(upstream.name);
        if (!card) {
          card = upstreamCard(upstream, load);
          cards.set(upstream.name, card);
          upstreams.append(card.element);
        }
        card.fill(upstream);
      }
      if (!found.length) upstreams.replaceChildren(empty('No upstream', 'This process only answers requests; the workers have the upstreams.'));
    } catch (problem) {
      if (problem.name !== 'AbortError' && !cards.size) upstreams.replaceChildren(failure(problem, load));
    }
    if (!below[0].isConnected) root.append(...below);
  }
  every(2000, signal, load);
  every(2000, signal, async () => {
    await sample(signal);
    if (!signal.aborted) draw();
  });
  draw();
}

const NAMES = {thetadata: 'ThetaData', nasdaq: 'NASDAQ calendar'};

function upstreamCard(upstream, changed) {
  const circuit = h('p.circuit', {role: 'status'});
  const slots = h('div.slots', {'aria-hidden': 'true'});
  const words = h('p');
  const figures = h('dl.figures');
  const id = `limit-${upstream.name}`;
  const number = h('input', {type: 'number', id, min: 1, max: 256, step: 1, value: upstream.concurrency, required: true});
  const slider = h('input', {type: 'range', min: 1, max: 32, step: 1, value: Math.min(32, upstream.concurrency), 'aria-label': `Calls at once for ${NAMES[upstream.name] ?? upstream.name}, slider`});
  const button = h('button', {type: 'submit', disabled: true}, 'Change');
  const error = h('p.error', {role: 'alert'});
  let now = upstream;
  const isChanged = () => (button.disabled = +number.value === now.concurrency || !may('admin'));
  number.addEventListener('input', () => {
    slider.value = Math.min(32, number.value);
    isChanged();
  });
  slider.addEventListener('input', () => {
    number.value = slider.value;
    isChanged();
  });
  const form = h('form.limit', {onsubmit: async (event) => {
    event.preventDefault();
    if (!number.reportValidity()) return;
    button.disabled = true;
    error.textContent = '';
    try {
      now = await ask('PUT', `/upstreams/${encodeURIComponent(upstream.name)}`, {body: {concurrency: +number.value}});
      note(`${NAMES[upstream.name] ?? upstream.name} gets at most ${plural(now.concurrency, 'call')} at once, until the server ends.`);
      await changed();
    } catch (problem) {
      error.textContent = problem.message;
      isChanged();
    }
  }}, h('label', {for: id}, 'Calls at once'), slider, number, button, error);
  const element = h('article.card.upstream', {'aria-label': NAMES[upstream.name] ?? upstream.name}, h('header', h('h2', NAMES[upstream.name] ?? upstream.name), circuit), slots, words, figures, form);

  function fill(next) {
    const isEdited = +number.value !== now.concurrency;
    now = next;
    if (!isEdited || document.activeElement === document.body && +number.value === next.concurrency) {
      number.value = next.concurrency;
      slider.value = Math.min(32, next.concurrency);
    }
    isChanged();
    circuit.replaceChildren(badge(next.circuit === 'open' ? 'failed' : next.waiting_for ? 'stale' : 'present', next.circuit === 'open' ? 'gone, probed' : next.waiting_for ? 'waiting' : next.calls || next.version ? 'there' : 'not asked yet'),
      h('span.soft', next.version ? ` protocol ${next.version}` : ''));
    const most = Math.min(next.concurrency, 64);
    slots.replaceChildren(...Array.from({length: most}, (_, i) => h('i', {'data-slot': i < next.in_use ? 'used' : i < next.allowed ? 'free' : 'held'})));
    tell(words, [`${next.in_use} of ${next.concurrency} in use`, next.allowed < next.concurrency ? `${next.allowed} allowed just now` : '', next.waiting ? `${count(next.waiting)} waiting` : '', next.waiting_for ?? ''].filter(Boolean).join(' · '));
    figures.replaceChildren(...[['Calls', count(next.calls)], ['Failed', count(next.failed_calls)], ['Per second', next.calls_per_second.toFixed(1), ' last minute']].map(([term, value, small]) =>
      h('div', h('dt', term), h('dd', value, small && h('small', small)))));
  }
  return {element, fill};
}
