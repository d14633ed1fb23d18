// All jobs, live: counts by state, filters in the address, and what can be done to those that are shown.
import {h, tell, count, plural, size, ago, clock, duration, range, seriesText, symbolText, STATES, mark, badge, meter, note, empty, failure, confirmed, debounced} from './dom.js';
import {get, post, live, every, may} from './api.js';

const MOST = 500;  // of the newest; the counts are of these
const GROUPS = [
  ['', 'All', () => true],
  ['active', 'Active', (job) => ['queued', 'running', 'cancelling'].includes(job.state), 'running'],
  ['completed', 'Completed', (job) => job.state === 'completed', 'completed'],
  ['errors', 'With errors', (job) => job.state === 'completed_with_errors', 'completed_with_errors'],
  ['failed', 'Failed', (job) => job.state === 'failed', 'failed'],
  ['cancelled', 'Cancelled', (job) => job.state === 'cancelled', 'cancelled'],
];

export const titleOf = (request) => (request ? `${symbolText(request)} ${seriesText(request)}` : 'Job');
export const datesOf = (request) => (request ? range(request.start_date, request.end_date) : '');
export const isActive = (job) => !['completed', 'failed'].includes(job.status);

export function jobsPage(root, {query, signal, set}) {
  const jobs = new Map();
  const rows = new Map();  // what is drawn, by id
  let isCut = false;

  const facets = h('nav.facets', {'aria-label': 'Jobs by state'});
  const text = h('input', {type: 'search', id: 'find', placeholder: 'symbol, label or id', value: query.get('find') ?? '', autocomplete: 'off', spellcheck: 'false', oninput: () => { set({find: text.value.trim()}); draw(); }});
  const kind = h('select', {id: 'kind', onchange: () => { set({kind: kind.value}); draw(); }},
    [['', 'all'], ['option', 'options'], ['stock', 'stocks'], ['earnings', 'earnings']].map(([value, label]) => h('option', {value, selected: value === query.get('kind')}, label)));
  const cancelAll = h('button', {type: 'button', hidden: true, onclick: () => all('cancel')});
  const retryAll = h('button', {type: 'button', hidden: true, onclick: () => all('retry')});
  const list = h('ul.job-list', {'aria-busy': 'true'});
  const rest = h('p.soft');
  root.append(h('div.head', h('h1', 'Jobs'), h('a.button.primary', {href: '/ui/submit'}, 'New job')),
    h('div.jobs-frame', facets, h('div', h('form.filters', {role: 'search', 'aria-label': 'Filter the jobs', onsubmit: (event) => event.preventDefault()},
      h('div', h('label', {for: 'find'}, 'Find'), text), h('div', h('label', {for: 'kind'}, 'Kind'), kind), h('div.push', cancelAll, retryAll)), list, rest)));

  const isFound = (job) => {
    const wanted = text.value.trim().toUpperCase();
    const {request} = job;
    if (kind.value && request?.kind !== kind.value) return false;
    if (!wanted) return true;
    return [job.job_id, titleOf(request), ...(request?.roots ?? []), ...Object.entries(request?.labels ?? {}).map(([name, value]) => `${name}=${value} ${name}:${value}`)].some((one) => one.toUpperCase().includes(wanted));
  };
  const group = () => GROUPS.find(([name]) => name === (query.get('state') ?? '')) ?? GROUPS[0];
  const shown = () => [...jobs.values()].filter(group()[2]).filter(isFound);

  async function load() {
    try {
      const found = await get(`/jobs?limit=${MOST}`, {signal});
      jobs.clear();
      for (const job of found.jobs) jobs.set(job.job_id, job);
      isCut = found.jobs.length === MOST;
      draw();
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      list.replaceChildren(h('li', failure(problem, load)));
    }
    list.setAttribute('aria-busy', 'false');
  }

  function draw() {
    const found = [...jobs.values()].filter(isFound);
    facets.replaceChildren(...GROUPS.map(([name, label, test, state]) => h('a', {
      href: address({state: name}), 'aria-current': group()[0] === name ? 'true' : false,
    }, state ? mark(state) : h('span.mark'), h('span', label), h('b', count(found.filter(test).length)))));
    const wanted = shown().sort((a, b) => (a.job_id < b.job_id ? 1 : -1));
    const ids = new Set(wanted.map((job) => job.job_id));
    for (const [id, row] of rows) if (!ids.has(id)) row.element.remove(), rows.delete(id);
    if (!wanted.length) {
      rows.clear();
      list.replaceChildren(h('li', jobs.size
        ? empty('No job is like that', 'Change the filter to see others.', h('a.button', {href: '/ui/jobs'}, 'Show all'))
        : empty('No job has run yet', 'A job is one request: so many objects to download, in the background, whatever is restarted meanwhile.', h('a.button.primary', {href: '/ui/submit'}, 'Submit a first request'))));
    } else {
      if (!rows.size) list.replaceChildren();
      // Each where it belongs; one that is there already is not touched, so that focus stays.
      wanted.forEach((job, i) => {
        const row = rows.get(job.job_id) ?? makeRow(job);
        row.fill(job);
        if (list.children[i] !== row.element) list.insertBefore(row.element, list.children[i] ?? null);
      });
    }
    tell(rest, isCut ? `The newest ${MOST} jobs; counts are of these.` : '');
    const active = wanted.filter((job) => isActive(job) && job.state !== 'cancelling');
    const failed = wanted.filter((job) => !isActive(job) && job.items.failed);
    cancelAll.hidden = active.length < 2 || !may('submit');
    tell(cancelAll, `Cancel ${active.length} shown`);
    retryAll.hidden = failed.length < 2 || !may('submit');
    tell(retryAll, `Retry failed of ${failed.length} shown`);
  }
  const address = (members) => {
    const next = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(members)) value ? next.set(name, value) : next.delete(name);
    const search = next.toString();
    return search ? `/ui/jobs?${search}` : '/ui/jobs';
  };

  function makeRow(job) {
    const state = h('div.of-state');
    const bar = h('div.of-bar');
    const figures = h('p.figures-line');
    const when = h('p.soft.when');
    const wrong = h('p.wrong');
    const element = h('li.job', h('div.of-what', h('h2', h('a', {href: `/ui/jobs/${job.job_id}`}, titleOf(job.request))), h('p.soft', datesOf(job.request), ...labelsOf(job.request))), state, bar, figures, when, wrong);
    const fill = (now) => {
      state.replaceChildren(badge(now.state));
      const {completed, total} = now.progress;
      bar.replaceChildren(meter(now.items, total));
      tell(figures, [`${count(completed)}/${count(total)}`, now.items.failed ? `${count(now.items.failed)} failed` : '', now.rows ? `${plural(now.rows, 'row')}` : '', now.bytes ? size(now.bytes) : '',
        isActive(now) && now.eta_seconds ? `${duration(now.eta_seconds)} left` : ''].filter(Boolean).join(' · '));
      when.title = clock(now.created_at);
      tell(when, ago(now.created_at));
      const why = now.waiting_for ?? (now.items.failed || now.state === 'failed' ? shortError(now.error_message) : '');
      tell(wrong, why ?? '');
      wrong.hidden = !why;
    };
    const row = {element, fill};
    rows.set(job.job_id, row);
    return row;
  }

  async function all(what) {
    const wanted = shown().filter((job) => (what === 'cancel' ? isActive(job) && job.state !== 'cancelling' : !isActive(job) && job.items.failed));
    const items = wanted.reduce((sum, job) => sum + (what === 'cancel' ? job.items.pending + job.items.running : job.items.failed), 0);
    if (what === 'cancel' && !await confirmed(`Cancel ${plural(wanted.length, 'job')}?`, `${plural(items, 'object')} would not be downloaded. What is there stays.`, 'Cancel them', 'Keep them')) return;
    const done = await Promise.allSettled(wanted.map((job) => post(`/jobs/${job.job_id}/${what}`)));
    const wrong = done.filter((one) => one.status === 'rejected');
    note(`${plural(done.length - wrong.length, 'job')} ${what === 'cancel' ? 'cancelled' : 'begun anew'}${wrong.length ? `; ${wrong.length} not: ${wrong[0].reason.message}` : ''}`, {kind: wrong.length ? 'wrong' : 'done'});
    load();
  }

  const drawSoon = debounced(150, draw);
  signal.addEventListener('abort', drawSoon.cancel);
  live.addEventListener('job', async ({detail}) => {
    let job = jobs.get(detail.job_id);
    if (!job) {
      jobs.set(detail.job_id, (job = {request: null, ...detail}));
      const whole = detail.request ? detail : await get(`/jobs/${detail.job_id}`, {signal}).catch(() => null);
      if (!whole) return void jobs.delete(detail.job_id);
      Object.assign(job, {request: whole.request});
      rows.get(detail.job_id)?.element.remove();
      rows.delete(detail.job_id);
    }
    // A standstill is over when nothing is said of it any more.
    delete job.waiting_for;
    Object.assign(job, detail);
    drawSoon();
  }, {signal});
  live.addEventListener('again', load, {signal});
  every(30000, signal, async () => rows.size && draw());  // "2 min ago"

  load();
  return (next) => {
    query = next;
    if (text.value.trim() !== (next.get('find') ?? '')) text.value = next.get('find') ?? '';
    kind.value = next.get('kind') ?? '';
    draw();
  };
}

export const labelsOf = (request) => Object.entries(request?.labels ?? {}).map(([name, value]) => h('span.label', `${name}=${value}`));

// "2 of 160 items failed, see /jobs/…: 20260311: HTTP 500 …" without the address, which is a link here.
export const shortError = (text) => text?.replace(/, see \/jobs\/\S+?:/, ':') ?? '';
