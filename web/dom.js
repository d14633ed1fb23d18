// Elements without markup made of text, and values as people read them.

// h('button.quiet', {type: 'button', onclick: act, title: why}, 'Cancel', count)
// A member that begins with "on" is a listener, one that is false, null or undefined is left out, one
// of `style` goes through the CSSOM (the policy allows no style attributes).
export function h(what, members, ...children) {
  const [tag, ...classes] = what.split('.');
  const element = document.createElement(tag || 'div');
  if (classes.length) element.className = classes.join(' ');
  if (members instanceof Node || typeof members !== 'object' || members === null || Array.isArray(members)) {
    children.unshift(members);
    members = {};
  }
  for (const [name, value] of Object.entries(members)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
    else if (name === 'class') element.className += ` ${value}`;
    else if (name === 'value') element.value = value;
    else if (name === 'checked' || name === 'selected' || name === 'disabled') element[name] = Boolean(value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';
export function svg(tag, members = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(members)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.flat(Infinity));
  return element;
}

// Sets a text only where it differs, so that nobody who listens hears it again.
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- values -----------------------------------------------------------------------------------------

const integers = new Intl.NumberFormat('en-US');
export const count = (n) => integers.format(n);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// As the command line writes them: 6.6 MB.
export function size(bytes) {
  if (bytes === null || bytes === undefined) return '–';
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    bytes /= 1000;
    if (bytes < 999.5 || unit === 'TB') return `${bytes < 99.95 ? bytes.toFixed(1) : Math.round(bytes)} ${unit}`;
  }
}

export function short(n) {
  if (n < 1000) return n < 10 && n % 1 ? n.toFixed(1) : String(Math.round(n));
  for (const unit of ['k', 'M', 'G']) {
    n /= 1000;
    if (n < 999.5 || unit === 'G') return `${n < 99.95 ? n.toFixed(1) : Math.round(n)}${unit}`;
  }
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return 'under 1 s';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.round(hours / 24)} days`;
}

export function milliseconds(ms) {
  if (ms < 1) return '<1 ms';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
export const monthName = (month) => MONTHS[month];

// "20240105" is a day of no time zone; as a Date it is that day's midnight in UTC.
export const dayOf = (text) => new Date(Date.UTC(+text.slice(0, 4), +text.slice(4, 6) - 1, +(text.slice(6, 8) || 1)));
export const textOf = (date) => date.toISOString().slice(0, 10).replaceAll('-', '');
export const isoOf = (text) => `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`;

export function day(text, how = 'date') {
  const date = dayOf(text);
  const plain = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  if (text.length === 6) return `${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  return how === 'weekday' ? `${WEEKDAYS[date.getUTCDay()]} ${plain}` : plain;
}

// "3 – 12 Jan 2024", saying a month or a year once where it is the same.
export function range(first, last) {
  if (!last || first === last) return day(first);
  const [a, b] = [dayOf(first), dayOf(last)];
  if (first.length === 6) return a.getUTCFullYear() === b.getUTCFullYear() ? `${MONTHS[a.getUTCMonth()]} – ${day(last)}` : `${day(first)} – ${day(last)}`;
  if (a.getUTCFullYear() !== b.getUTCFullYear()) return `${day(first)} – ${day(last)}`;
  if (a.getUTCMonth() !== b.getUTCMonth()) return `${a.getUTCDate()} ${MONTHS[a.getUTCMonth()]} – ${day(last)}`;
  return `${a.getUTCDate()} – ${day(last)}`;
}

export function clock(time) {
  const at = new Date(time);
  const today = new Date().toDateString() === at.toDateString();
  const text = at.toLocaleTimeString('en-GB');
  return today ? text : `${at.getDate()} ${MONTHS[at.getMonth()]} ${at.getFullYear()}, ${text}`;
}

export function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  if (seconds < 10) return 'just now';
  return `${duration(seconds)} ago`;
}

export function intervalText(ms) {
  if (!ms) return '';
  for (const [unit, length] of [['d', 86400000], ['h', 3600000], ['min', 60000], ['s', 1000]]) if (ms % length === 0) return `${ms / length} ${unit}`;
  return `${ms} ms`;
}

// The lake's label of an interval, "15m" or "15m@100000-110000", as members of a request.
export function intervalOf(label) {
  const found = /^(\d+)(ms|[dhms])(?:@([\d.]*)-([\d.]*))?$/.exec(label ?? '');
  if (!found) return {};
  const unit = {d: 86400000, h: 3600000, m: 60000, s: 1000, ms: 1}[found[2]];
  const time = (text) => (text ? (+text.slice(0, 2) * 3600 + +text.slice(2, 4) * 60) * 1000 + Math.round(parseFloat(text.slice(4)) * 1000) : null);
  const members = {interval: +found[1] * unit};
  if (found[3]) members.start_time = time(found[3]);
  if (found[4]) members.end_time = time(found[4]);
  return members;
}

export const timeText = (ms) => new Date(ms).toISOString().slice(11, ms % 60000 ? 19 : 16);

const SCHEMAS = {quote: 'quotes', ohlc: 'bars', eod: 'end of day'};
// "option quotes · 15 min"
export function seriesText(of) {
  if (of.kind === 'earnings') return 'calendar, whole market';
  const parts = [`${of.kind} ${SCHEMAS[of.schema] ?? of.schema}`];
  if (of.schema !== 'eod' && of.interval) parts.push(intervalText(of.interval));
  if (of.schema !== 'eod' && (of.start_time ?? of.end_time ?? null) !== null) parts.push(`${timeText(of.start_time ?? 0)}–${of.end_time ? timeText(of.end_time) : 'close'}`);
  if (of.return_format === 'ipc') parts.push('Arrow');
  return parts.join(' · ');
}
export function symbolText(of) {
  if (of.kind === 'earnings') return 'Earnings';
  const roots = of.roots ?? [of.root];
  return roots.length > 3 ? `${roots.slice(0, 2).join(', ')} and ${roots.length - 2} more` : roots.join(', ');
}

// --- states, each with a sign of its own: nothing is told by colour alone ----------------------------

export const STATES = {
  present: 'present', no_data: 'no data', failed: 'failed', stale: 'stale', missing: 'missing',
  pending: 'pending', running: 'running', succeeded: 'written', skipped: 'kept', cancelled: 'cancelled',
  queued: 'queued', cancelling: 'cancelling', completed: 'completed', completed_with_errors: 'with errors',
};
export const mark = (state) => h('span.mark', {'data-state': state, 'aria-hidden': 'true'});
export const badge = (state, text = STATES[state] ?? state) => h('span.state', {'data-state': state}, mark(state), text);

// A bar of a job's items by outcome; its text is said beside it.
export function meter(items, total) {
  const parts = ['succeeded', 'skipped', 'no_data', 'failed', 'cancelled', 'running'];
  return h('span.meter', {'aria-hidden': 'true'}, parts.filter((part) => items[part]).map((part) =>
    h('i', {'data-state': part, style: {'flex-grow': items[part]}})), h('i.rest', {style: {'flex-grow': total ? items.pending : 1}}));
}

// --- dialogs and messages ---------------------------------------------------------------------------

// Opens a dialog with what `fill(dialog)` returns; it is gone when it is closed.
export function open(kind, label, fill) {
  const dialog = h(`dialog.${kind}`, {'aria-label': label});
  dialog.append(fill(dialog));
  dialog.addEventListener('click', (event) => event.target === dialog && kind === 'sheet' && dialog.close());
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Asks before something that cannot be taken back; true when it is to be done.
export function confirmed(question, detail, yes, no = 'Keep it') {
  return new Promise((resolve) => {
    const dialog = open('ask', question, () => h('form', {method: 'dialog'},
      h('h2', question), h('p', detail),
      h('div.actions', h('button', {value: 'no', autofocus: true}, no), h('button.danger', {value: 'yes'}, yes))));
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'));
  });
}

// A message for a while, or until it is closed.
export function note(text, {kind = 'done', link = null} = {}) {
  const box = h('div.note', {'data-kind': kind}, h('span', text, link && [' ', h('a', {href: link[0]}, link[1])]),
    h('button.quiet', {type: 'button', 'aria-label': 'Dismiss', onclick: () => box.remove()}, '×'));
  document.getElementById('notes').append(box);
  if (kind === 'done') setTimeout(() => box.remove(), 8000);
}

// What stands in a page's place when there is nothing to show, or when it could not be had.
export const empty = (title, text, ...actions) => h('div.empty', h('h2', title), h('p', text), actions.length ? h('div.actions', actions) : null);
export const failure = (problem, again) => h('div.empty.failure', {role: 'alert'}, h('h2', 'That did not work'), h('p', problem.message),
  h('div.actions', h('button', {type: 'button', onclick: again}, 'Try again')));

export function debounced(wait, act) {
  let timer;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait, ...given);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

// Goes to another page of ours, as a link would.
export const go = (address) => dispatchEvent(new CustomEvent('betedge:go', {detail: address}));
