// A request with its plan beside it while it is being written; and what plans and running jobs look
// like wherever they are shown.
import {h, tell, count, plural, size, duration, day, range, badge, meter, debounced, note, go, isoOf, intervalText} from './dom.js';
import {post, get, live, newKey, may} from './api.js';

// --- a plan: the answer of a dry run ----------------------------------------------------------------

export function planView(plan) {
  const {total, present, missing, calls, expected, items} = plan;
  const todo = items.filter((item) => item.state === 'missing');
  const list = todo.slice(0, 200);
  const about = expected.bytes === null ? 'Size and time are not known yet: nothing like all of these has been downloaded.' : `Size and time are worked out from ${plural(expected.from_objects, 'object')} like these.`;
  const early = plan.not_yet_available;
  return h('div.plan-view',
    h('dl.figures',
      h('div', h('dt', 'To download'), h('dd', count(missing), h('small', total === missing ? ` ${missing === 1 ? 'object' : 'objects'}` : ` of ${plural(total, 'object')}`))),
      h('div', h('dt', 'There already'), h('dd', count(present))),
      h('div', h('dt', 'Upstream calls'), h('dd', count(calls))),
      expected.bytes !== null && h('div', h('dt', 'About'), h('dd', size(expected.bytes), h('small', expected.seconds === null ? '' : ` in ${duration(expected.seconds)}`)))),
    h('p.soft', missing ? about : 'Every object is there, and fresh: the job would end at once.'),
    early.length ? h('p.soft', `${plural(early.length, 'day')} not yet over in New York, from ${day(early[0])}: left out.`) : null,
    list.length ? h('details', h('summary', `The ${plural(todo.length, 'object')}`), h('ol.keys', list.map((item) => h('li', h('code', item.key)))),
      todo.length > list.length ? h('p.soft', `and ${count(todo.length - list.length)} more`) : null) : null);
}

// How a job goes on, in a few words; live until it has ended.
export function progressView(id, joined, signal) {
  const bar = h('div');
  const text = h('p', {role: 'status'}, joined ? 'An equal job is running already: this is it.' : 'Accepted.');
  const show = (job) => {
    bar.replaceChildren(meter(job.items, job.progress.total));
    text.replaceChildren(badge(job.state), ` ${count(job.progress.completed)} of ${plural(job.progress.total, 'object')}`,
      job.items.failed ? `, ${count(job.items.failed)} failed` : '', job.rows ? `, ${plural(job.rows, 'row')}, ${size(job.bytes)}` : '');
  };
  live.addEventListener('job', ({detail}) => detail.job_id === id && show(detail), {signal});
  live.addEventListener('again', () => get(`/jobs/${id}`, {signal}).then(show, () => {}), {signal});
  get(`/jobs/${id}`, {signal}).then(show, () => {});
  return h('div.progress-view', bar, text);
}

// --- the form ---------------------------------------------------------------------------------------

const INTERVALS = [60000, 300000, 600000, 900000, 1800000, 3600000];
const PATHS = {option: '/historical/option', stock: '/historical/stock', earnings: '/earnings'};

export function submitPage(root, {query, signal, set}) {
  const fields = {};
  const field = (name, label, control, hint) => {
    control.id = name;
    control.name = name;
    fields[name] = control;
    const error = h('p.error', {id: `${name}-error`});
    control.errorText = error;
    control.setAttribute('aria-describedby', [hint && `${name}-hint`, `${name}-error`].filter(Boolean).join(' '));
    return (control.box = h('div.field', h('label', {for: name}, label), control, hint && h('p.hint', {id: `${name}-hint`}, hint), error));
  };
  const select = (choices, value) => h('select', choices.map(([key, text]) => h('option', {value: key, selected: key === value}, text)));
  const given = (name, otherwise = '') => query.get(name) ?? otherwise;
  const asDate = (text) => (/^\d{8}$/.test(text) ? isoOf(text) : /^\d{6}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4)}` : '');
  const today = new Date();
  const monthStart = `${today.getFullYear()}-${String(today.getMonth() + 1).padStart(2, '0')}-01`;
  const yesterday = new Date(today - 86400000).toISOString().slice(0, 10);

  const kind = given('kind', 'option');
  const defaultDates = kind === 'earnings' ? [monthStart.slice(0, 7), monthStart.slice(0, 7)] : [monthStart < yesterday ? monthStart : yesterday, yesterday];
  const start = h('input', {type: kind === 'earnings' ? 'month' : 'date', required: true, value: asDate(given('start_date')) || defaultDates[0]});
  const end = h('input', {type: kind === 'earnings' ? 'month' : 'date', required: true, value: asDate(given('end_date')) || defaultDates[1]});
  const interval = given('interval', '');

  const kinds = h('fieldset.segmented', h('legend', 'What'), [['option', 'Options'], ['stock', 'Stocks'], ['earnings', 'Earnings']].map(([value, text]) =>
    h('div', h('input', {type: 'radio', name: 'kind', id: `kind-${value}`, value, checked: value === kind, onchange: changeKind}), h('label', {for: `kind-${value}`}, text))));
  const form = h('form', {novalidate: true, onsubmit: submit, oninput: changed},
    kinds,
    field('root', 'Symbols', h('input', {type: 'text', value: given('root', given('roots')), placeholder: 'AAPL, MSFT', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'characters'}), 'One or several, with commas or spaces between them.'),
    h('div.pair', field('start_date', 'From', start), field('end_date', 'To', end)),
    h('div.pair',
      field('schema', 'Schema', select([['quote', 'Quotes'], ['ohlc', 'Bars (OHLC)'], ['eod', 'End of day']], given('schema', 'quote'))),
      field('interval', 'Interval', select([...new Map([['', 'Default'], ...INTERVALS.map((ms) => [String(ms), intervalText(ms)]), ...(interval ? [[interval, intervalText(+interval)]] : [])])], interval))),
    h('details.more', {open: ['mode', 'start_time', 'end_time', 'return_format'].some((name) => query.has(name) && query.get(name) !== 'parquet')}, h('summary', 'More'),
      h('div.pair',
        field('mode', 'What is there already', select([['', 'Keep what is fresh'], ['refresh', 'Keep only what is recorded as right'], ['force', 'Download again']], given('mode'))),
        field('return_format', 'File format', select([['parquet', 'Parquet'], ['ipc', 'Arrow IPC']], given('return_format', 'parquet')))),
      h('div.pair',
        field('start_time', 'Each day from', h('input', {type: 'time', step: '1', value: timeOf(given('start_time'))})),
        field('end_time', 'to', h('input', {type: 'time', step: '1', value: timeOf(given('end_time'))}), 'New York time; left empty, the whole session.')),
      h('div.pair',
        field('labels', 'Labels', h('input', {type: 'text', placeholder: 'team=research', autocomplete: 'off', spellcheck: 'false', value: given('labels')}), 'To find the job again: name=value, with commas.'),
        field('priority', 'Priority', h('input', {type: 'number', step: '1', placeholder: '0', value: given('priority')}), 'Higher goes first.'))));
  const plan = h('div.plan', {'aria-live': 'polite', 'aria-busy': 'false'});
  const error = h('div', {role: 'alert'});
  const button = h('button.primary', {type: 'submit', disabled: true}, 'Submit');
  form.id = 'request';
  button.setAttribute('form', 'request');
  root.append(h('div.head', h('h1', 'Submit')), h('div.split', form, h('section.card.plan-card', {'aria-label': 'Plan'}, h('h2', 'Plan'), plan, error, h('div.actions', button))));

  function timeOf(ms) {
    return ms === '' ? '' : new Date(+ms).toISOString().slice(11, 19);
  }
  const kindNow = () => form.elements.kind.value;

  function changeKind() {
    const isEarnings = kindNow() === 'earnings';
    const [from, to] = [start.value, end.value];
    start.type = end.type = isEarnings ? 'month' : 'date';
    if (isEarnings) [start.value, end.value] = [from.slice(0, 7), to.slice(0, 7)];
    else [start.value, end.value] = [from.length === 7 ? `${from}-01` : from, to.length === 7 ? lastOfMonth(to) : to];
    arrange();
  }
  const lastOfMonth = (month) => {
    const last = new Date(Date.UTC(+month.slice(0, 4), +month.slice(5, 7), 0)).toISOString().slice(0, 10);
    return last > yesterday ? yesterday : last;
  };
  function arrange() {
    const isEarnings = kindNow() === 'earnings';
    for (const name of ['root', 'schema', 'return_format', 'interval', 'start_time', 'end_time']) fields[name].box.hidden = isEarnings;
    const isDaily = fields.schema.value === 'eod';
    if (!isEarnings) for (const name of ['interval', 'start_time', 'end_time']) fields[name].box.hidden = isDaily;
    fields.interval.options[0].textContent = `Default (${kindNow() === 'stock' ? '1 min' : '15 min'})`;
  }

  function requestNow() {
    const isEarnings = kindNow() === 'earnings';
    const request = {start_date: start.value.replaceAll('-', ''), end_date: end.value.replaceAll('-', '')};
    const value = (name) => (fields[name].box.hidden ? '' : fields[name].value.trim());
    if (!isEarnings) {
      const symbols = value('root').split(/[\s,;]+/).filter(Boolean);
      if (symbols.length > 1) request.roots = symbols;
      else request.root = symbols[0] ?? '';
      request.schema = value('schema');
      request.return_format = value('return_format');
      if (value('interval')) request.interval = +value('interval');
      for (const name of ['start_time', 'end_time']) if (value(name)) request[name] = value(name).split(':').reduce((sum, part, i) => sum + part * [3600, 60, 1][i], 0) * 1000;
    }
    if (value('mode')) request.mode = value('mode');
    if (value('priority')) request.priority = +value('priority');
    const labels = value('labels').split(',').map((pair) => pair.trim()).filter(Boolean);
    if (labels.length) request.labels = Object.fromEntries(labels.map((pair) => [pair.split('=')[0].trim(), pair.split('=').slice(1).join('=').trim()]));
    return request;
  }
  const isReady = (request) => request.start_date && request.end_date && (kindNow() === 'earnings' || request.root || request.roots);

  let key = newKey();
  let asked = null;
  const look = debounced(250, async () => {
    asked?.abort();
    const mine = (asked = new AbortController());
    const request = requestNow();
    if (!isReady(request)) {
      plan.replaceChildren(h('p.soft', 'Name a symbol and two dates: what the job would do is shown here before anything is downloaded.'));
      return;
    }
    plan.setAttribute('aria-busy', 'true');
    try {
      const answer = await post(`${PATHS[kindNow()]}?dry_run=true`, request, {signal: mine.signal});
      tellFaults([]);
      plan.replaceChildren(planView(answer));
      button.disabled = !may('submit');
      tell(button, answer.missing ? `Submit: download ${plural(answer.missing, 'object')}` : 'Submit');
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      plan.replaceChildren();
      tellFaults(problem.faults ?? [], problem);
    }
    plan.setAttribute('aria-busy', 'false');
  });
  signal.addEventListener('abort', () => asked?.abort());

  // Each fault beside its field; what belongs to none, above the button.
  function tellFaults(faults, problem) {
    const rest = [];
    for (const control of Object.values(fields)) {
      tell(control.errorText, '');
      control.removeAttribute('aria-invalid');
    }
    for (const fault of faults) {
      const control = fields[fault.loc[1] === 'roots' ? 'root' : fault.loc[1]];
      const text = fault.msg.replace(/^Value error, /, '');
      if (!control) {
        rest.push(text);
        continue;
      }
      tell(control.errorText, [control.errorText.textContent, text].filter(Boolean).join(' '));
      control.setAttribute('aria-invalid', 'true');
    }
    if (problem && !faults.length) rest.push(problem.message);
    error.replaceChildren(...rest.map((text) => h('p.error', text)));
  }

  function changed() {
    key = newKey();
    button.disabled = true;
    error.replaceChildren();
    arrange();
    const request = requestNow();
    const {labels, roots, ...plain} = request;
    set({kind: kindNow(), root: null, schema: null, interval: null, return_format: null, mode: null, start_time: null, end_time: null, priority: null, ...plain,
      ...(roots ? {root: roots.join(',')} : {}), labels: labels ? Object.entries(labels).map((pair) => pair.join('=')).join(',') : null});
    look();
  }

  async function submit(event) {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    let joined = false;
    try {
      const answer = await post(PATHS[kindNow()], requestNow(), {headers: {'Idempotency-Key': key, Prefer: 'respond-async'}, answer: (response) => (joined = response.headers.has('Betedge-Joined'))});
      note(joined ? 'An equal job is running already: this is it.' : 'The job is accepted.');
      go(`/ui/jobs/${answer.job_id ?? answer.request_id}`);
    } catch (problem) {
      tellFaults(problem.faults ?? [], problem);
      button.disabled = false;
    }
  }

  arrange();
  look();
}
