// Home: what the lake has of each series, a year at a time, session by session; from a gap to the job
// that fills it.
import {h, tell, count, plural, day, range, dayOf, textOf, isoOf, monthName, intervalOf, intervalText, seriesText, symbolText, STATES, mark, badge, open, note,
  empty, failure, debounced, size} from './dom.js';
import {get, post, live, newKey, query as search, may} from './api.js';
import {planView, progressView} from './submit.js';

const ORDER = ['present', 'no_data', 'stale', 'failed', 'missing'];
const GAPS = new Set(['missing', 'failed', 'stale']);
const AT_ONCE = 4;  // coverages asked for at a time

// A series as requests name it.
const requestOf = (series) => {
  const members = {kind: series.kind};
  if (series.kind === 'earnings') return members;
  return {...members, root: series.root, schema: series.schema, return_format: series.return_format, ...intervalOf(series.interval)};
};
const nameOf = (series) => `${symbolText(series)} ${seriesText({...series, ...intervalOf(series.interval)})}`;
const idOf = (of) => [of.kind, of.root ?? '', of.schema ?? '', of.schema === 'eod' ? '' : of.interval ?? '', of.return_format ?? 'parquet'].join('/');

export function coveragePage(root, {query, signal, set}) {
  let all = [];
  let year = +query.get('year') || 0;
  let waiting = [];
  let asking = 0;
  let turn = 0;  // answers to what was asked before the year changed are dropped

  // --- what stands above the series -----------------------------------------------------------------

  const symbol = h('input', {type: 'search', id: 'symbol', placeholder: 'AAPL', value: query.get('symbol') ?? '', autocomplete: 'off', spellcheck: 'false', oninput: filter});
  const schema = h('select', {id: 'schema', onchange: filter}, h('option', {value: ''}, 'all'));
  const gapsOnly = h('input', {type: 'checkbox', id: 'gaps', checked: query.has('gaps'), onchange: filter});
  const yearText = h('output.year', {'aria-live': 'polite'});
  const step = (by) => {
    year += by;
    set({year: String(year)});
    begin();
  };
  const back = h('button.quiet', {type: 'button', 'aria-label': 'Year before', onclick: () => step(-1)}, '‹');
  const forward = h('button.quiet', {type: 'button', 'aria-label': 'Year after', onclick: () => step(1)}, '›');
  const totals = h('ul.legend', {'aria-label': 'Sessions by state'});
  const list = h('div.series-list', {'aria-busy': 'true'}, Array.from({length: 4}, () => h('div.series.blank', {'aria-hidden': 'true'})));
  root.append(
    h('div.head', h('h1', 'Coverage'), h('div.stepper', {role: 'group', 'aria-label': 'Year'}, back, yearText, forward)),
    h('form.filters', {role: 'search', 'aria-label': 'Filter the series', onsubmit: (event) => event.preventDefault()},
      h('div', h('label', {for: 'symbol'}, 'Symbol'), symbol), h('div', h('label', {for: 'schema'}, 'Series'), schema),
      h('div.check', gapsOnly, h('label', {for: 'gaps'}, 'With gaps only')), totals),
    list);

  // --- loading --------------------------------------------------------------------------------------

  async function load() {
    try {
      const lake = await get('/lake/roots', {signal});
      const known = new Map(all.map((series) => [idOf(series), series]));
      all = lake.roots.map((series) => known.get(idOf(series)) ?? {...series, element: null, coverage: null});
      all.sort((a, b) => (a.kind === 'earnings') - (b.kind === 'earnings') || (a.root ?? '').localeCompare(b.root ?? '') || idOf(a).localeCompare(idOf(b)));
      year ||= Math.min(new Date().getFullYear(), Math.max(0, ...all.map((series) => +series.last.slice(0, 4)))) || new Date().getFullYear();
      const kinds = [...new Map(all.map((series) => [kindOf(series), seriesText({...series, return_format: ''})])).keys()].sort();
      schema.replaceChildren(h('option', {value: ''}, 'all'), ...kinds.map((kind) => h('option', {value: kind, selected: kind === query.get('series')}, kind)));
      begin();
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      list.replaceChildren(failure(problem, load));
    }
    list.setAttribute('aria-busy', 'false');
  }
  const kindOf = (series) => (series.kind === 'earnings' ? 'earnings' : seriesText({...series, interval: 0, return_format: ''}));

  function begin() {
    turn += 1;
    tell(yearText, String(year));
    forward.disabled = year >= new Date().getFullYear();
    if (all.length === 0) {
      totals.replaceChildren();
      list.replaceChildren(empty('Nothing lies in the lake yet', 'Each symbol and schema that you download gets a calendar here: what there is, what the vendor does not have, and what is missing.',
        h('a.button.primary', {href: '/ui/submit'}, 'Submit a first request')));
      return;
    }
    for (const series of all) {
      series.coverage = null;
      series.element ??= card(series);
      series.body.replaceChildren();
      tell(series.facts, 'loading');
      series.plan.hidden = true;
    }
    list.replaceChildren(...all.map((series) => series.element));
    waiting = [...all];
    filter();
    pump();
  }

  function pump() {
    while (asking < AT_ONCE && waiting.length) {
      // What is seen comes first.
      const seen = waiting.findIndex((series) => series.isNear && !series.element.hidden);
      fetchOne(waiting.splice(Math.max(seen, 0), 1)[0]);
    }
  }

  async function fetchOne(series) {
    const mine = turn;
    asking += 1;
    const isMonthly = series.kind === 'earnings';
    try {
      const coverage = await get(`/lake/coverage${search({...requestOf(series), start_date: isMonthly ? `${year}01` : `${year}0101`, end_date: isMonthly ? `${year}12` : `${year}1231`})}`, {signal});
      if (mine === turn) {
        series.coverage = coverage;
        draw(series);
      }
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (mine === turn) tell(series.facts, problem.message);
    }
    asking -= 1;
    pump();
  }

  // --- a series -------------------------------------------------------------------------------------

  const near = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      const series = all.find((one) => one.element === target);
      if (!series) continue;
      series.isNear = isIntersecting;
      if (isIntersecting && series.coverage && !series.body.childElementCount) drawCalendar(series);
    }
    pump();
  }, {rootMargin: '600px'});
  signal.addEventListener('abort', () => near.disconnect());

  function card(series) {
    series.facts = h('p.facts', 'loading');
    series.readout = h('p.readout', {'aria-hidden': 'true'});
    series.plan = h('button', {type: 'button', hidden: true, onclick: () => sheet(series, null)});
    series.body = h('div.body');
    const element = h('article.series', {'aria-label': nameOf(series)},
      h('div.what', h('h2', symbolText(series)), h('p.kind', seriesText({...series, ...intervalOf(series.interval)})), series.facts, series.plan, series.readout), series.body);
    near.observe(element);
    return element;
  }

  function draw(series) {
    const {counts, days} = series.coverage;
    const gaps = ORDER.filter((state) => GAPS.has(state)).reduce((sum, state) => sum + counts[state], 0);
    tell(series.facts, days.length ? `${count(counts.present)} of ${plural(days.length, 'session')}` : `no sessions in ${year} yet`);
    series.plan.hidden = gaps === 0;
    tell(series.plan, `Plan ${plural(gaps, 'session')}`);
    if (series.isNear) drawCalendar(series);
    filter();
  }

  function drawCalendar(series) {
    const focused = series.body.contains(document.activeElement) ? document.activeElement.dataset.date : null;
    series.body.replaceChildren(calendar(series, year, {
      pick: (at) => sheet(series, at),
      show: (text) => tell(series.readout, text),
    }));
    if (focused) series.body.querySelector(`[data-date="${focused}"]`)?.focus();
  }

  function filter() {
    const wanted = symbol.value.trim().toUpperCase();
    const sums = Object.fromEntries(ORDER.map((state) => [state, 0]));
    let shown = 0;
    for (const series of all) {
      const counts = series.coverage?.counts;
      const hasGaps = !counts || [...GAPS].some((state) => counts[state]);
      const isShown = symbolText(series).toUpperCase().includes(wanted) && (!schema.value || kindOf(series) === schema.value) && (!gapsOnly.checked || hasGaps);
      if (series.element) series.element.hidden = !isShown;
      if (!isShown) continue;
      shown += 1;
      if (counts) for (const state of ORDER) sums[state] += counts[state];
    }
    totals.replaceChildren(...ORDER.map((state) => h('li', mark(state), h('b', count(sums[state])), ` ${STATES[state]}`)));
    list.querySelector('.empty.nothing')?.remove();
    if (all.length && !shown) {
      const none = empty('No series is like that', 'Change the filter, or submit a request for it.', h('a.button', {href: '/ui/submit'}, 'Submit a request'));
      none.classList.add('nothing');
      list.append(none);
    }
    set({symbol: symbol.value.trim(), series: schema.value, gaps: gapsOnly.checked ? '1' : ''});
  }

  // --- a day, its gap, and the job that fills it ----------------------------------------------------

  function sheet(series, at) {
    const days = series.coverage.days;
    const gap = at === null ? null : gapAround(days, at);
    const gaps = days.filter((one) => GAPS.has(one.state));
    const choices = [];
    if (gap) choices.push([gap.length === 1 ? `This session: ${day(gap[0].date)}` : `This gap: ${range(gap[0].date, gap.at(-1).date)}, ${plural(gap.length, 'session')}`, gap[0].date, gap.at(-1).date]);
    if (gaps.length && (!gap || gaps.length > gap.length)) choices.push([`All gaps of ${year}: ${plural(gaps.length, 'session')}, ${range(gaps[0].date, gaps.at(-1).date)}`, gaps[0].date, gaps.at(-1).date]);

    open('sheet', at === null ? `Plan the gaps of ${nameOf(series)}` : day(days[at].date, 'weekday'), (dialog) => {
      const plan = h('div.plan', {'aria-live': 'polite'});
      const button = h('button.primary', {type: 'button', disabled: true}, 'Download');
      const actions = h('div.actions', button, h('button', {type: 'button', onclick: () => dialog.close()}, 'Close'));
      const body = h('div.sheet-body');
      const leave = new AbortController();
      dialog.addEventListener('close', () => leave.abort());

      body.append(h('header', h('div', h('p.kind', nameOf(series)), h('h2', at === null ? `Gaps of ${year}` : day(days[at].date, 'weekday')))));
      if (at !== null) body.append(facts(series, days[at]));
      if (choices.length) {
        let key = newKey();
        let chosen = null;
        const look = async ([, first, last]) => {
          button.disabled = true;
          chosen?.abort();
          const mine = (chosen = new AbortController());
          leave.signal.addEventListener('abort', () => mine.abort());
          plan.replaceChildren(h('p.soft', 'Planning'));
          const months = series.kind === 'earnings' ? 6 : 8;
          const request = {...requestOf(series), start_date: first.slice(0, months), end_date: last.slice(0, months)};
          try {
            const answer = await post('/lake/fill?dry_run=true', request, {signal: mine.signal});
            plan.replaceChildren(answer.status === 'nothing_to_fill' ? h('p', 'Nothing is missing there any more.') : planView(answer));
            button.disabled = !(answer.missing > 0) || !may('submit');
            tell(button, answer.missing ? `Download ${plural(answer.missing, 'object')}` : 'Download');
            key = newKey();
            button.onclick = () => submit(request, key);
          } catch (problem) {
            if (problem.name !== 'AbortError') plan.replaceChildren(h('p.error', {role: 'alert'}, problem.message));
          }
        };
        const submit = async (request, idempotency) => {
          button.disabled = true;
          let joined = false;
          try {
            const answer = await post('/lake/fill', request, {headers: {'Idempotency-Key': idempotency}, answer: (response) => (joined = response.headers.has('Betedge-Joined'))});
            if (!answer.job_id) {
              plan.replaceChildren(h('p', 'Nothing is missing there any more.'));
              return;
            }
            choose.remove();
            plan.replaceChildren(progressView(answer.job_id, joined, leave.signal));
            button.replaceWith(h('a.button.primary', {href: `/ui/jobs/${answer.job_id}`}, 'Open the job'));
          } catch (problem) {
            plan.append(h('p.error', {role: 'alert'}, problem.message));
            button.disabled = false;
          }
        };
        const choose = h('fieldset.choices', h('legend', 'What to download'), choices.map((choice, i) => {
          const id = `choice-${i}`;
          return h('div.check', h('input', {type: 'radio', name: 'choice', id, checked: i === 0, onchange: () => look(choice)}), h('label', {for: id}, choice[0]));
        }));
        body.append(choose, plan);
        look(choices[0]);
      } else if (at !== null) {
        const days8 = series.kind === 'earnings' ? [days[at].date.slice(0, 6), days[at].date.slice(0, 6)] : [days[at].date, days[at].date];
        button.replaceWith(h('a.button', {href: `/ui/submit${search({...requestOf(series), start_date: days8[0], end_date: days8[1], mode: 'force'})}`}, 'Download it again'));
      }
      return h('div.sheet-frame', body, actions);
    });
  }

  function facts(series, one) {
    const rows = h('dl.facts-list', h('dt', 'State'), h('dd', badge(one.state)), one.reason && [h('dt', 'Why'), h('dd', one.reason.replaceAll('_', ' '))],
      h('dt', 'Object'), h('dd', h('code', one.key)));
    if (one.state === 'present' || one.state === 'stale') {
      get(`/objects${search({prefix: one.key, limit: 1})}`, {signal}).then(({objects: [object]}) => {
        if (!object) return;
        rows.append(h('dt', 'Holds'), h('dd', `${object.rows === null ? '' : `${plural(object.rows, 'row')}, `}${size(object.bytes)}`, ' ', h('a', {href: `/objects/${one.key}`, download: ''}, 'Save the file')));
      }, () => {});
    }
    return rows;
  }

  // --- live: whatever a job writes shows as it lies there -------------------------------------------

  const dirty = new Set();
  const refresh = debounced(700, () => {
    waiting = [...waiting, ...[...dirty].filter((series) => series.element && !waiting.includes(series))];
    dirty.clear();
    pump();
  });
  const requests = new Map();
  live.addEventListener('job', async ({detail: job}) => {
    if (job.request) requests.set(job.job_id, job.request);
    else if (!requests.has(job.job_id)) {
      requests.set(job.job_id, null);
      requests.set(job.job_id, (await get(`/jobs/${job.job_id}`, {signal}).catch(() => null))?.request);
    }
    const request = requests.get(job.job_id);
    if (!request) return;
    const hit = all.filter((series) => idOf({...series, interval: intervalOf(series.interval).interval}).toLowerCase() === idOf({...request, root: series.root, interval: request.interval ?? ''}).toLowerCase() &&
      (request.kind === 'earnings' || (request.roots ?? [request.root]).includes(series.root)));
    hit.forEach((series) => dirty.add(series));
    if (hit.length) refresh();
    const isNew = hit.length < (request.roots ?? [0]).length;
    if (isNew && (job.items.succeeded > 0 || job.status === 'completed')) load();
  }, {signal});
  live.addEventListener('again', load, {signal});

  load();
  return (next) => {
    query = next;
    symbol.value = next.get('symbol') ?? '';
    schema.value = next.get('series') ?? '';
    gapsOnly.checked = next.has('gaps');
    const other = +next.get('year') || year;
    if (other !== year) {
      year = other;
      begin();
    } else {
      filter();
    }
  };
}

// The sessions beside it that lack data as well.
function gapAround(days, at) {
  if (!GAPS.has(days[at].state)) return null;
  let [first, last] = [at, at];
  while (first > 0 && GAPS.has(days[first - 1].state)) first -= 1;
  while (last + 1 < days.length && GAPS.has(days[last + 1].state)) last += 1;
  return days.slice(first, last + 1);
}

// --- the calendar: months of weeks, a week a column of five days ------------------------------------

function calendar(series, year, {pick, show}) {
  const {days} = series.coverage;
  const at = new Map(days.map((one, i) => [one.date, i]));
  const counts = series.coverage.counts;
  const grid = h('div.calendar', {role: 'grid', 'aria-label': `${nameOf(series)} in ${year}: ${ORDER.filter((state) => counts[state]).map((state) => `${counts[state]} ${STATES[state]}`).join(', ') || 'no sessions yet'}`});
  const today = textOf(new Date());
  const cells = new Map();
  for (let month = 0; month < 12; month += 1) {
    const weeks = h('div.weeks', {role: 'none'});
    const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
    let week = null;
    let hasSessions = false;
    for (let date = 1; date <= last; date += 1) {
      const when = new Date(Date.UTC(year, month, date));
      const weekday = when.getUTCDay();
      if (!week || weekday === 1) {
        if (weekday === 0 || weekday === 6) continue;
        week = h('div.week', {role: 'row'});
        for (let blank = 1; blank < weekday; blank += 1) week.append(h('i'));
        weeks.append(week);
      }
      if (weekday === 0 || weekday === 6) continue;
      const text = textOf(when);
      const i = at.get(text);
      if (i === undefined) {
        week.append(h('i', {'data-none': text > today || !days.length ? 'later' : 'closed'}));
        continue;
      }
      hasSessions = true;
      const {state, reason} = days[i];
      const cell = document.createElement('i');
      cell.setAttribute('role', 'gridcell');
      cell.tabIndex = -1;
      cell.dataset.state = state;
      cell.dataset.date = text;
      cell.setAttribute('aria-label', `${day(text, 'weekday')}: ${STATES[state]}${state === 'failed' && reason ? `, ${reason}` : ''}`);
      week.append(cell);
      cells.set(text, cell);
    }
    for (const row of weeks.children) if (!row.querySelector('[role]')) row.removeAttribute('role'), row.setAttribute('aria-hidden', 'true');
    grid.append(h('div.month', hasSessions ? {role: 'rowgroup', 'aria-label': `${monthName(month)} ${year}`} : {'aria-hidden': 'true'}, h('span.month-name', {'aria-hidden': 'true'}, monthName(month)), weeks));
  }
  if (!cells.size) {
    grid.removeAttribute('role');
    grid.removeAttribute('aria-label');
    return grid;
  }

  // One stop of the tab key a series: its first gap, or its last day.
  const dates = days.map((one) => one.date);
  let current = days.findIndex((one) => GAPS.has(one.state));
  if (current < 0) current = days.length - 1;
  cells.get(dates[current])?.setAttribute('tabindex', '0');
  const moveTo = (i) => {
    const cell = cells.get(dates[Math.max(0, Math.min(dates.length - 1, i))]);
    if (!cell) return;
    cells.get(dates[current]).tabIndex = -1;
    current = dates.indexOf(cell.dataset.date);
    cell.tabIndex = 0;
    cell.focus();
  };
  const weekAway = (by) => {
    const target = textOf(new Date(+dayOf(dates[current]) + by * 7 * 86400000));
    const found = by > 0 ? dates.findIndex((date) => date >= target) : dates.findLastIndex((date) => date <= target);
    return found < 0 ? (by > 0 ? dates.length - 1 : 0) : found;
  };
  const monthAway = (by) => {
    const from = dayOf(dates[current]);
    const target = textOf(new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + by, Math.min(from.getUTCDate(), 28))));
    const found = by > 0 ? dates.findIndex((date) => date >= target) : dates.findLastIndex((date) => date <= target);
    return found < 0 ? (by > 0 ? dates.length - 1 : 0) : found;
  };
  const gapAway = (by) => {
    for (let i = current + by; i >= 0 && i < days.length; i += by) if (GAPS.has(days[i].state)) return i;
    return current;
  };
  grid.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = {
      ArrowUp: () => current - 1, ArrowDown: () => current + 1, ArrowLeft: () => weekAway(-1), ArrowRight: () => weekAway(1),
      PageUp: () => monthAway(-1), PageDown: () => monthAway(1), Home: () => 0, End: () => dates.length - 1, n: () => gapAway(1), N: () => gapAway(-1),
    };
    if (event.key === 'Enter' || event.key === ' ') pick(current);
    else if (moves[event.key]) moveTo(moves[event.key]());
    else return;
    event.preventDefault();
  });
  const over = (event) => event.target.dataset.date && show(event.target.getAttribute('aria-label'));
  grid.addEventListener('pointerover', over);
  grid.addEventListener('focusin', over);
  grid.addEventListener('pointerleave', () => show(''));
  grid.addEventListener('click', (event) => {
    if (!event.target.dataset.date) return;
    moveTo(dates.indexOf(event.target.dataset.date));
    pick(current);
  });
  return grid;
}
