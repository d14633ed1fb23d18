// One job: how far, how fast, each of its objects as a square, the failed ones with their reasons.
import {h, tell, count, plural, size, duration, clock, day, STATES, mark, badge, meter, note, failure, confirmed, debounced, go} from './dom.js';
import {get, post, ask, live, may} from './api.js';
import {titleOf, datesOf, labelsOf, isActive, shortError} from './jobs.js';

const ORDER = ['pending', 'running', 'succeeded', 'skipped', 'no_data', 'failed', 'cancelled'];
const PAGE = 1000;

export function jobPage(root, {parts: [id], query, signal, set}) {
  let job = null;
  const items = [];  // by their place in the plan; holes where no page has come yet
  const failedOnly = () => query.get('show') === 'failed';

  const title = h('h1', 'Job');
  const sub = h('p.soft');
  const actions = h('div.actions');
  const state = h('div.job-state', {role: 'status'});
  const bar = h('div');
  const figures = h('dl.figures');
  const more = h('div');
  const counts = h('ul.legend', {'aria-label': 'Objects by state'});
  const view = h('div.item-view');
  const choose = h('div.tabs', {role: 'group', 'aria-label': 'Which objects'});
  root.append(h('p.crumb', h('a', {href: '/ui/jobs'}, '‹ Jobs')), h('div.head', h('div', title, sub), actions),
    h('section.card', {'aria-label': 'Progress'}, state, bar, figures, more),
    h('section', {'aria-label': 'Objects'}, h('div.head', h('h2', 'Objects'), choose), counts, view));

  // --- the job ----------------------------------------------------------------------------------------

  async function load() {
    try {
      take(await get(`/jobs/${encodeURIComponent(id)}`, {signal}));
      await loadItems(0);
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      root.replaceChildren(h('p.crumb', h('a', {href: '/ui/jobs'}, '‹ Jobs')), h('h1', 'Job'), failure(problem, () => location.reload()));
    }
  }

  function take(next) {
    const before = job?.state;
    job = {...job, waiting_for: undefined, ...next};
    const name = titleOf(job.request);
    document.title = `${Math.floor(job.progress.percentage)} % ${name} · betedge`;
    tell(title, name);
    sub.replaceChildren(datesOf(job.request), ...labelsOf(job.request), h('code.id', job.job_id));
    state.replaceChildren(badge(job.state), h('b', ` ${count(job.progress.completed)} of ${plural(job.progress.total, 'object')}`),
      isActive(job) ? h('span.soft', job.eta_seconds ? ` · ${duration(job.eta_seconds)} left` : '') : '');
    bar.replaceChildren(meter(job.items, job.progress.total));
    const took = job.started_at && job.finished_at ? (new Date(job.finished_at) - new Date(job.started_at)) / 1000 : null;
    figures.replaceChildren(...[
      ['Rows', count(job.rows)], ['Written', size(job.bytes)],
      ['Pace', job.rate ? `${size(job.rate.bytes_per_second)}/s` : '–', job.rate ? ` ${count(Math.round(job.rate.rows_per_second))} rows/s` : ''],
      ['Submitted', clock(job.created_at)],
      job.finished_at ? ['Took', duration(took ?? 0)] : ['Started', job.started_at ? clock(job.started_at) : 'not yet'],
    ].map(([term, value, small]) => h('div', h('dt', term), h('dd', value, small && h('small', small)))));
    more.replaceChildren(...[
      job.waiting_for && h('p.notice', `It stands still: ${job.waiting_for}.`),
      job.error_message && h('p.notice.bad', shortError(job.error_message)),
      ...(job.warnings ?? []).map((text) => h('p.notice', text)),
      job.not_yet_available?.length && h('p.soft', `${plural(job.not_yet_available.length, 'day')} had not ended in New York: ${job.not_yet_available.length > 4 ? `${day(job.not_yet_available[0])} to ${day(job.not_yet_available.at(-1))}` : job.not_yet_available.map((one) => day(one)).join(', ')}.`),
    ].filter(Boolean));
    counts.replaceChildren(...ORDER.filter((one) => job.items[one]).map((one) => h('li', mark(one), h('b', count(job.items[one])), ` ${STATES[one]}`)));
    drawChoose();
    if (before !== job.state) drawActions();
  }

  function drawActions() {
    const act = (text, run, kind = '') => h(`button${kind}`, {type: 'button', onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      try {
        await run();
      } catch (problem) {
        note(problem.message, {kind: 'wrong'});
      }
      button.disabled = false;
    }}, text);
    const left = () => job.items.pending + job.items.running;
    actions.replaceChildren(...[
      isActive(job) && job.state !== 'cancelling' && may('submit') && act('Cancel', async () => {
        if (!await confirmed('Cancel this job?', `${plural(left(), 'object')} of it would not be downloaded. The ${count(job.progress.completed)} that have ended stay as they are.`, 'Cancel the job', 'Keep it running')) return;
        take(await post(`/jobs/${id}/cancel`));
      }),
      !isActive(job) && job.items.failed > 0 && may('submit') && act(`Retry ${plural(job.items.failed, 'failed object')}`, async () => {
        take(await post(`/jobs/${id}/retry`));
        note('The failed objects are begun anew.');
        await loadItems(0);
      }, '.primary'),
      !isActive(job) && h('a.button', {href: `/jobs/${id}/manifest`, download: `${id}.json`}, 'Manifest'),
      !isActive(job) && may('admin') && act('Forget', async () => {
        if (!await confirmed('Forget this job?', 'The record of it goes; its objects stay in the lake.', 'Forget it', 'Keep it')) return;
        await ask('DELETE', `/jobs/${id}`);
        note('The job is forgotten; its objects are still there.');
        go('/ui/jobs');
      }),
    ].filter(Boolean));
  }

  // --- its objects ------------------------------------------------------------------------------------

  function drawChoose() {
    choose.replaceChildren(...[['', 'All'], ['failed', `Failed only (${count(job.items.failed)})`]].map(([value, text]) =>
      h('a', {href: value ? `/ui/jobs/${id}?show=${value}` : `/ui/jobs/${id}`, 'aria-current': (failedOnly() ? 'failed' : '') === value ? 'true' : false}, text)));
  }

  let isLoading = false;
  let again = null;
  async function loadItems(from) {
    if (isLoading) return void (again = Math.min(again ?? from, from));
    isLoading = true;
    try {
      if (failedOnly()) await loadFailed();
      else {
        for (let cursor = from; cursor !== null;) {
          const page = await get(`/jobs/${id}/items?limit=${PAGE}&cursor=${cursor}`, {signal});
          page.items.forEach((item, i) => (items[cursor + i] = item));
          grid.draw(items);
          if (view.firstChild !== grid.element) view.replaceChildren(grid.element);
          cursor = page.next_cursor;
        }
      }
    } finally {
      isLoading = false;
    }
    if (again !== null) {
      const next = again;
      again = null;
      await loadItems(next);
    }
  }

  async function loadFailed() {
    const page = await get(`/jobs/${id}/items?state=failed&limit=200`, {signal});
    const rows = page.items.map((item) => h('li', h('div', mark('failed'), h('code', item.key), h('span.soft', plural(item.attempts, 'attempt'))), h('p.wrong', item.error ?? 'no reason was given')));
    view.replaceChildren(rows.length ? h('ul.failed-list', rows) : h('p.soft', isActive(job) ? 'None has failed so far.' : 'None has failed.'),
      page.next_cursor === null ? '' : h('p.soft', `The first 200; ${count(job.items.failed - 200)} more after these are retried, or from the command line.`));
  }

  const grid = itemGrid(signal);
  // In date order within a job, so only what is not over yet is asked for again, from its first page on.
  const refresh = debounced(400, () => {
    const first = items.findIndex((item) => ['pending', 'running'].includes(item.state));
    loadItems(first < 0 ? 0 : Math.floor(first / PAGE) * PAGE).catch(() => {});
  });
  signal.addEventListener('abort', refresh.cancel);
  let last = 0;
  live.addEventListener('job', ({detail}) => {
    if (detail.job_id !== job?.job_id) return;
    const isNews = detail.progress.completed !== job.progress.completed || detail.items.running !== job.items.running || detail.state !== job.state;
    take(detail);
    if (!isNews) return;
    // Steady news would put a debounced refresh off for ever.
    if (Date.now() - last > 1000) {
      last = Date.now();
      refresh.cancel();
      const first = items.findIndex((item) => ['pending', 'running'].includes(item.state));
      loadItems(first < 0 ? 0 : Math.floor(first / PAGE) * PAGE).catch(() => {});
    } else {
      refresh();
    }
  }, {signal});
  live.addEventListener('again', load, {signal});

  load();
  return (next) => {
    query = next;
    if (!job) return;
    drawChoose();
    view.replaceChildren();
    loadItems(0).catch((problem) => problem.name !== 'AbortError' && view.replaceChildren(failure(problem, () => loadItems(0))));
  };
}

// Thousands of squares: only those of the rows in sight are elements. One stop of the tab key; arrows
// move, and what a square stands for is said below.
function itemGrid(signal) {
  let items = [];
  let columns = 1;
  let current = 0;
  let edge = 20;
  const cells = new Map();
  const pane = h('div.item-pane', {role: 'listbox', 'aria-label': 'Objects in the order of the plan', tabindex: '0', 'aria-activedescendant': 'item-0'});
  const field = h('div.item-field', {role: 'none'});
  const detail = h('div.item-detail', {'aria-live': 'polite'});
  pane.append(field);
  const element = h('div', pane, detail);

  const measure = () => {
    edge = 1.25 * parseFloat(getComputedStyle(document.documentElement).fontSize);
    columns = Math.max(1, Math.floor(field.clientWidth / edge));
    paint();
  };
  const seen = new ResizeObserver(measure);
  seen.observe(pane);
  signal.addEventListener('abort', () => seen.disconnect());
  pane.addEventListener('scroll', () => requestAnimationFrame(paint));

  function paint() {
    field.style.height = `${Math.ceil(items.length / columns) * edge}px`;
    const first = Math.max(0, Math.floor(pane.scrollTop / edge) - 2) * columns;
    const last = Math.min(items.length, (Math.ceil((pane.scrollTop + pane.clientHeight) / edge) + 2) * columns);
    for (const [i, cell] of cells) if (i < first || i >= last) cell.remove(), cells.delete(i);
    for (let i = first; i < last; i += 1) {
      const item = items[i];
      if (!item) continue;
      let cell = cells.get(i);
      if (!cell) {
        cell = document.createElement('i');
        cell.id = `item-${i}`;
        cell.setAttribute('role', 'option');
        cell.dataset.i = i;
        cell.setAttribute('aria-posinset', i + 1);
        field.append(cell);
        cells.set(i, cell);
      }
      if (cell.dataset.state !== item.state) {
        cell.dataset.state = item.state;
        cell.setAttribute('aria-label', `${nameOf(item)}: ${STATES[item.state]}`);
      }
      cell.setAttribute('aria-setsize', items.length);  // pages of them are still coming
      cell.style.transform = `translate(${(i % columns) * edge}px, ${Math.floor(i / columns) * edge}px)`;
      cell.setAttribute('aria-selected', i === current ? 'true' : 'false');
    }
  }

  function moveTo(i) {
    if (!items.length) return;
    current = Math.max(0, Math.min(items.length - 1, i));
    const top = Math.floor(current / columns) * edge;
    if (top < pane.scrollTop) pane.scrollTop = top;
    else if (top + edge > pane.scrollTop + pane.clientHeight) pane.scrollTop = top + edge - pane.clientHeight;
    paint();
    pane.setAttribute('aria-activedescendant', `item-${current}`);
    tellOf(items[current]);
  }
  let told = '';
  function tellOf(item) {
    const text = JSON.stringify(item);
    if (!item || text === told) return;
    told = text;
    detail.replaceChildren(h('p', badge(item.state), ' ', h('code', item.key)),
      h('p.soft', [item.rows ? plural(item.rows, 'row') : '', item.bytes ? size(item.bytes) : '', item.attempts ? plural(item.attempts, 'attempt') : '', item.sha256 ? `SHA-256 ${item.sha256.slice(0, 16)}…` : ''].filter(Boolean).join(' · '),
        item.state === 'succeeded' || item.state === 'skipped' ? [' ', h('a', {href: `/objects/${item.key}`, download: ''}, 'Save the file')] : null),
      ...[item.error && h('p.wrong', item.error), item.note && h('p.soft', item.note)].filter(Boolean));
  }

  pane.addEventListener('keydown', (event) => {
    const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -Infinity, End: Infinity, PageUp: -columns * 10, PageDown: columns * 10};
    if (event.key === 'f') {
      const next = items.findIndex((item, i) => i > current && item.state === 'failed');
      moveTo(next < 0 ? items.findIndex((item) => item.state === 'failed') : next);
    } else if (event.key in moves) moveTo(current + moves[event.key]);
    else return;
    event.preventDefault();
  });
  pane.addEventListener('pointerdown', (event) => event.target.dataset.i !== undefined && moveTo(+event.target.dataset.i));

  return {
    element,
    draw(next) {
      items = next;
      if (!items.length) return;
      requestAnimationFrame(measure);
      current = Math.min(current, items.length - 1);
      if (told) tellOf(items[current]);
      else detail.replaceChildren(h('p.soft', 'Each square is one object. Choose one to see what became of it; f goes to the next that failed.'));
    },
  };
}

// "AAPL 5 Jan 2026" out of a key's folders, for those who listen.
function nameOf(item) {
  const parts = item.key.split('/');
  const dates = parts.filter((part) => /^\d{2,4}$/.test(part)).join('');
  const symbol = parts[parts.findIndex((part) => /^\d{4}$/.test(part)) - 1] ?? '';
  return `${symbol} ${dates.length === 8 || dates.length === 6 ? day(dates) : dates}`.trim();
}
