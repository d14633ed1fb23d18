// The shell: which page an address names, the links between them, the theme, and whether we hear the server.
import {h, tell, note, empty, go} from './dom.js';
import {live, watch, who, logout} from './api.js';
import {coveragePage} from './coverage.js';
import {jobsPage} from './jobs.js';
import {jobPage} from './job.js';
import {submitPage} from './submit.js';
import {activityPage} from './activity.js';

const PAGES = [
  [/^\/ui\/?$/, 'coverage', 'Coverage', coveragePage],
  [/^\/ui\/jobs$/, 'jobs', 'Jobs', jobsPage],
  [/^\/ui\/jobs\/([^/]+)$/, 'jobs', 'Job', jobPage],
  [/^\/ui\/submit$/, 'submit', 'Submit', submitPage],
  [/^\/ui\/activity$/, 'activity', 'Activity', activityPage],
];

const main = document.getElementById('main');
let shown = null;  // {path, leave, changed}

// Each page is page(root, {parts, query, signal, set}) and may return what to do when only the query
// of its address has changed. `set` changes that: filters are part of the address.
function show({keepFocus = false} = {}) {
  const {pathname, search} = location;
  if (shown?.path === pathname && shown.changed) return shown.changed(new URLSearchParams(search));
  shown?.leave.abort();
  const leave = new AbortController();
  const entry = PAGES.find(([pattern]) => pattern.test(pathname));
  document.title = `${entry ? entry[2] : 'No such page'} · betedge`;
  for (const link of document.querySelectorAll('nav [data-page]')) {
    if (link.dataset.page === entry?.[1]) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const root = h(`div.page.${entry ? entry[1] : 'none'}`);
  main.replaceChildren(root);
  shown = {path: pathname, leave};
  if (!entry) {
    root.append(h('h1', 'No such page'), empty('There is nothing at this address', pathname, h('a.button', {href: '/ui'}, 'Go to the coverage')));
    return;
  }
  const set = (members, {push = false} = {}) => {
    const next = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(members)) value ? next.set(name, value) : next.delete(name);
    const text = next.toString();
    history[push ? 'pushState' : 'replaceState'](null, '', text ? `${pathname}?${text}` : pathname);
  };
  shown.changed = entry[3](root, {parts: entry[0].exec(pathname).slice(1), query: new URLSearchParams(search), signal: leave.signal, set});
  scrollTo(0, 0);
  if (!keepFocus) main.focus({preventScroll: true});
}

addEventListener('betedge:go', ({detail}) => {
  history.pushState(null, '', detail);
  show();
});
addEventListener('popstate', () => show());
document.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const to = new URL(link.href, location.href);
  if (to.origin !== location.origin || !/^\/ui(\/|$)/.test(to.pathname) || to.hash || link.target) return;
  event.preventDefault();
  document.querySelector('dialog[open]')?.close();
  go(to.pathname + to.search);
});

// --- theme ------------------------------------------------------------------------------------------

const theme = document.getElementById('theme');
const THEMES = ['auto', 'light', 'dark'];
const chosen = () => document.documentElement.dataset.theme ?? 'auto';
theme.addEventListener('click', () => {
  const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
  if (next === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  localStorage.setItem('betedge.theme', next);
  tell(theme, `Theme: ${next}`);
});
tell(theme, `Theme: ${chosen()}`);

// --- who, and whether the server is heard -----------------------------------------------------------

const leave = document.getElementById('logout');
function showWho() {
  leave.hidden = !who.client;
  tell(leave, 'Log out');
  leave.title = who.client ? `${who.client}: ${who.access}` : '';
}
leave.addEventListener('click', () => logout().catch((problem) => note(problem.message, {kind: 'wrong'})));
addEventListener('betedge:login', showWho);
showWho();

const light = document.getElementById('live');
live.addEventListener('state', ({detail}) => {
  light.dataset.state = detail;
  tell(light, {live: 'live', lost: 'reconnecting', paused: 'paused'}[detail]);
});

const active = new Set();
const badge = document.getElementById('active-jobs');
live.addEventListener('job', ({detail}) => {
  if (['completed', 'failed'].includes(detail.status)) active.delete(detail.job_id);
  else active.add(detail.job_id);
  badge.hidden = active.size === 0;
  badge.replaceChildren(String(active.size), h('span.unseen', ' active'));
});
live.addEventListener('state', ({detail}) => detail !== 'live' && active.clear());

show({keepFocus: true});
watch();
